"""Secrets by file: what a container's or systemd's secrets come as."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganlib.core import secret_files
from ganlib.core.errors import BadInput


def test_a_secret_is_read_from_its_file_and_what_is_set_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "password").write_text("open: sesame\n")
    monkeypatch.setattr(os, "environ", {"PGPASSWORD_FILE": str(tmp_path / "password"), "OTHER_FILE": "/nowhere"})
    secret_files.read()
    assert os.environ["PGPASSWORD"] == "open: sesame"
    (tmp_path / "password").write_text("another")
    secret_files.read()
    assert os.environ["PGPASSWORD"] == "open: sesame"


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), (b"\n", "is empty"), (b"\xff", "not text")])
def test_a_file_that_has_no_secret_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, message: str
) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setattr(os, "environ", {"MLFLOW_TRACKING_PASSWORD_FILE": str(path)})
    with pytest.raises(BadInput, match=f"MLFLOW_TRACKING_PASSWORD_FILE: .*{message}"):
        secret_files.read()
