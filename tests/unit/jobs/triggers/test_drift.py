"""Drift as a cause: a batch's own check, and images in the inbox beside MNIST's, by MNIST's judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganlib.data.importing.record import AppliedRules, ImportReport
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.splits import load_split
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.generation.batch.card import FILE, BatchCard
from ganlib.jobs.triggers import drift
from ganlib.registry.registry import Registry
from tests.conftest import ROOT
from tests.unit.jobs.triggers.conftest import at, settings


def put(folder: Path, version: int, names: list[str]) -> None:
    """The card of a batch that ``version`` made, whose check says that it drifts in ``names``."""
    folder.mkdir(parents=True)
    fields: dict[str, Any] = dict.fromkeys(BatchCard.model_fields) | {
        "model": "mnist-generator", "version": version, "quality": {"drifted": names}, "aliases": (),
        "model_sha256": "a", "count": 1, "start": 0, "seed": 0, "condition": "", "truncation": 1.0, "synthetic": True,
        "file_format": "png", "provider": "cpu", "ganlib": "1", "versions": {}, "runs": (),
    }  # fmt: skip
    card = BatchCard(**fields)
    (folder / FILE).write_text(card.model_dump_json())


def test_a_batch_of_the_champion_that_drifts_is_a_cause_and_no_others(champion: Registry) -> None:
    store, out = champion.store, champion.store.project.root / "out"
    assert drift.due(at(store, settings([]))) is None
    put(out / "fine", 1, [])
    put(out / "other", 2, ["fid"])
    assert drift.due(at(store, settings([]))) is None
    put(out / "nightly" / "batch", 1, ["classes", "fid"])
    assert drift.due(at(store, settings([]))) == "batch out/nightly/batch of version 1 drifts in classes and fid"


@pytest.mark.parametrize("flipped", [False, True])
def test_images_in_the_inbox_that_differ_from_the_training_ones_are_a_cause(
    champion: Registry, flipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of real MNIST: its test images, as they are or upside down."""
    store, root = champion.store, champion.store.project.root
    (root / "inbox").mkdir()
    for number, image in enumerate(load_split(ROOT / "data/prepared", "test").images[:60, 0]):
        Image.fromarray(np.flipud(image) if flipped else image).save(root / "inbox" / f"{number}.png")
    rules = AppliedRules(size=28, channels=1, fit="crop", background=(0, 0, 0), white=255)
    report = ImportReport.model_construct(rules=rules)
    monkeypatch.setattr(drift, "read_report", lambda raw: report)
    monkeypatch.setattr(drift, "describe", lambda project: type("Data", (), {"spec": MNIST}))
    monkeypatch.setattr(drift, "judge_of", lambda *_: load_judge())
    monkeypatch.setattr(drift, "MOST_OLD", 400)
    (root / "data").mkdir()
    (root / "data" / "prepared").symlink_to(ROOT / "data/prepared")
    state = at(store, settings([], inbox="inbox", still_seconds=0), days=1)
    assert (drift.due(state) is not None) is flipped
    monkeypatch.setattr(drift, "judge_of", lambda *_: pytest.fail("it was looked at already"))
    assert (drift.due(state) or "").startswith("in inbox: KID ") is flipped
