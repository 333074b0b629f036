"""Truncation, providers, memory that runs out, the card, and samples that are read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from ganlib.core.errors import BadInput, GanlibError
from ganlib.export.runtime import open_session
from ganlib.generation import formats
from ganlib.generation.batch import card as cards
from ganlib.generation.batch import read_back
from ganlib.generation.batch.batch import Manifest, generate, verify
from ganlib.generation.noise import noise_block
from ganlib.generation.session import OnnxModel
from ganlib.generation.speed import autotune
from ganlib.generation.storage import locate
from ganlib.generation.storage.base import SHARDS_LIMIT


def make(model: OnnxModel, out: Path, **changes: Any) -> Manifest:
    """150 images of seed 3 in shards of 60, unless ``changes`` say otherwise."""
    return generate(model, out=out, **{"count": 150, "seed": 3, "shard_size": 60, **changes})


# Truncation


def test_truncation_scales_the_noise_and_is_part_of_the_job(model: OnnxModel, tmp_path: Path) -> None:
    half = model.request(3, truncation=0.5)
    expected = model.run({"noise": noise_block(3, 0, model.noise_dim) * np.float32(0.5)})
    np.testing.assert_array_equal(model.draw(half, 0, 64), expected)
    manifest = make(model, tmp_path / "out", truncation=0.5)
    assert manifest.truncation == 0.5
    with Image.open(tmp_path / "out/shard-00000/00000007.png", formats=["PNG"]) as image:
        assert image.text["ganlib:truncation"] == "0.5"  # type: ignore[attr-defined]
        np.testing.assert_array_equal(np.asarray(image), expected[7, 0])
    with pytest.raises(BadInput, match=r"truncation is 0\.5, not 1\.0"):
        make(model, tmp_path / "out")


@pytest.mark.parametrize("truncation", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_truncation_out_of_range_is_refused(model: OnnxModel, truncation: float) -> None:
    with pytest.raises(BadInput, match="above 0 and at most 1"):
        model.request(0, truncation=truncation)


# Providers


def test_a_provider_that_is_not_installed_is_an_error_unless_the_processor_may_do_it(model_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no CUDAExecutionProvider, only .*CPU.*--allow-cpu"):
        OnnxModel(model_path, provider="cuda")
    assert OnnxModel(model_path, provider="cuda", allow_cpu=True).provider == "CPUExecutionProvider"
    with pytest.raises(BadInput, match="Did you mean 'cuda'"):
        OnnxModel(model_path, provider="cudda")


def test_a_silent_fall_back_is_an_error(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a driver that is missing: onnxruntime knows the provider, and makes a session without it."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(GanlibError, match="on CPUExecutionProvider instead of CUDAExecutionProvider"):
        open_session(model_path.read_bytes(), "g", "cuda")
    assert open_session(model_path.read_bytes(), "g", "cuda", allow_cpu=True).get_providers() == [
        "CPUExecutionProvider"
    ]


def test_every_shard_says_which_provider_made_it(model: OnnxModel, tmp_path: Path) -> None:
    made = make(model, tmp_path / "out")
    assert [shard.provider for shard in made.shards] == [model.provider] * 3


# Memory


class Starved:
    """onnxruntime's session, whose allocator has room for ``room`` calls at a time."""

    def __init__(self, session: Any, room: int) -> None:
        import threading

        self._session, self._room, self._lock = session, room, threading.Lock()
        self._waiting = threading.Condition()
        self.inside = self.refused = self.most = 0

    def run(self, names: list[str], inputs: dict[str, Any]) -> Any:
        with self._lock:
            self.inside += 1
            if self.inside > self._room:
                self.inside -= 1
                self.refused += 1
                raise RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9")
            self.most = max(self.most, self.inside)
        try:
            with self._waiting:
                self._waiting.wait(0.005)  # so that calls meet inside, as they do where memory is short
            return self._session.run(names, inputs)
        finally:
            with self._lock:
                self.inside -= 1


@pytest.mark.parametrize("room", [1, 3])
def test_out_of_memory_works_on_fewer_at_once_and_makes_the_same_images(
    model: OnnxModel, model_path: Path, room: int
) -> None:
    starved = OnnxModel(model_path)
    starved._session = Starved(starved._session, room)  # the boundary: nothing of ours is replaced
    blocks = starved.blocks(starved.request(3), 0, 2000, batch_size=2000, threads=8)
    drawn = np.concatenate([part.images for part in blocks])
    np.testing.assert_array_equal(drawn, model.images(3, 0, 2000))
    assert starved._session.refused >= 1
    assert starved._session.most <= room


def test_memory_that_does_not_suffice_for_one_block_is_told(model_path: Path) -> None:
    starved = OnnxModel(model_path)
    starved._session = Starved(starved._session, 0)
    with pytest.raises(GanlibError, match="not memory enough for 64 images"):
        starved.images(0, 0, 200)


# The card


def test_the_card_says_where_the_images_come_from_and_what_they_took(model: OnnxModel, tmp_path: Path) -> None:
    out = tmp_path / "out"
    entry = {"seq": 4, "kind": "promoted", "time": "2026-01-31T00:00:00.000Z", "sha256": "e" * 64}
    origin = {"reference": "champion", "model": "m", "version": 7, "aliases": ["champion"], "ledger": entry}
    made = make(model, out, origin=origin)
    card = json.loads((out / cards.FILE).read_text())
    assert (card["synthetic"], card["model_sha256"], card["digest"]) == (True, model.sha256, made.digest)
    assert (card["version"], card["aliases"], card["ledger"]["seq"]) == (7, ["champion"], 4)
    assert (card["seed"], card["count"], card["provider"]) == (3, 150, model.provider)
    (run,) = card["runs"]
    assert run["images"] == 150
    assert run["cpu_seconds"] > 0
    assert run["gpu_seconds"] == 0
    text = (out / cards.TEXT).read_text()
    assert "version 7 of m (champion when it was resolved)" in text
    assert model.sha256 in text
    assert verify(out).ok, "a card is no stranger"


def test_a_call_on_a_gpu_costs_the_time_that_it_held_it(model: OnnxModel, tmp_path: Path) -> None:
    made, out = make(model, tmp_path / "out"), locate(tmp_path / "out")
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider", model.provider):
        cards.write(out, made, cards.run(datetime.now(UTC), 7.5, 9.0, 10, provider))
    card = cards.read(out)
    assert card is not None
    assert [run.gpu_seconds for run in card.runs] == [0.0, 7.5, 7.5, 0.0]
    assert card.gpu_seconds == 15.0
    assert "| 10 | 7.5 | 9.0 | 7.5 |" in (tmp_path / "out" / cards.TEXT).read_text()


def test_a_resumed_job_adds_a_row_to_its_card(model: OnnxModel, tmp_path: Path) -> None:
    out = tmp_path / "out"
    make(model, out, file_format="npy")
    (out / "shard-00001.npy").unlink()
    make(model, out, file_format="npy")
    card = cards.read(locate(out))
    assert card is not None
    assert [run.images for run in card.runs] == [150, 60]


# Samples


@pytest.mark.parametrize("form", formats.names())
def test_what_is_read_back_is_what_was_made(model: OnnxModel, tmp_path: Path, form: str) -> None:
    made = make(model, tmp_path / "out", file_format=form, start=1000)
    numbers, images = read_back.read(locate(tmp_path / "out"), made, 90, lambda done, total: None)
    assert len(numbers) == len(images) == 90
    assert len(set(numbers.tolist())) == 90
    expected = model.images(3, 1000, 150)
    np.testing.assert_array_equal(images, expected[numbers - 1000])


def test_a_sample_of_few_shards_is_spread_over_all_that_it_needs(model: OnnxModel, tmp_path: Path) -> None:
    made = make(model, tmp_path / "out", count=200, shard_size=10, file_format="npy")
    assert sum(len(rows) for rows in read_back.chosen(made, 150).values()) == 150
    assert len(read_back.chosen(made, 20)) == 8
    assert sum(len(rows) for rows in read_back.chosen(made, 10**6).values()) == 200


# Speed


def test_the_probe_is_kept_for_the_model_and_the_machine(
    model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "_SECONDS", 0.01)
    found = autotune.tuned(model, tmp_path)
    assert found.threads >= 1
    assert 0 < found.images_per_second <= max(found.tried.values())
    monkeypatch.setattr(autotune, "measure", None)  # a second measurement would fail
    assert autotune.tuned(model, tmp_path) == found
    (path,) = (tmp_path / "speed").iterdir()
    path.write_text("{")
    with pytest.raises(TypeError):
        autotune.tuned(model, tmp_path)  # damaged: measured anew


def test_more_threads_are_kept_unless_fewer_are_clearly_faster() -> None:
    assert autotune.choose({(1, 128): 1000.0, (2, 256): 950.0, (2, 1024): 970.0}) == (2, 1024)
    assert autotune.choose({(1, 128): 1000.0, (2, 256): 600.0, (2, 1024): 890.0}) == (1, 128)


def test_more_shards_than_a_manifest_can_name_are_refused(model: OnnxModel, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"raise --shard-size|files needed|no space"):
        make(model, tmp_path / "out", count=SHARDS_LIMIT + 1, shard_size=1, file_format="npy")
    assert not (tmp_path / "out").exists()
