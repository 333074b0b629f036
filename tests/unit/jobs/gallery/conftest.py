"""One registry for all tests of galleries, and a stand-in for the files of onnxruntime-web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib.config import Params, load
from ganlib.core.files import sha256_bytes
from ganlib.core.project import Project
from ganlib.jobs.gallery import runtime
from tests.support import galleries


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield galleries.write(tmp_path_factory.mktemp("gallery") / "project")


@pytest.fixture
def params(project: Project) -> Params:
    return load(project.params_file)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as of the unpacked package, whose files are small and the right ones."""
    folder = tmp_path / "package" / "dist"
    folder.mkdir(parents=True)
    digests = {}
    for name in runtime.SHA256:
        (folder / name).write_bytes(name.encode())
        digests[name] = sha256_bytes(name.encode())
    monkeypatch.setattr(runtime, "SHA256", digests)
    return folder
