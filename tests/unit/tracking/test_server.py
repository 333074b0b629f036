"""What a server says of itself."""

from __future__ import annotations

from pathlib import Path

from ganlib.tracking.server import server_version
from ganlib.tracking.store import connect
from tests import factories
from tests.support.strangers import stranger


def test_a_server_is_asked_for_its_version(tmp_path: Path) -> None:
    project = factories.project(tmp_path / "project")
    with stranger(200, b"3.17.2\n") as url:
        assert server_version(connect(project, url)) == "3.17.2"
    with stranger(404, b"no such page") as url:
        assert server_version(connect(project, url)) == ""
