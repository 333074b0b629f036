"""The page for people, in a real Chromium, on a real server."""

from __future__ import annotations

import base64
import io
import itertools
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ganlib.core.files import sha256_file
from ganlib.generation.session import OnnxModel
from tests.support import graphs
from tests.support.contrast import unreadable
from tests.support.specs import CAPTIONS, SHOP
from tests.unit.serving.running import LONG, Files, Running, running

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    kinds = {"champion": None, "challenger": None, "digits": "label", "captions": "caption"}
    kinds |= {"shop": "label", "icons": "caption"}
    return graphs.write_all(tmp_path_factory.mktemp("page"), kinds)


@pytest.fixture(scope="module")
def server(paths: dict[str, Path]) -> Iterator[Running]:
    with running(Files(**paths)) as made:
        yield made


@pytest.fixture
def page(browser: Browser, server: Running) -> Iterator[Page]:
    """The page, which may ask nothing of any other host, and must not complain."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.set_default_timeout(120_000)
    made, wrong = context.new_page(), list[str]()
    made.on("request", lambda request: wrong.append(request.url) if not _ours(request.url, server.url) else None)
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.goto(server.url)
    expect(made.get_by_role("status")).to_contain_text("Drawn in")
    yield made
    context.close()
    assert not wrong


def _ours(url: str, server: str) -> bool:
    return url.startswith((f"{server}/", "data:", "blob:"))


def drawn(page: Page) -> list[tuple[str, bytes]]:
    """Title and file of every image on the page."""
    pairs = page.eval_on_selector_all(".images img", "all => all.map((image) => [image.alt, image.src])")
    return [(alt, base64.b64decode(source.partition(",")[2])) for alt, source in pairs]


def test_the_grid_shows_what_the_api_gives_and_the_address_keeps_it(page: Page, server: Running) -> None:
    page.get_by_label("Seed", exact=True).fill("7")
    with page.expect_response(re.compile(r"/v1/images.*seed=7")):
        page.keyboard.press("Enter")  # from the field: no mouse is needed
    expect(page.get_by_role("status")).to_contain_text("Drawn in")  # "Drawing…" until the images are there
    expect(page.locator(".images img")).to_have_count(60)
    images = drawn(page)
    assert [alt for alt, _ in images] == [f"image {index}" for index in range(60)]
    assert images[59][1] == server.get("/v1/images", seed=7, start=59).content
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Drawn in")
    expect(page.locator(".images img")).to_have_count(60)
    assert drawn(page) == images


def test_only_what_the_model_takes_can_be_asked(page: Page) -> None:
    digit, caption = page.get_by_label("Class", exact=True), page.get_by_label("Caption", exact=True)
    expect(digit).to_be_hidden()
    page.get_by_label("Model").select_option("digits")
    expect(caption).to_be_hidden()
    digit.select_option("7")
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: 7")
    page.get_by_label("Model").select_option("captions")
    expect(digit).to_be_hidden()
    caption.fill("a dog")
    page.get_by_role("button", name="Draw").click()
    expect(page.get_by_role("status")).to_contain_text("names no digit")
    caption.fill("a thin seven")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: a thin seven")


def test_lists_and_sizes_are_those_of_the_model(page: Page) -> None:
    classes, caption = page.get_by_label("Class", exact=True), page.get_by_label("Caption", exact=True)
    page.get_by_label("Model").select_option("shop")
    assert classes.locator("option").all_text_contents() == ["drawn from the seed", "each in turn", *SHOP.class_names]
    classes.select_option("shoe")
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: shoe")
    with Image.open(io.BytesIO(drawn(page)[0][1])) as image:
        assert (image.mode, image.size) == ("RGB", (32, 32))
    page.reload()
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: shoe")
    page.get_by_label("Walk").check()
    canvas = page.locator("canvas")
    expect(canvas).to_have_attribute("width", "32")
    expect(canvas).to_have_attribute("height", "32")
    page.get_by_label("Grid").check()
    page.get_by_label("Model").select_option("digits")
    expect(classes).to_have_value("")
    page.get_by_label("Model").select_option("icons")
    expect(caption).to_have_attribute("placeholder", CAPTIONS[0])
    caption.fill("Anything at all")
    page.get_by_role("button", name="Draw").click()
    expect(page.locator(".images img").first).to_have_attribute("alt", "image 0: anything at all")


def test_a_walk_moves_unless_the_reader_wants_it_still(page: Page) -> None:
    page.get_by_label("Walk").check()
    expect(page.locator(".images img")).to_have_count(24)
    canvas = page.locator("canvas")
    picture = "canvas => canvas.toDataURL()"
    first = canvas.evaluate(picture)
    page.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=first)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="Draw").click()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()


def test_champion_and_challenger_stand_side_by_side_on_the_same_noise(
    page: Page, server: Running, paths: dict[str, Path]
) -> None:
    page.get_by_label("Side by side").check()
    sections = page.locator("section")
    expect(sections).to_have_count(2)
    for at, name in enumerate(("champion", "challenger")):
        expect(sections.nth(at)).to_contain_text(sha256_file(paths[name]))
    images = drawn(page)
    assert len(images) == 120
    assert [images[0][1], images[60][1]] == [
        server.get("/v1/images", model=name, seed=0).content for name in ("champion", "challenger")
    ]


def test_the_picture_and_its_card_can_be_taken_away(page: Page, paths: dict[str, Path]) -> None:
    with page.expect_download() as picture:
        page.get_by_role("link", name="PNG").click()
    with page.expect_download() as card:
        page.get_by_role("link", name="Card").click()
    opened = Image.open(io.BytesIO(picture.value.path().read_bytes()))
    opened.load()
    told = json.loads(card.value.path().read_text())
    assert opened.text["ganlib:model_sha256"] == told["model_sha256"] == sha256_file(paths["champion"])  # type: ignore[attr-defined]
    assert (told["synthetic"], told["seed"], told["count"]) == ("trainedAlgorithmicMedia", 0, 60)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_dark_and_every_field_has_a_name(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert not unreadable(page)
    names = page.eval_on_selector_all("form input, form select", "all => all.map((field) => field.labels.length)")
    assert all(names)
    assert page.get_by_role("button").all()


DRAWN = """turn => document.querySelector("#status").textContent !== "Drawing…"
  && [...document.querySelectorAll("#drawn a")].some((e) => e.href.includes(`seed=${turn}&`))"""
TOLD = """() => {
  const section = document.querySelector("section");
  const parts = [...document.querySelectorAll("h2, option, .facts, #drawn a")];
  const said = parts.map((e) => `${e.textContent} ${e.href ?? ""}`);
  return [said.join("\\n"), [...section.querySelectorAll(".images img")].map((image) => image.src)];
}"""


@pytest.mark.parametrize("view", ["Grid", "Walk"])
def test_version_sha256_and_images_are_of_one_model_while_the_champion_moves(
    browser: Browser, paths: dict[str, Path], tmp_path: Path, view: str
) -> None:
    """Whatever the page says in any place of version or sha256, it is that of the images that it shows."""
    long = tmp_path / "a-longer-name.onnx"  # whose length is its version here
    long.write_bytes(paths["challenger"].read_bytes())
    models = {sha256_file(path): path for path in (paths["champion"], long)}
    source, done, seen = Files(champion=paths["champion"]), threading.Event(), set[str]()
    with running(source) as server:

        def move() -> None:
            while not done.is_set():
                for path in models.values():
                    source.paths["champion"] = path
                    server.look()

        mover, page = threading.Thread(target=move), browser.new_page()
        page.goto(server.url)
        page.get_by_label(view).check()
        mover.start()
        try:
            for turn in itertools.count():
                page.get_by_label("Seed", exact=True).fill(str(turn))
                page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # it asks what is served
                page.get_by_role("button", name="Draw").click()
                page.wait_for_function(DRAWN, arg=turn, timeout=120_000)
                said, images = page.evaluate(TOLD)
                (digest,) = set(re.findall(r"[0-9a-f]{64}", said))
                assert set(re.findall(r"version (\d+)", said)) == {str(len(str(models[digest])))}
                first = base64.b64decode(images[0].partition(",")[2])
                with Image.open(io.BytesIO(first)) as opened:
                    assert opened.tobytes() == OnnxModel(models[digest]).images(turn, 0, 1)[0].tobytes()
                seen.add(digest)
                if turn >= 20 and seen == set(models):
                    break
        finally:
            done.set()
            mover.join()
        page.close()


def test_the_page_says_so_when_its_images_are_no_longer_the_champion_s(
    browser: Browser, paths: dict[str, Path]
) -> None:
    source = Files(champion=paths["champion"])
    with running(source) as server:
        page = browser.new_page()
        page.goto(server.url)
        expect(page.get_by_role("status")).to_contain_text("Drawn in")
        link = page.get_by_role("link", name="PNG").evaluate("link => link.href")
        assert requests.get(link, timeout=LONG).status_code == 200
        source.paths["champion"] = paths["challenger"]
        server.look()
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        expect(page.get_by_role("status")).to_contain_text("these images are not of it")
        moved = requests.get(link, timeout=LONG)
        assert (moved.status_code, "not " + sha256_file(paths["champion"]) in moved.json()["error"]) == (409, True)
        page.get_by_role("button", name="Draw").click()
        expect(page.locator("section")).to_contain_text(sha256_file(paths["challenger"]))
        page.close()


DROP = """([name, text]) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, { type: "image/png" }));
  for (const type of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true });
    document.querySelector("#detect h2").dispatchEvent(event);
    if (type !== "dragenter" && !event.defaultPrevented) throw new Error("the browser would open the file");
  }
}"""


def test_a_picture_that_is_dropped_or_chosen_is_told_of_in_words(
    page: Page, server: Running, paths: dict[str, Path], tmp_path: Path
) -> None:
    answer = page.locator("#answer")
    image = server.get("/v1/images", seed=9, start=3).content
    page.evaluate(DROP, ["seven.png", base64.b64encode(image).decode()])
    expect(answer).to_contain_text("seven.png: Made here. Because: made again, it is the same: number 3 of seed 9")
    assert sha256_file(paths["champion"])[:12] in answer.inner_text()
    Image.new("L", (8, 8)).save(tmp_path / "plain.png")
    with page.expect_file_chooser() as chooser:
        page.get_by_label("Drop a picture here, or choose one").focus()
        page.keyboard.press("Enter")  # no mouse is needed
    chooser.value.set_files(tmp_path / "plain.png")
    expect(answer).to_contain_text("plain.png: No sign of a model. Because: that does not make it real.")
    (tmp_path / "notes.png").write_text("no picture")
    page.get_by_label("Drop a picture here, or choose one").set_input_files(tmp_path / "notes.png")
    expect(answer).to_contain_text("notes.png: the body is no picture that can be read")
    expect(answer).to_have_class("wrong")
    assert "Drawn in" in page.get_by_role("status").inner_text(), "what was drawn is left alone"


def test_the_page_s_own_download_says_that_it_is_of_the_server(page: Page) -> None:
    with page.expect_download() as picture:
        page.get_by_role("link", name="PNG").click()
    page.get_by_label("Drop a picture here, or choose one").set_input_files(picture.value.path())
    expect(page.locator("#answer")).to_contain_text(
        "It says that it was made here. Because: a picture of several images"
    )


@pytest.mark.parametrize("width", [320, 1100])
def test_no_width_of_a_screen_makes_the_page_wider_than_it(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
