"""onnxruntime-web is the pinned one, wherever it comes from, or there is none."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from ganlib.core.errors import BadInput, Corrupt
from ganlib.data.sources.failure import SourceFailure
from ganlib.jobs.gallery import runtime


def test_a_given_package_is_kept_and_found_again_without_it(
    web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tarball = tmp_path / "x.tgz"
    with tarfile.open(tarball, "w:gz") as archive:
        archive.add(web, "package/dist")
    monkeypatch.setenv("PATH", str(tmp_path))  # no npm
    for at, place in enumerate((web, web.parent, web.parents[1], tarball)):
        state = tmp_path / f"state-{at}"
        files = runtime.find(state, place)
        assert {name: path.read_bytes() for name, path in files.items()} == {name: name.encode() for name in files}
        assert runtime.find(state, None) == files


def test_a_kept_file_that_is_damaged_is_not_used(web: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = runtime.find(tmp_path / "state", web)
    next(iter(files.values())).write_bytes(b"other")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceFailure, match="npm is not installed"):
        runtime.find(tmp_path / "state", None)


def test_what_is_no_such_package_is_told_in_one_line(web: Path, tmp_path: Path) -> None:
    (other := tmp_path / "other").mkdir()
    with pytest.raises(BadInput, match=rf"it has no ort.*Fetch it.*npm pack {runtime.PACKAGE}"):
        runtime.find(tmp_path / "state", other)
    with pytest.raises(BadInput, match=f"is not {runtime.PACKAGE}"):
        runtime.find(tmp_path / "state", tmp_path / "absent.tgz")
    (tmp_path / "text.tgz").write_text("text")
    with pytest.raises(BadInput, match=f"is not {runtime.PACKAGE}, as a .tgz"):
        runtime.find(tmp_path / "state", tmp_path / "text.tgz")
    (web / next(iter(runtime.SHA256))).write_bytes(b"of another version")
    with pytest.raises(Corrupt, match=f"not of {runtime.PACKAGE}"):
        runtime.find(tmp_path / "state", web)
    assert not (tmp_path / "state").exists()
