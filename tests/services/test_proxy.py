"""Behind a proxy: loopback is never asked of it, and what is asked of it names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganlib.core.errors import Unavailable
from ganlib.data.sources.download import download
from ganlib.data.sources.failure import SourceFailure
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.services.proxy import useless_proxy, variables

pytestmark = pytest.mark.services


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_servers_flows_and_commands_on_this_machine_never_ask_the_proxy(tmp_path: Path) -> None:
    mine = projects.make(tmp_path / "project")
    with useless_proxy() as (proxy, asked):
        behind = variables(proxy)
        temporary = projects.run(mine, "pipelines", "reconcile", "--json", timeout=600, **behind)
        assert temporary.returncode == 0, temporary.stderr
        up = projects.run(mine, "pipelines", "services", "up", "--json", timeout=600, **behind)
        try:
            assert up.returncode == 0, up.stderr
            assert json.loads(up.stdout).keys() == {"mlflow", "prefect", "deployments", "supervisor"}
            for words in (("pipelines", "reconcile", "--json"), ("ganlib", "registry", "list", "--json")):
                done = projects.run(mine, *words, timeout=600, **behind)
                assert done.returncode == 0, done.stderr
            by_name = json.loads(up.stdout)["mlflow"]["url"].replace("127.0.0.1", "localhost")
            done = projects.run(mine, "ganlib", "registry", "list", **behind, MLFLOW_TRACKING_URI=by_name)
            assert done.returncode == 0, done.stderr
        finally:
            assert projects.run(mine, "pipelines", "services", "down", **behind).returncode == 0
        assert [line for line in asked if "127.0.0.1" in line or "localhost" in line] == []


def test_a_server_elsewhere_is_asked_of_the_proxy_which_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with useless_proxy() as (proxy, asked):
        for name, value in variables(proxy).items():
            monkeypatch.setenv(name, value)
        where = proxy.rpartition("@")[2]
        with pytest.raises(Unavailable, match=rf"mlflow\.invalid through the proxy {where} answers 502") as caught:
            connect(factories.project(tmp_path / "project"), "http://mlflow.invalid")
        with pytest.raises(SourceFailure, match=f"through the proxy {where}"):
            download("http://data.invalid/x", tmp_path / "x", largest=10)
    assert [line.split()[1] for line in asked] == ["http://mlflow.invalid/health", "http://data.invalid/x"]
    assert "secret" not in str(caught.value)
