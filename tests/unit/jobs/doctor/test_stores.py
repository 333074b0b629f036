"""No store, and one that no client knows; real ones are in tests/services/test_inbox_s3.py."""

from __future__ import annotations

from pathlib import Path

from ganlib.jobs.doctor import stores
from tests import factories
from tests.unit.jobs.doctor.test_services import findings


def test_where_all_is_in_folders_there_is_nothing_to_try(tmp_path: Path) -> None:
    project = factories.project(tmp_path / "project")
    assert findings(stores.stores, project)["stores"].state == "ok"
    project.params_file.write_text("nonsense: 1\n")
    assert findings(stores.stores, project)["stores"].state == "remark"
