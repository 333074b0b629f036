"""SIGKILL in the middle of a shard, and a disk that fills up: what is whole stays, the end is the same."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import psutil
import pytest

from ganlib.config import ExportConfig
from ganlib.core.errors import NoSpace, Unavailable
from ganlib.core.progress import Facts
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation import formats
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import Manifest, generate, verify
from ganlib.generation.batch.card import BESIDE
from ganlib.generation.batch.shards import is_whole
from ganlib.generation.session import OnnxModel
from tests.reports import Listener
from tests.support import graphs
from tests.support.specs import SHOP
from tests.unit.export.nets import NOISE_DIM, trained_like

pytestmark = pytest.mark.faults

NOT_OF_THE_JOB = {".lock", *BESIDE}
COUNT, SEED, SHARD = 2000, 5, 250
PROGRAM = """
import os, signal, sys
from pathlib import Path
from ganlib.generation.batch.batch import generate
from ganlib.generation.session import OnnxModel

model, out, count, seed, shard, form, stop = sys.argv[1:]


class Stop:
    def advance(self, stage, done, total, figures=None):
        if stage == "generate" and done >= int(stop):
            os.kill(os.getpid(), signal.SIGSTOP)


generate(
    OnnxModel(Path(model)), out=Path(out), count=int(count), seed=int(seed), shard_size=int(shard), file_format=form,
    report=Stop(),
)
"""
"""Makes the job and stands still in the midst of a shard: it is told of every 256 images, and shards have 250."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    """A small real generator."""
    path = tmp_path_factory.mktemp("model") / "generator.onnx"
    export(trained_like(), NOISE_DIM, path, ExportConfig(parity_batches=(2,)), {}, MNIST)
    return OnnxModel(path)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    """A small one of named classes in colour."""
    path = tmp_path_factory.mktemp("coloured") / "generator.onnx"
    graphs.write(path, condition="label", spec=SHOP)
    return OnnxModel(path)


def make(model: OnnxModel, out: Path, form: str = "png") -> Manifest:
    """The whole job, in this process."""
    return generate(model, out=out, count=COUNT, seed=SEED, shard_size=SHARD, file_format=form)


def start(model: OnnxModel, out: Path, form: str, stop: int) -> subprocess.Popen[bytes]:
    """The same job in a process of its own, which stands still once it has made ``stop`` images."""
    words = [str(model.path), str(out), str(COUNT), str(SEED), str(SHARD), form, str(stop)]
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *words])


def wait_until_inside(process: subprocess.Popen[bytes], out: Path, shard: int, form: str) -> None:
    """Wait until ``process`` stands still in the middle of ``shard``: a part of it is there, not all."""
    part, limit = out / f".{formats.load(form).shard_name(shard)}.part", time.monotonic() + 900
    while process.poll() is None and time.monotonic() < limit:
        if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
            assert part.exists()
            return
        time.sleep(0.01)
    pytest.fail(f"never seen inside shard {shard} (exit code {process.returncode})")


def contents(out: Path) -> dict[str, bytes]:
    """All files but the lock."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in out.rglob("*")
        if path.is_file() and path.name not in NOT_OF_THE_JOB
    }


@pytest.mark.parametrize(("form", "kind"), [("png", "model"), ("webdataset", "coloured")])
def test_a_job_killed_three_times_mid_shard_ends_as_if_it_never_was(
    request: pytest.FixtureRequest, tmp_path: Path, form: str, kind: str
) -> None:
    model: OnnxModel = request.getfixturevalue(kind)
    out, kept = tmp_path / "killed", dict[Path, int]()
    for shard in (1, 4, 6):
        process = start(model, out, form, SHARD * (shard - len(kept)) + 1)
        try:
            wait_until_inside(process, out, shard, form)
            with pytest.raises(Unavailable, match=f"pid {process.pid}"):
                make(model, out, form)  # a second process keeps out while the first lives
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL

        manifest = manifests.read(out)
        assert manifest is not None
        assert not manifest.complete
        whole = sorted(path.name for path in out.glob("shard-*") if path.suffix != ".sha256")
        assert whole[:shard] == [formats.load(form).shard_name(k) for k in range(shard)]
        assert all(is_whole(out, manifest, k) for k in range(len(whole)))
        assert all(path.stat().st_ino == inode for path, inode in kept.items()), "a whole shard was made again"
        kept = {out / name: (out / name).stat().st_ino for name in whole}

    resumed = make(model, out, form)  # at once: the lock died with its holder
    assert all(path.stat().st_ino == inode for path, inode in kept.items()), "a whole shard was made again"
    assert verify(out).ok
    uninterrupted = make(model, tmp_path / "uninterrupted", form)
    assert resumed == uninterrupted
    assert contents(out) == contents(tmp_path / "uninterrupted")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 12 MB."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(mounted)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("no small file system: run the tests as root, where root may mount one")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_a_full_disk_here_is_not_taken_for_a_store_that_is_away(
    model: OnnxModel, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shards for a URL are made in a scratch folder first: when its disk fills up, the store is fine."""
    fsspec.filesystem("memory").mkdir("/bucket")
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    filler = small_disk / "filler"

    def fill(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        if done == 512 and not filler.exists():
            with pytest.raises(OSError, match="No space"):
                take_all_room(filler)

    job = {"out": "memory://bucket/full", "count": COUNT, "seed": SEED, "shard_size": SHARD, "file_format": "npy"}
    with pytest.raises(NoSpace, match=rf"no space at {small_disk}.*kept; free some space") as caught:
        generate(model, report=Listener(fill), **job)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    filler.unlink()
    made = generate(model, **job)  # type: ignore[arg-type]
    assert verify("memory://bucket/full").ok
    assert made.digest == make(model, small_disk / "out", "npy").digest


def take_all_room(path: Path) -> None:
    """Write until the file system is full, and fail."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_disk_that_fills_up_keeps_the_whole_shards_and_the_job_goes_on_when_there_is_room(
    model: OnnxModel, small_disk: Path, tmp_path: Path
) -> None:
    out, filler = small_disk / "out", small_disk / "filler"

    def fill(stage: str, done: int, total: int, facts: Facts | None = None) -> None:
        """Someone else takes all the room, once two shards are whole."""
        if done == 512 and not filler.exists():
            with pytest.raises(OSError, match="No space"):
                take_all_room(filler)

    with pytest.raises(NoSpace, match=r"no space at .*out: [\d,]+ bytes needed") as caught:
        generate(model, out=out, count=COUNT, seed=SEED, shard_size=SHARD, report=Listener(fill))
    assert caught.value.exit_code == 2
    assert sorted(path.name for path in out.iterdir()) == [
        ".lock",
        "manifest.json",
        "shard-00000",
        "shard-00001",
    ]

    before = contents(out)
    with pytest.raises(NoSpace):
        make(model, out)  # still no room: told before anything is begun
    assert contents(out) == before

    filler.unlink()
    resumed = make(model, out)
    assert resumed == make(model, tmp_path / "elsewhere")
    assert verify(out).ok
