"""What holds of the formats together."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.generation import formats
from tests.unit.generation.formats.suite import Models, make


def test_each_format_has_its_file_of_tests() -> None:
    here = Path(__file__).parent
    assert {f"test_{form}.py" for form in formats.names()} == {path.name for path in here.glob("test_*.py")} - {
        Path(__file__).name
    }


@pytest.mark.parametrize(("start", "count"), [(-1, 5), (2**63 - 4, 5), (2**64, 1)])
def test_numbers_that_no_image_can_have_are_refused(models: Models, tmp_path: Path, start: int, count: int) -> None:
    with pytest.raises(BadInput, match="start must be at least 0, and start \\+ count at most"):
        make(models.plain, tmp_path / "out", "npy", start=start, count=count)
    assert not (tmp_path / "out").exists()


def test_another_start_or_format_is_another_job(models: Models, tmp_path: Path) -> None:
    make(models.plain, tmp_path / "out", "npy")
    with pytest.raises(BadInput, match="start is 0, not 5; file_format is npy, not npz"):
        make(models.plain, tmp_path / "out", "npz", start=5)


def test_the_nearest_format_is_offered(models: Models, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"unknown format 'parket'\. Did you mean 'parquet'") as caught:
        make(models.plain, tmp_path / "out", "parket")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "out").exists()
