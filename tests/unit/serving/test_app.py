"""The API as a client meets it, over loopback, against what the command line makes."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.export.contract import Description, describe
from ganlib.generation.conditions import choose
from ganlib.serving.app import STATIC
from tests.support.specs import CAPTIONS, SHOP
from tests.unit.serving.running import LONG, Files, Running, generated, running

ASKED: list[tuple[str, dict[str, str]]] = [
    ("plain", {}),
    ("digits", {}),
    ("digits", {"labels": "7"}),
    ("digits", {"labels": "balanced"}),
    ("captions", {}),
    ("captions", {"caption": "一个粗的五"}),
    ("shop", {"labels": "Wellington boot, 裏"}),
    ("shop", {"labels": "balanced"}),
    ("cells", {}),
    ("icons", {}),
    ("icons", {"caption": "A Heart, très ROUGE"}),
]
GETS = ("/v1/images", "/v1/walk", "/v1/models", "/health", "/ready", "/metrics")
OPERATIONS = [
    *((method, path) for path in GETS for method in ("get", "head")),
    *(("post", path) for path in ("/v1/images", "/v1/walk", "/v1/detect")),
]


def described(path: Path) -> Description:
    return describe(path.read_bytes(), path.name)


@pytest.fixture(scope="session")
def document(server: Running) -> Any:
    """The OpenAPI document, with the way to the server."""
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.mark.parametrize(("model", "asked"), ASKED, ids=[f"{m} {' '.join(a.values())}".strip() for m, a in ASKED])
def test_an_image_is_the_file_that_generate_writes(
    server: Running, small_graphs: dict[str, Path], tmp_path: Path, model: str, asked: dict[str, str]
) -> None:
    files = generated(small_graphs[model], tmp_path / "out", count=70, seed=11, start=60, **asked)
    assert len(files) == 70
    for index in (60, 63, 64, 129):
        answer = server.get("/v1/images", model=model, seed=11, start=index, **asked)
        assert answer.content == files[index], answer.text
    told = server.post("/v1/images", model=model, seed=11, start=60, count=70, format="json", **asked).json()
    assert {image["index"]: base64.b64decode(image["png"]) for image in told["images"]} == files
    assert told["card"]["model_sha256"] == sha256_file(small_graphs[model])
    assert told["card"]["condition"] == str(choose(described(small_graphs[model]), **asked).record)


def test_an_answer_tells_model_version_and_seed(server: Running, small_graphs: dict[str, Path]) -> None:
    for path, query in (
        ("/v1/images", {"format": "grid", "count": 3}),
        ("/v1/walk", {}),
        ("/v1/images", {"count": 999}),
    ):
        headers = server.get(path, model="second", seed=2**64 - 1, **query).headers
        assert headers["X-Ganlib-Model-Sha256"] == sha256_file(small_graphs["second"])
        assert headers["X-Ganlib-Version"] == str(len(str(small_graphs["second"])))
        assert headers["X-Ganlib-Seed"] == str(2**64 - 1)


@pytest.mark.parametrize(
    ("path", "query", "images"),
    [
        ("/v1/images", {"start": 4}, "9-4"),
        ("/v1/images", {"start": 4, "count": 3, "format": "pixels"}, "9-4-6"),
        ("/v1/images", {"count": 3, "format": "npy"}, "9-0-2"),
        ("/v1/walk", {"to_seed": 5, "to_start": 7, "format": "json"}, "9-0-to-5-7"),
    ],
)
def test_an_answer_without_a_picture_has_its_marks_in_its_headers(
    server: Running, small_graphs: dict[str, Path], path: str, query: dict[str, Any], images: str
) -> None:
    headers = server.get(path, model="second", seed=9, **query).headers
    assert headers["X-Ganlib-Digital-Source-Type"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    field = json.loads(headers["X-Ganlib-AIGC"])
    assert (field["Label"], field["ProduceID"]) == ("1", f"{sha256_file(small_graphs['second'])}-{images}")


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/images", {"truncation": 0.5, "seed": 3}),
        ("/v1/images", {"format": "grid", "count": 12, "columns": 4}),
        ("/v1/walk", {"steps": 5}),
    ],
)
def test_every_picture_says_that_it_is_synthetic_and_what_made_it(
    server: Running, small_graphs: dict[str, Path], path: str, query: dict[str, Any]
) -> None:
    picture = Image.open(io.BytesIO(server.get(path, **query).content))
    picture.load()
    assert isinstance(picture, Image.Image)
    facts: dict[str, str] = picture.text  # type: ignore[attr-defined]
    assert facts["ganlib:synthetic"] == "trainedAlgorithmicMedia"
    assert facts["ganlib:model_sha256"] == sha256_file(small_graphs["plain"])
    assert facts["ganlib:seed"] == str(query.get("seed", 0))
    assert facts["ganlib:truncation"] == str(query.get("truncation", 1.0))


def test_pixels_are_those_of_the_png(server: Running) -> None:
    query = {"count": 3, "start": 9, "model": "digits"}
    pixels = server.get("/v1/images", format="pixels", **query).json()["images"]
    pngs = server.get("/v1/images", format="json", **query).json()["images"]
    for raw, packed in zip(pixels, pngs, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(packed["png"]))) as image:
            assert list(image.tobytes()) == [level for row in raw["pixels"] for level in row]
        assert raw["label"] == packed["label"]
    array = np.load(io.BytesIO(server.get("/v1/images", format="npy", **query).content))
    assert array[:, 0].tolist() == [raw["pixels"] for raw in pixels]


def test_pixels_in_colour_are_rows_of_red_of_green_and_of_blue(server: Running) -> None:
    query = {"count": 3, "start": 9, "model": "shop", "labels": "balanced"}
    pixels = server.get("/v1/images", format="pixels", **query).json()["images"]
    pngs = server.get("/v1/images", format="json", **query).json()["images"]
    for raw, packed in zip(pixels, pngs, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(packed["png"]))) as image:
            assert (image.mode, image.size) == ("RGB", (32, 32))
            assert [np.asarray(channel).tolist() for channel in image.split()] == raw["pixels"]
        assert (raw["label"], raw["class_name"]) == (raw["index"] % 3, SHOP.class_names[raw["index"] % 3])
    array = np.load(io.BytesIO(server.get("/v1/images", format="npy", **query).content))
    assert array.tolist() == [raw["pixels"] for raw in pixels]


def test_what_can_be_asked_of_each_model_is_listed(server: Running) -> None:
    models = {model["name"]: model for model in server.get("/v1/models").json()["models"]}
    kinds = {
        name: (model["takes"], model["dataset"], model["image"], model["class_names"], model["captions"])
        for name, model in models.items()
    }
    digits = list("0123456789")
    assert kinds["plain"] == (None, "mnist", [1, 28, 28], digits, [])
    assert kinds["digits"] == ("label", "mnist", [1, 28, 28], digits, [])
    assert kinds["captions"] == ("caption", "mnist", [1, 28, 28], digits, [])
    assert kinds["shop"] == ("label", "shop", [3, 32, 32], list(SHOP.class_names), [])
    assert kinds["cells"] == (None, "cells", [3, 64, 64], [], [])
    assert kinds["icons"] == ("caption", "icons", [3, 16, 16], [], list(CAPTIONS))


def test_a_class_may_be_named_or_numbered_and_the_nearest_name_is_offered(server: Running) -> None:
    named, numbered = (server.get("/v1/images", model="shop", labels=labels) for labels in ("shoe", "1"))
    assert named.content == numbered.content
    wrong = server.get("/v1/walk", model="shop", labels="shoes")
    assert (wrong.status_code, "Did you mean 'shoe'?" in wrong.json()["error"]) == (422, True)
    for several in ("balanced", "uniform"):
        answer = server.get("/v1/walk", model="shop", labels=several)
        assert (answer.status_code, "a walk has one class all the way" in answer.json()["error"]) == (422, True)


def test_a_walk_in_colour_holds_its_class(server: Running) -> None:
    walk = server.get("/v1/walk", model="shop", labels="shoe", steps=3, format="json").json()
    assert {image["class_name"] for image in walk["images"]} == {"shoe"}
    for at, seed in ((0, 0), (2, 1)):
        with (
            Image.open(io.BytesIO(base64.b64decode(walk["images"][at]["png"]))) as frame,
            Image.open(io.BytesIO(server.get("/v1/images", model="shop", labels="shoe", seed=seed).content)) as image,
        ):
            assert (frame.mode, frame.tobytes()) == ("RGB", image.tobytes())


def test_a_walk_begins_and_ends_at_the_images_of_its_seeds(server: Running) -> None:
    walk = server.get(
        "/v1/walk", seed=4, start=70, to_seed=5, to_start=3, steps=6, format="json", truncation=0.7
    ).json()
    ends = [
        server.get("/v1/images", seed=seed, start=start, truncation=0.7).content for seed, start in ((4, 70), (5, 3))
    ]
    frames = [Image.open(io.BytesIO(base64.b64decode(image["png"]))).tobytes() for image in walk["images"]]
    assert [frames[0], frames[-1]] == [Image.open(io.BytesIO(end)).tobytes() for end in ends]
    assert len(set(frames)) == 6


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("plain", {"labels": "7"}),
        ("plain", {"caption": "a seven"}),
        ("digits", {"caption": "a seven"}),
        ("captions", {"labels": "7"}),
        ("captions", {"caption": "a dog"}),
        ("captions", {"caption": "a seven and a six"}),
        ("icons", {"caption": "裏" * 22}),
        ("shop", {"labels": "shoo"}),
    ],
)
def test_a_wish_that_the_model_does_not_take_gets_the_words_of_the_command_line(
    server: Running, small_graphs: dict[str, Path], model: str, asked: dict[str, str]
) -> None:
    with pytest.raises(BadInput) as told:
        choose(described(small_graphs[model]), **asked)
    for answer in (server.get("/v1/images", model=model, **asked), server.post("/v1/walk", model=model, **asked)):
        assert answer.status_code == 422
        assert answer.json() == {"error": str(told.value)}


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ({"seed": -1}, 422, "seed: must be at least 0 "),
        ({"seed": 2**64}, 422, "seed: "),
        ({"start": 2**63 - 1, "count": 2, "format": "grid"}, 422, "start must be"),
        ({"count": 0}, 422, "count: "),
        ({"count": 257, "format": "grid"}, 422, "count must be at most 256 a request .got 257.; `ganlib generate`"),
        ({"count": 2}, 422, "a PNG file holds one image, not 2"),
        ({"truncation": 0}, 422, "truncation: "),
        ({"truncation": "nan"}, 422, "truncation: "),
        ({"labels": "x" * 257}, 422, "labels: must have at most 256 characters"),
        ({"labels": "/etc/passwd", "model": "digits"}, 422, "unknown class '/etc/passwd'. Known: 0, 1, "),
        ({"sede": 1}, 422, "sede: is not known here"),
        ({"model": "second.onnx"}, 404, "unknown model 'second.onnx'. Did you mean 'second'"),
    ],
)
def test_bad_requests_get_one_line_that_says_what_is_wrong(
    server: Running, query: dict[str, Any], status: int, says: str
) -> None:
    answer = server.get("/v1/images", **query)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    assert re.match(says, answer.json()["error"]), answer.text


@pytest.mark.parametrize(
    "body", [{"seed": True}, {"seed": "5"}, {"start": 1.5}, {"truncation": "0.5"}, {"count": None}]
)
def test_a_body_has_json_s_own_types(server: Running, body: dict[str, Any]) -> None:
    (name,) = body
    answer = server.post("/v1/images", **body)
    assert (answer.status_code, list(answer.json())) == (422, ["error"])
    assert answer.json()["error"].startswith(f"{name}: must be ")
    assert server.post("/v1/images", seed=5, truncation=1).content == server.get("/v1/images", seed="5").content


TRIED = [
    *((*operation, GenerationMode.POSITIVE) for operation in OPERATIONS),
    *((*operation, GenerationMode.NEGATIVE) for operation in OPERATIONS if operation[1] in ("/v1/images", "/v1/walk")),
]


@pytest.mark.parametrize(("method", "path", "mode"), TRIED)
def test_the_api_is_what_its_document_says(document: Any, method: str, path: str, mode: GenerationMode) -> None:
    """What the document allows and what it forbids: status, type, headers and schema of the answers; never a 5xx."""
    operation = document[path][method]

    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        # What a model takes is not in the document: a label for one without labels is valid there and refused here.
        case.call_and_validate(excluded_checks=[positive_data_acceptance], timeout=60)

    check()


def test_every_operation_of_the_document_is_tried(document: Any) -> None:
    assert {(method, path) for path in document for method in document[path]} == set(OPERATIONS)


def test_too_many_at_once_are_sent_away_and_told_when_to_come_again(small_graphs: dict[str, Path]) -> None:
    with running(Files(plain=small_graphs["plain"]), max_requests=1, timeout_seconds=LONG) as server:
        first: list[requests.Response] = []
        thread = threading.Thread(target=lambda: first.append(server.get("/v1/images")))
        with server.held():
            thread.start()
            while server.shared.at_work == 0:
                thread.join(0.01)
            second = server.get("/v1/images")
            assert (second.status_code, second.headers["Retry-After"]) == (429, "1")
            assert "under way already" in second.json()["error"]
            assert server.get("/health").ok
        thread.join()
        assert first[0].status_code == 200


def test_a_request_that_waits_too_long_is_told_so_and_forgotten(small_graphs: dict[str, Path]) -> None:
    with running(Files(plain=small_graphs["plain"]), timeout_seconds=0.1) as server, server.held():
        answer = server.get("/v1/images")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert server.shared.at_work == 0


HEADED = ["/", "/docs", "/openapi.json", "/static/page.js", "/v1/images?seed=3", "/v1/walk", "/v1/models", "/nothing"]


@pytest.mark.parametrize("path", [*HEADED, "/v1/images?count=9", "/health", "/ready"])
def test_head_is_answered_as_get_is_without_the_body(server: Running, path: str) -> None:
    get, head = (requests.request(method, server.url + path, timeout=60) for method in ("GET", "HEAD"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    for answer in (get, head):
        del answer.headers["Date"]
    assert head.headers == get.headers
    assert int(head.headers["Content-Length"]) == len(get.content) > 0


def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(server: Running) -> None:
    for path, allowed in (
        ("/v1/detect", "POST"),
        ("/v1/images", "GET, HEAD, POST"),
        ("/health", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
    ):
        for method in ("PUT", "DELETE", "OPTIONS", "BREW"):
            answer = requests.request(method, server.url + path, timeout=60)
            assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
            assert answer.json() == {"error": f"{method} is not answered here, but {allowed}."}
    assert "BREW" not in server.get("/metrics").text


def test_nothing_is_kept_by_a_cache_once_a_name_may_mean_something_else(server: Running) -> None:
    for path in ("/", "/static/page.js", "/v1/images", "/v1/walk"):
        assert server.get(path).headers["Cache-Control"] == "no-cache"
    for path in ("/v1/models", "/ready", "/health", "/metrics", "/openapi.json", "/v1/images?model=nobody", "/nothing"):
        kept = server.get(path).headers["Cache-Control"]
        assert kept == ("no-store" if "nobody" not in path else kept)


def test_operators_see_what_is_served_and_how_much(server: Running, small_graphs: dict[str, Path]) -> None:
    assert server.get("/health").json() == {"status": "ok"}
    ready = server.get("/ready").json()
    assert ready == {
        "ready": True,
        "models": {name: sha256_file(path) for name, path in small_graphs.items()},
        "registry": "up",
    }

    def measured() -> dict[tuple[str, str], float]:
        families = text_string_to_metric_families(server.get("/metrics").text)
        return {
            (sample.name, sample.labels.get("model", sample.labels.get("route", ""))): sample.value
            for family in families
            for sample in family.samples
        }

    before = measured()
    server.get("/v1/images", model="second", count=5, format="grid")
    after = measured()
    grown = {key for key in after if after[key] != before.get(key, 0)}
    assert after["ganlib_images_total", "second"] - before.get(("ganlib_images_total", "second"), 0) == 5
    assert ("ganlib_block_rows_count", "second") in grown
    assert ("ganlib_request_seconds_count", "/v1/images") in grown
    assert after["ganlib_model_info", "second"] == 1


def test_pages_ask_nothing_of_other_hosts(server: Running) -> None:
    statics = [f"/static/{name}" for name in ("page.css", "page.js", "answers.js", "detect.js")]
    pages = [server.get(path) for path in ("/", "/docs", *statics)]
    for page in pages:
        assert page.status_code == 200
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", page.text)
    named = re.findall(r"(?:src|href)='?\"?(static/[\w.]+)", pages[0].text + pages[1].text)
    assert {Path(name).name for name in named} == {"page.css", "page.js", "detect.js"}
    assert {path.name for path in STATIC.iterdir()} == {"index.html", *(Path(path).name for path in statics)}
    assert server.get("/static/..%2Fapp.py").status_code == 404
    for path in json.loads(server.get("/openapi.json").text)["paths"]:
        assert path in pages[1].text
