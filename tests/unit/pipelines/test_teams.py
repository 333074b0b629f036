"""A server of somebody else's: another version, another program, a wrong login, or nobody there, is one line."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from ganlib.config import ServicesConfig
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.project import Project
from tests import factories
from tests.services.conftest import free_port
from tests.support.strangers import stranger


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return factories.project(tmp_path / "project")


@pytest.mark.parametrize(
    ("theirs", "good"), [("3.8.8", True), ("3.8.1", True), ("3.9.0", True), ("3.7.9", False), ("4.0.0", False)]
)
def test_a_server_is_of_our_release_or_a_later_one_of_the_same_major_version(
    flows: SimpleNamespace, theirs: str, good: bool
) -> None:
    def fits() -> bool:
        try:
            flows.teams.require_version("Prefect", "https://prefect.example/api", theirs, "3.8.8")
        except BadInput as error:
            assert f"https://prefect.example/api is version {theirs}, and this project has 3.8.8" in str(error)  # noqa: PT017
            return False
        return True

    assert fits() is good


def test_the_prefect_of_a_team_is_looked_at_before_anything_is_started(
    flows: SimpleNamespace, project: Project
) -> None:
    def require(url: str) -> None:
        flows.teams.require(project, ServicesConfig(prefect=f"{url}/api"))

    with stranger(200, f'"{version("prefect")}"'.encode()) as url:
        require(url)
    with (
        stranger(200, b'"2.20.3"') as url,
        pytest.raises(BadInput, match=r"is version 2\.20\.3, .*Nothing was started"),
    ):
        require(url)
    with stranger(200, b"<html>") as url, pytest.raises(BadInput, match="does not say its version: is it Prefect"):
        require(url)
    with stranger(401, b"") as url, pytest.raises(BadInput, match=r"refuses this login \(401\).*prefect-auth"):
        require(url)
    with stranger(503, b"") as url, pytest.raises(Unavailable, match="answers 503"):
        require(url)
    with pytest.raises(Unavailable, match="does not answer"):
        require(f"http://127.0.0.1:{free_port()}")


def test_the_mlflow_of_a_team_is_looked_at_before_anything_is_started(flows: SimpleNamespace, project: Project) -> None:
    for body, message in ((b"2.9.2", r"is version 2\.9\.2, .*Nothing was started"), (b"<html>", "is it MLflow")):
        with stranger(200, body) as url, pytest.raises(BadInput, match=message):
            flows.teams.require(project, ServicesConfig(mlflow=url))


def test_where_the_flows_look_is_the_teams_before_ours(flows: SimpleNamespace) -> None:
    ours = {"mlflow": {"url": "http://127.0.0.1:1"}, "prefect": {"url": "http://127.0.0.1:2"}}
    team = ServicesConfig(mlflow="https://mlflow.example")
    assert flows.teams.addresses(team, ours) == ("https://mlflow.example", "http://127.0.0.1:2/api")
    assert flows.teams.apis(team, {}) == {"mlflow": "https://mlflow.example"}
