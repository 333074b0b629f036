"""What tests start by a fork is what an interpreter started afresh would be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support import forks

SHOW = """
import json, logging, sys

def loggers():
    names = ("", *sorted(name for name in logging.root.manager.loggerDict if name.startswith("prefect")))
    found = {name: logging.getLogger(name) for name in names}
    handlers = {name: [(type(one).__name__, one.level, type(one.formatter).__name__) for one in logger.handlers]
                for name, logger in found.items()}
    return {name: (logger.level, handlers[name]) for name, logger in found.items() if logger.level or handlers[name]}

before = [sorted(name for name in sys.modules if name.partition(".")[0] == "prefect"), loggers()]
from prefect.client.orchestration import get_client
from prefect.logging import get_logger
from prefect.settings import get_current_settings
import prefect, prefect.main, prefect.flow_runs

settings = get_current_settings()
with get_client(sync_client=True) as client:
    url = str(client.api_url)
get_logger("own").debug("a word for the log")
print(json.dumps([
    before, url, str(settings.home), settings.to_environment_variables(exclude_unset=True), loggers(),
    sys.modules["prefect"] is prefect, prefect.__spec__.origin, prefect.flow is prefect.main.flow,
]))
"""


@pytest.mark.parametrize("level", ["", "DEBUG"])
def test_a_fork_has_prefect_with_its_own_settings_and_its_own_log(tmp_path: Path, level: str) -> None:
    """And none of it before it imports it: what has no use for Prefect logs as if there were none."""
    home, url = str(tmp_path / "home"), "http://127.0.0.1:9/api"
    own = {"PREFECT_HOME": home, "PREFECT_API_URL": url} | ({"PREFECT_LOGGING_LEVEL": level} if level else {})
    words, environment = ("tests.support.code", SHOW), {**os.environ, "PYTHONPATH": str(ROOT), **own}
    forked = forks.run(words, ROOT, environment)
    afresh = subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert forked.returncode == 0, forked.stderr
    seen = json.loads(forked.stdout)
    assert seen == json.loads(afresh.stdout)
    assert seen[0][0] == []
    assert (seen[1].rstrip("/"), seen[2]) == (url, home)
    assert ("a word for the log" in forked.stderr) == ("a word for the log" in afresh.stderr) == bool(level)
