"""How many threads are used is measured once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.generation.session import OnnxModel
from ganlib.generation.speed import autotune


def test_the_probe_is_kept_for_the_model_and_the_machine(
    model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autotune, "SECONDS", 0.01)
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
