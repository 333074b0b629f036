"""The name in ledger and runs is that of the login, where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.core import accounts
from ganlib.tracking.login import login


def test_the_login_of_environment_or_file_goes_before_the_systems_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    assert login() == accounts.user()
    (tmp_path / ".mlflow").mkdir()
    (tmp_path / ".mlflow/credentials").write_text("[mlflow]\nmlflow_tracking_username = joan\n")
    assert login() == "joan"
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    assert login() == "ada"
