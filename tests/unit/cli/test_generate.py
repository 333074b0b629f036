"""Every mistake that `ganlib generate` is to answer, as a user makes it: one line, exit code 2, nothing half-made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import factories
from tests.support import graphs
from tests.support.specs import ICONS, SHOP
from tests.unit.cli.test_cli import ganlib, refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No project: two graphs, a file of labels with a bad row, and one with too few."""
    made = tmp_path_factory.mktemp("mistakes")
    factories.graph(made / "plain.onnx")
    graphs.write(made / "digits.onnx", condition="label")
    graphs.write(made / "shop.onnx", condition="label", spec=SHOP)
    graphs.write(made / "icons.onnx", condition="caption", spec=ICONS)
    (made / "bad.csv").write_text("label\n3\n1\nseven\n4\n")
    (made / "short.csv").write_text("3\n1\n")
    return made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("plain.onnx --count 0", "count must be at least 1 (got 0)."),
        ("plain.onnx --count -1", "count must be at least 1 (got -1)."),
        ("plain.onnx --count 1e18", "4,096,000,000,000,000,000,000 bytes needed"),
        ("plain.onnx --count 1e18 --format npy --shard-size 1000000000000", "bytes needed"),
        ("plain.onnx --count 9e18 --start 9e18", "start + count at most 9,223,372,036,854,775,808"),
        ("digits.onnx --count 4 --labels bad.csv", "bad.csv, line 4: unknown class 'seven'."),
        ("digits.onnx --count 4 --labels short.csv", "2 labels for 4 images"),
        ("plain.onnx --count 4 --labels 7", "--labels 7: this model takes no label: it is unconditional."),
        ("shop.onnx --count 4 --labels shoo", "unknown class 'shoo'. Did you mean 'shoe'? Known: Wellington boot"),
        ("shop.onnx --count 4 --labels bad.csv", "bad.csv, line 2: unknown class '3'."),
        ("icons.onnx --count 4", "this model's file keeps no captions to draw from: give one with --caption."),
        (f"icons.onnx --count 4 --caption {'x' * 65}", "the caption takes 65 bytes of UTF-8 and 64 fit"),
        (
            "shop.onnx --count 4 --check",
            "--check: the judge of shop, which this model draws, belongs to",
        ),
        ("plain.onnx --count 4 --format jpeg", "unknown format 'jpeg'. Did you mean 'png'?"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(folder: Path, words: str, message: str) -> None:
    before = sorted(folder.rglob("*"))
    model, *rest = words.split()
    assert message in refused(ganlib("generate", "--model", model, "--out", "out", *rest, cwd=folder))
    assert sorted(folder.rglob("*")) == before


def test_the_folder_of_another_job_is_refused_with_the_differences(folder: Path) -> None:
    words = ["generate", "--model", "plain.onnx", "--out", "job", "--shard-size", "10"]
    assert ganlib(*words, "--count", "20", cwd=folder).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (folder / "job").rglob("*")}
    line = refused(ganlib(*words, "--count", "30", "--seed", "4", "--format", "npy", cwd=folder))
    assert "holds another job: seed is 0, not 4; count is 20, not 30; file_format is png, not npy." in line
    assert {path: path.stat().st_mtime_ns for path in (folder / "job").rglob("*")} == before


def test_a_truncated_shard_is_named_and_the_same_command_makes_it_again(folder: Path) -> None:
    words = [
        "generate",
        "--model",
        "plain.onnx",
        "--out",
        "cut",
        "--shard-size",
        "10",
        "--count",
        "20",
        "--format",
        "npy",
    ]
    first = ganlib(*words, cwd=folder)
    whole = (folder / "cut" / "shard-00001.npy").read_bytes()
    (folder / "cut" / "shard-00001.npy").write_bytes(whole[:-100])
    found = ganlib("verify", "cut", cwd=folder)
    assert (found.returncode, found.stdout) == (1, "truncated: shard-00001.npy\n")
    again = ganlib(*words, cwd=folder)
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert (folder / "cut" / "shard-00001.npy").read_bytes() == whole


def test_a_batch_is_signed_with_a_certificate_for_trial_verified_and_repaired(folder: Path) -> None:
    pytest.importorskip("c2pa", reason="no extra c2pa: make install")
    with_key = ["--c2pa-cert", "ca/chain.pem", "--c2pa-key", "ca/key.pem"]
    words = ["generate", "--model", "digits.onnx", "--out", "signed", "--count", "2"]
    assert "sign with: ganlib generate --c2pa-cert" in ganlib("mark", "test-ca", "--out", "ca", cwd=folder).stdout
    dask = refused(ganlib(*words, *with_key, "--runner", "dask", cwd=folder))
    assert "--c2pa-cert signs in this process alone: leave --runner out." in dask
    assert "go together" in refused(ganlib(*words, *with_key[:2], cwd=folder))
    assert not (folder / "signed").exists()
    assert ganlib(*words, *with_key, cwd=folder).returncode == 0
    (folder / "signed" / "shard-00000" / "00000001.png").unlink()
    assert "takes --c2pa-cert and --c2pa-key" in refused(ganlib("repair", "signed", cwd=folder))
    assert ganlib("repair", "signed", *with_key, cwd=folder).returncode == 0
    assert ganlib("verify", "signed", cwd=folder).returncode == 0
