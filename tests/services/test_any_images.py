"""Pictures of any kind, from a folder to a served model: four data sets in one project, each by the command line."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw, ImageFont
from playwright.sync_api import Browser, expect

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.data.spec import DatasetSpec
from ganlib.evaluation.judge.mnist.judge import judge_sha256
from ganlib.export.contract import describe, read_shares
from ganlib.generation.conditions import choose
from ganlib.registry.gate import Decision
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.version import Version
from ganlib.tracking.store import connect
from tests import factories, shapes
from tests.conftest import ROOT
from tests.services import project as projects
from tests.unit.data.builders import dvc_project
from tests.unit.serving.running import Files, Running, running

pytestmark = [pytest.mark.services, pytest.mark.slow]

SHAPES = shapes.SHAPES.class_names
LETTERS = ("alfa", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett")
COUNT = 20  # images of a batch


def shape_folders(place: Path) -> None:
    """A folder for each of three shapes, in colour; of the last there are few."""
    pictures = shapes.drawn(330)
    for number, (image, label) in enumerate(zip(pictures.images, pictures.labels, strict=True)):
        if label == len(SHAPES) - 1 and number > 60:
            continue
        _save(place / SHAPES[label] / f"{number}.png", image)


def letter_folders(place: Path) -> None:
    """A folder for each of ten letters, in grey, by their names on the radio."""
    random, font = np.random.default_rng(1), ImageFont.load_default(20)
    for number in range(260):
        name = LETTERS[number % len(LETTERS)]
        page = Image.fromarray(random.integers(0, 40, (28, 28), dtype=np.uint8))
        corner = tuple(random.integers(2, 12, 2).tolist())
        ImageDraw.Draw(page).text(corner, name[0].upper(), fill=int(random.integers(150, 256)), font=font)
        _save(place / name / f"{number}.png", np.asarray(page)[None])


def one_folder(place: Path) -> None:
    """300 pictures of 64 x 64 pixels in colour, of which nothing is known."""
    for number, image in enumerate(shapes.drawn(300, seed=2, side=64).images):
        _save(place / f"{number}.png", image)


def captioned(place: Path) -> None:
    """Pictures and a table, which describes each in words."""
    pictures, rows = shapes.drawn(210, seed=3), [("file", "caption")]
    for number, (image, label) in enumerate(zip(pictures.images, pictures.labels, strict=True)):
        _save(place / "pictures" / f"{number}.png", image)
        bright = "bright" if image.mean() > 60 else "dim"
        rows.append((f"pictures/{number}.png", f"A {bright} {SHAPES[label]}"))
    with (place / "metadata.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def _save(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.transpose(1, 2, 0).squeeze()).save(path)


class Kind(NamedTuple):
    """A kind of data set: who draws it, which family learns it, and what is to come of it."""

    draw: Callable[[Path], None]
    family: str
    dims: tuple[int, int, int]
    class_names: tuple[str, ...] = ()
    captions: str | None = None
    runner: tuple[str, ...] = ("ganlib", "retrain", "--no-prefect")


KINDS = {
    "shapes": Kind(shape_folders, "cgan", (3, 32, 32), class_names=tuple(sorted(SHAPES))),
    "letters": Kind(letter_folders, "dcgan", (1, 28, 28), LETTERS, runner=("pipelines", "retrain")),
    "scraps": Kind(one_folder, "dcgan", (3, 64, 64)),
    "scenes": Kind(captioned, "tcgan", (3, 32, 32), captions="table"),
}


class Made(NamedTuple):
    """What became of a data set; it was the project's then."""

    kind: Kind
    data: dict[str, Any]
    version: Version
    decision: Decision
    batches: Path
    """``png`` and ``npy``, drawn from version 1 by its number alone."""

    @property
    def spec(self) -> DatasetSpec:
        """What the data version says of the images."""
        return DatasetSpec.model_validate(self.data["spec"])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Where MNIST was never fetched: small nets, judges of a few steps, and figures of few images."""
    made = dvc_project(tmp_path_factory.mktemp("any") / "project")
    shutil.copytree(ROOT / "pipelines", made.root / "pipelines", ignore=shutil.ignore_patterns("*.pyc.*"))
    if database := factories.empty_database():
        shutil.copy(database, made.root)
        shutil.copytree(projects.empty_prefect(), made.state / "prefect")
    params: dict[str, Any] = yaml.safe_load(made.params_file.read_text())
    params["budgets"]["smoke"] = {"steps": 8, "seconds": 60}
    params["judge"]["steps"] = 8
    params["evaluate"] |= {"samples": 150, "bootstrap": 50, "kid_subsets": 5, "kid_subset_size": 30}
    params["export"] |= {"parity_batches": [1, 2, 65], "calibration_images": 64}
    params["families"] |= {family: {"channels": 8} for family in ("cgan", "dcgan", "tcgan")}
    # Nets of so few steps draw nearly the same image whatever they are told.
    params["gate"]["limits"] |= dict.fromkeys(("class_excess", "class_distance", "diversity", "copies"))
    made.params_file.write_text(yaml.safe_dump(params))
    return made


@pytest.fixture(scope="module")
def sets(project: Project) -> Callable[[str], Made]:
    """Bring a data set in, train on it and draw from the model, the first time that it is asked for by its name."""

    def ganlib(*words: str) -> Any:
        done = projects.run(project.root, *words, "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    @cache
    def make(name: str) -> Made:
        kind = KINDS[name]
        kind.draw(project.root / "own" / name)
        data = ganlib("ganlib", "data", "version", "--from", f"own/{name}")
        result = ganlib(*kind.runner, "--families", kind.family, "--budget", "smoke")
        assert result["version"]["version"] == 1
        batches = project.root / "out" / name
        labels = ("--labels", "balanced") if kind.family == "cgan" else ()
        for form in ("png", "npy"):
            words = ("--model", "1", "--format", form, "--count", str(COUNT), "--shard-size", "8", "--no-check")
            ganlib("ganlib", "generate", *words, *labels, "--out", str(batches / form))
        version = Registry(connect(project), f"{name}-generator").get(1)
        return Made(kind, data, version, Decision.model_validate(result["decision"]), batches)

    return make


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest, sets: Callable[[str], Made]) -> Made:
    """Each data set in turn."""
    return sets(request.param)


def test_the_pictures_become_a_data_version_that_says_what_they_are(made: Made) -> None:
    spec = made.spec
    assert spec.image.dims == made.kind.dims
    assert (spec.class_names, spec.captions) == (made.kind.class_names, made.kind.captions)
    assert sum(made.data["counts"].values()) >= 210
    assert min(made.data["counts"].values()) >= 10


def test_of_uneven_classes_each_is_drawn_as_often_as_the_data_have_it(
    sets: Callable[[str], Made], project: Project
) -> None:
    made = sets("shapes")
    path = Registry(connect(project), made.version.name).download(made.version, project.root / "uneven.onnx")
    description = describe(path.read_bytes(), "model")
    shares = read_shares(description.metadata, 3)
    assert min(shares) < 1 / 6
    assert choose(description).record.choice == "data"


def test_the_gate_decides_by_figures_of_a_judge_of_the_data_s_own(made: Made, project: Project) -> None:
    decision, version = made.decision, made.version
    assert [check for check in decision.checks if not check.passed] == []
    assert decision.promoted
    assert decision.champion is None
    assert CHAMPION in version.aliases
    assert version.evaluation is not None
    assert version.evaluation.judge_sha256 != judge_sha256()
    assert version.evaluation.class_names == made.kind.class_names
    assert np.isfinite([version.evaluation.fid.value, version.evaluation.kid.value]).all()
    (entry,) = Ledger(connect(project), version.name).read().entries()
    assert (entry.kind, entry.to_version) == ("promoted", 1)


def test_onnxruntime_draws_what_torch_drew_and_the_file_says_what_it_draws(made: Made, project: Project) -> None:
    certificate, contract = made.version.certificate, made.version.contract
    assert certificate is not None
    assert certificate.batches == (1, 2, 65)
    assert certificate.max_pixel_difference <= 1, "more than rounding at a half can give"
    assert certificate.differing_share < 0.001
    assert contract is not None
    assert contract.spec == made.spec
    path = Registry(connect(project), made.version.name).download(made.version, project.root / "again.onnx")
    assert describe(path.read_bytes(), str(path)).contract == contract


def test_a_batch_is_drawn_by_the_version_s_number_in_files_and_in_arrays(made: Made) -> None:
    channels, height, width = made.kind.dims
    arrays = np.concatenate([np.load(path) for path in sorted((made.batches / "npy").glob("*.npy"))])
    assert arrays["image"].shape == (COUNT, channels, height, width)
    pictures = sorted((made.batches / "png").rglob("*.png"))
    assert len(pictures) == COUNT
    for path, image in zip(pictures, arrays["image"], strict=True):
        with Image.open(path) as opened:
            assert opened.mode == {1: "L", 3: "RGB"}[channels]
            assert (np.asarray(opened).reshape(height, width, channels).transpose(2, 0, 1) == image).all()
    if made.kind.family == "cgan":
        names = [made.kind.class_names[label] for label in arrays["label"]]
        assert names == [made.kind.class_names[index % 3] for index in range(COUNT)]
    else:
        assert "label" not in arrays.dtype.names


def test_a_class_is_drawn_by_its_name_and_a_wrong_name_gets_the_nearest(
    sets: Callable[[str], Made], project: Project
) -> None:
    uri = sets("shapes").version.uri
    words = ("generate", "--model", uri, "--count", "6", "--format", "npy", "--no-check", "--out")
    done = projects.run(project.root, "ganlib", *words, "out/square", "--labels", "square")
    assert done.returncode == 0, done.stderr
    (shard,) = (project.root / "out/square").glob("*.npy")
    assert set(np.load(shard)["label"]) == {sets("shapes").kind.class_names.index("square")}
    wrong = projects.run(project.root, "ganlib", *words, "out/none", "--labels", "sqare")
    assert (wrong.returncode, "Did you mean 'square'?" in wrong.stderr) == (2, True)
    assert not (project.root / "out/none").exists()


def test_captions_are_drawn_from_the_table_s_own(sets: Callable[[str], Made]) -> None:
    found = sets("scenes")
    arrays = np.concatenate([np.load(path) for path in sorted((found.batches / "npy").glob("*.npy"))])
    told = {f"a {light} {shape}" for light in ("bright", "dim") for shape in SHAPES}
    assert {caption.decode().lower() for caption in arrays["caption"]} <= told


@pytest.fixture(scope="module")
def server(sets: Callable[[str], Made], project: Project) -> Iterator[Running]:
    """All four models behind one address, whatever the project's data are by then."""
    paths = {}
    for name in KINDS:
        version = sets(name).version
        paths[name] = Registry(connect(project), version.name).download(version, project.root / f"{name}.onnx")
    with running(Files(**paths)) as served:
        yield served


def test_they_are_served_side_by_side_and_the_page_s_lists_are_each_model_s_own(
    server: Running, sets: Callable[[str], Made]
) -> None:
    assert "page.js" in server.get("/").text, "which fills its lists from what /v1/models tells"
    models = {model["name"]: model for model in server.get("/v1/models").json()["models"]}
    assert models.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        model = models[name]
        assert (model["dataset"], tuple(model["image"])) == (name, kind.dims)
        assert tuple(model["class_names"]) == kind.class_names
        assert model["takes"] == {"cgan": "label", "tcgan": "caption"}.get(kind.family)
        assert bool(model["captions"]) == bool(kind.captions)
        answer = server.get("/v1/images", model=name, seed=3)
        assert answer.headers["X-Ganlib-Model-Sha256"] == sets(name).version.sha256
        with Image.open(io.BytesIO(answer.content)) as image:
            assert (image.size, len(image.getbands())) == (kind.dims[:0:-1], kind.dims[0])
    named = server.get("/v1/images", model="shapes", labels="square", format="json")
    assert named.status_code == 200, named.text


def test_the_page_in_a_browser_has_each_model_s_classes_or_captions_or_neither(
    server: Running, browser: Browser, sets: Callable[[str], Made]
) -> None:
    page = browser.new_page()
    page.goto(server.url)
    classes, caption = page.get_by_label("Class", exact=True), page.get_by_label("Caption", exact=True)
    first = page.locator(".images img").first
    assert set(page.get_by_label("Model").locator("option").all_text_contents()) == KINDS.keys()
    for name, kind in KINDS.items():
        page.get_by_label("Model").select_option(name)
        takes = {"cgan": "label", "tcgan": "caption"}.get(kind.family)
        expect(classes).to_be_visible(visible=takes == "label")
        expect(caption).to_be_visible(visible=takes == "caption")
        if takes == "label":
            names = ["drawn from the seed", "each in turn", *kind.class_names]
            assert classes.locator("option").all_text_contents() == names
            classes.select_option(kind.class_names[1])
            expect(first).to_have_attribute("alt", f"image 0: {kind.class_names[1]}")
        if takes == "caption":
            caption.fill("a dim circle")
            page.get_by_role("button", name="Draw").click()
            expect(first).to_have_attribute("alt", "image 0: a dim circle")
        drawn = server.get("/v1/images", model=name, seed=3).content
        with Image.open(io.BytesIO(drawn)) as image:
            expect(first).to_have_js_property("naturalWidth", image.width)
    page.close()


def test_each_data_set_has_a_model_of_its_own_that_no_other_is_compared_with(
    sets: Callable[[str], Made], project: Project
) -> None:
    everything = {name: sets(name) for name in KINDS}
    listed = json.loads(projects.run(project.root, "ganlib", "registry", "list", "--json").stdout)
    assert {(row["name"], row["version"], tuple(row["aliases"])) for row in listed} == {
        (f"{name}-generator", 1, (CHAMPION,)) for name in everything
    }
    assert load(project.params_file).registry.model in {row["name"] for row in listed}
