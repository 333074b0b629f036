"""A gallery in a real Chromium, from a plain web server: the champion runs in the page, and draws what Python draws."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ganlib.config import MarkConfig, load
from ganlib.data.sources.failure import SourceFailure
from ganlib.generation.formats.base import texts
from ganlib.generation.noise import noise_block
from ganlib.generation.pictures.interpolate import slerp
from ganlib.generation.png import Encoder
from ganlib.generation.session import OnnxModel
from ganlib.jobs.gallery import runtime
from ganlib.jobs.gallery.build import gallery
from tests.support import galleries
from tests.support.contrast import unreadable
from tests.support.galleries import MARKUP, PLAIN, WORDS
from tests.support.once import once

pytestmark = pytest.mark.services

SEED = 12345678901234567890  # more than a number of JavaScript holds
REACHED = """() => {
  const at = document.activeElement;
  return at.matches("input[type=radio]") ? at.name : at.id || at.ariaLabel || at.textContent.trim();
}"""
CONTROLS = """() => [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
  .filter((e) => e.checkVisibility() && !e.disabled && !(e.type === "radio" && !e.checked))
  .map((e) => (e.type === "radio" ? e.name : e.id || e.ariaLabel || e.textContent.trim()))"""


class Quiet(SimpleHTTPRequestHandler):
    """Python's own server of files, without a line for each."""

    def log_message(self, *words: Any) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def web() -> Path:
    """The files of onnxruntime-web, fetched once for all sessions."""
    try:
        made = once("onnxruntime-web", lambda folder: runtime.find(folder, None))
    except SourceFailure as reason:
        pytest.skip(f"{runtime.PACKAGE}: {reason}")
    assert made
    return next(made.rglob("*.wasm")).parent


@pytest.fixture(scope="module")
def folders(web: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A gallery of each model, by the model's name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        project = galleries.write(tmp_path_factory.mktemp("galleries") / "project")
        params = load(project.params_file, ["mark.producer=A & B"])
        made = {}
        for at, name in enumerate((PLAIN, MARKUP, WORDS)):
            made[name] = project.root / f"gallery-{at}"
            gallery(project, params, made[name], model=name, onnxruntime_web=web)
        return made


@pytest.fixture(scope="module")
def urls(folders: Mapping[str, Path]) -> Iterator[dict[str, str]]:
    root = next(iter(folders.values())).parent
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=root)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield {name: f"http://127.0.0.1:{server.server_port}/{path.name}" for name, path in folders.items()}
        server.shutdown()
        thread.join()


@pytest.fixture
def page(browser: Browser, urls: Mapping[str, str]) -> Iterator[Page]:
    """A page that may ask nothing of any other host, and must not complain, of what its policy forbids neither."""
    context = browser.new_context(viewport={"width": 390, "height": 800})
    context.set_default_timeout(120_000)
    made, wrong = context.new_page(), list[str]()
    home = next(iter(urls.values())).rpartition("/")[0]
    made.on("request", lambda each: None if each.url.startswith((home, "data:", "blob:")) else wrong.append(each.url))
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
    yield made
    context.close()
    assert not wrong


def champion(folder: Path) -> OnnxModel:
    """The graph that a gallery ships, whose name is its digest."""
    (path,) = (folder / "static").glob("*.onnx")
    return OnnxModel(path, sha256=path.stem)


def drawn(page: Page) -> list[bytes]:
    """The file of every image on the page."""
    expect(page.get_by_role("status")).to_contain_text("Drawn in")
    sources = page.eval_on_selector_all(".images img", "all => all.map((image) => image.src)")
    return [base64.b64decode(source.partition(",")[2]) for source in sources]


def pixels(file: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(file)) as image:
        array = np.asarray(image)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def close(images: np.ndarray, python: np.ndarray) -> bool:
    """At most one level apart, and equal in 99.9% of the pixels."""
    apart = np.abs(images.astype(int) - python)
    return bool(apart.max() <= 1 and (apart == 0).mean() >= 0.999)


@pytest.mark.parametrize("name", [PLAIN, MARKUP, WORDS])
def test_images_are_those_that_python_draws_and_their_files_those_that_generate_writes(
    page: Page, urls: Mapping[str, str], folders: Mapping[str, Path], name: str
) -> None:
    page.goto(f"{urls[name]}/draw.html?seed={SEED}&count=70&truncation=0.7")
    files = drawn(page)
    model = champion(folders[name])
    request = model.request(SEED, truncation=0.7)
    blocks = list(model.blocks(request, 0, 70))
    images = np.stack([pixels(file) for file in files])
    assert close(images, np.concatenate([block.images for block in blocks]))
    mark = MarkConfig(producer="A & B")
    encoder = Encoder(model_sha256=model.sha256, seed=SEED, truncation=0.7, mark=mark)
    facts = [fact for block in blocks for fact in texts(model.spec, block.conditions) or [{}] * len(block.images)]
    assert files == encoder.encode(images, 0, facts)


def test_one_class_or_caption_can_be_asked_for(page: Page, urls: Mapping[str, str]) -> None:
    page.goto(f"{urls[MARKUP]}/draw.html?count=1")
    drawn(page)
    page.get_by_label("Class", exact=True).select_option("Wellington boot, 裏")
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: Wellington boot, 裏")
    expect(page.get_by_label("Caption", exact=True)).to_be_hidden()
    page.goto(f"{urls[WORDS]}/draw.html?count=1")
    drawn(page)
    page.get_by_label("Caption", exact=True).fill(" Any  THING ")
    page.keyboard.press("Enter")
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: any thing")
    page.get_by_label("Caption", exact=True).fill("日" * 30)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("takes 90 bytes of UTF-8 and 64 fit")


def test_a_walk_is_python_s_and_both_pictures_carry_the_marks(
    page: Page, urls: Mapping[str, str], folders: Mapping[str, Path]
) -> None:
    model = champion(folders[PLAIN])
    page.goto(f"{urls[PLAIN]}/draw.html?seed=5&to_seed=6&view=walk&steps=9")
    page.get_by_role("radio", name="Walk").check()  # while the model still loads: the address is not forgotten
    expect(page.locator(".images img")).to_have_count(9)
    start, end = (noise_block(seed, 0, model.noise_dim)[:1] for seed in (5, 6))
    assert close(np.stack(list(map(pixels, drawn(page)))), model.run({"noise": slerp(start, end, 9)[0]}))
    page.get_by_label("Step", exact=True).fill("3")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    for view, what in (("Walk", "5-0-to-6-0"), ("Grid", "5-0-59")):
        page.get_by_role("radio", name=view).check()
        expect(page.locator(".images img")).to_have_count(9 if view == "Walk" else 60)
        with page.expect_download() as download:
            page.get_by_role("link", name="PNG").click()
        with Image.open(download.value.path()) as sheet:
            sheet.load()
            assert f'"ProduceID":"{model.sha256}-{what}"' in sheet.info["XML:com.adobe.xmp"]
            assert sheet.info["ganlib:model_sha256"] == model.sha256
            assert sheet.size[1 if view == "Walk" else 0] == (60 if view == "Walk" else 8 * 58 + 2)


def test_pages_fit_a_telephone_can_be_read_light_and_dark_and_all_can_be_reached_by_keyboard(
    page: Page, urls: Mapping[str, str]
) -> None:
    for path in ("index.html", "cards/1.html", "draw.html?count=3", "draw.html?view=walk&steps=3"):
        page.goto(f"{urls[MARKUP]}/{path}")
        if path.startswith("draw"):
            drawn(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert not unreadable(page), (path, scheme)
        controls, reached = page.evaluate(CONTROLS), []
        for _ in controls:
            page.keyboard.press("Tab")
            reached.append(page.evaluate(REACHED))
        assert sorted(reached) == sorted(controls), path


def test_pages_show_names_as_text_and_open_as_files_too(
    browser: Browser, folders: Mapping[str, Path], urls: Mapping[str, str]
) -> None:
    page = browser.new_page()
    for address in (urls[MARKUP], folders[MARKUP].as_uri()):
        page.goto(f"{address}/index.html")
        expect(page.get_by_role("heading", level=1)).to_have_text(MARKUP)
        widths = page.eval_on_selector_all("#noise img", "all => all.map((image) => image.naturalWidth)")
        assert widths
        assert all(widths)
        assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "flex"
    page.goto(f"{folders[MARKUP].as_uri()}/draw.html")
    expect(page.get_by_role("status")).to_contain_text("python -m http.server")
    page.close()
