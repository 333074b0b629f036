"""What a batch says of itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from ganlib.config import CostsConfig
from ganlib.core.cost import Cost
from ganlib.generation.batch import card as cards
from ganlib.generation.batch.batch import Manifest, generate, verify
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage import locate


def make(model: OnnxModel, out: Path, **changes: Any) -> Manifest:
    """150 images of seed 3 in shards of 60, unless ``changes`` say otherwise."""
    return generate(model, out=out, **{"count": 150, "seed": 3, "shard_size": 60, **changes})


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


def test_the_card_begins_with_which_files_are_data_where_hugging_face_reads_the_format(
    model: OnnxModel, tmp_path: Path
) -> None:
    for form, pattern in {"png": "shard-*/*", "parquet": "shard-*.parquet", "webdataset": "shard-*.tar"}.items():
        made = make(model, tmp_path / form, file_format=form, count=3)
        _, header, text = (tmp_path / form / cards.TEXT).read_text().split("---\n", 2)
        config = {"config_name": "default", "description": f"digest {made.digest}", "data_files": pattern}
        assert yaml.safe_load(header) == {"configs": [config]}
        assert text.startswith("\n# Synthetic images\n")
    make(model, tmp_path / "npz", file_format="npz", count=3)
    assert (tmp_path / "npz" / cards.TEXT).read_text().startswith("# Synthetic images\n")


def test_a_folder_with_the_card_of_before_is_verified(model: OnnxModel, tmp_path: Path) -> None:
    make(model, tmp_path / "out", count=3)
    (tmp_path / "out" / cards.TEXT).rename(tmp_path / "out/card.md")
    assert verify(tmp_path / "out").ok


def test_a_call_on_a_gpu_costs_the_time_that_it_held_it(model: OnnxModel, tmp_path: Path) -> None:
    made, out = make(model, tmp_path / "out"), locate(tmp_path / "out")
    for provider in ("CUDAExecutionProvider", "TensorrtExecutionProvider", model.provider):
        cards.write(
            out,
            made,
            cards.run(datetime.now(UTC), Cost(wall_seconds=7.5, cpu_seconds=9.0), 10, provider, CostsConfig()),
        )
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
