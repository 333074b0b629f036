"""Where runs of deployments may read and write."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from tests import factories


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that allows two places, with a link out of one of them; runs in it are of a deployment."""
    project = factories.project(tmp_path / "project")
    params = yaml.safe_load(project.params_file.read_text())
    params["services"] |= {"outputs": ["out", "s3://bucket/ours"], "sources": ["own"]}
    project.params_file.write_text(yaml.safe_dump(params))
    for folder in ("out", "own", "../elsewhere"):
        (project.root / folder).mkdir()
    (project.root / "out" / "link").symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("GANLIB_ROOT", str(project.root))
    return project


@pytest.fixture
def deployed(flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> Any:
    from prefect.runtime import deployment

    monkeypatch.setattr(deployment, "id", "a-deployment", raising=False)
    return flows


@pytest.mark.parametrize(
    "out", ["out/batch", "out/a/../b", "./out/x", "s3://bucket/ours/batch", "out/{model}-v{version}"]
)
def test_what_is_allowed_is(project: Project, deployed: SimpleNamespace, out: str) -> None:
    deployed.places.require_output(project, out)
    deployed.places.require_output(project, out if "://" in out else str(project.root / out))


@pytest.mark.parametrize(
    "out",
    [
        *("elsewhere", "/srv/x", "out/../x", "../elsewhere/x", "out/link/x", "out/link", "outside/x", ""),
        *("out", "out/.", "own/x", "~/x", ".ganlib/x", "data/prepared/x"),
        *("s3://bucket/ours", "s3://bucket/ours/", "s3://bucket/oursnot/x", "s3://bucket/ours/../x", "s3://other/x"),
        *("s3://bucket/ours//x", "s3://bucket/ours/%2e%2e/x", "s3://bucket/ours/x::file:///srv/x", "S3://bucket/x"),
        *("file:///srv/x", "local://out/x", "simplecache::s3://bucket/ours/x", "memory://out/x"),
    ],
)
def test_a_run_of_a_deployment_writes_nowhere_else(project: Project, deployed: SimpleNamespace, out: str) -> None:
    before = sorted(project.root.rglob("*"))
    with pytest.raises(BadInput, match=r"services\.outputs") as caught:
        deployed.generate.generate.fn(model="no-such", out=out)
    assert "\n" not in str(caught.value)
    assert sorted(project.root.rglob("*")) == before


@pytest.mark.parametrize(
    "reading",
    [{"model": "/srv/g.onnx"}, {"model": "own/../g.onnx"}, {"model": "/srv/g.onnx/"}, {"labels": "/etc/hostname"}],
)
def test_it_reads_no_files_from_elsewhere(project: Project, deployed: SimpleNamespace, reading: dict[str, str]) -> None:
    with pytest.raises(BadInput, match=r"services\.sources"):
        deployed.generate.generate.fn(out="out/x", **reading)


@pytest.mark.parametrize("source", ["/etc", "../elsewhere", "~", "own/..", "out/link"])
def test_no_data_comes_from_elsewhere(project: Project, deployed: SimpleNamespace, source: str) -> None:
    with pytest.raises(BadInput, match=r"services\.sources"):
        deployed.version_data.version_data.fn(source=source)


def test_a_sheet_of_a_batch_on_s3_is_not_drawn_into_the_project(project: Project, deployed: SimpleNamespace) -> None:
    with pytest.raises(BadInput, match="grid"):
        deployed.generate.generate.fn(out="s3://bucket/ours/x", grid=True)


def test_overrides_allow_nothing(project: Project, deployed: SimpleNamespace) -> None:
    with pytest.raises(BadInput, match=r"services\.outputs"):
        deployed.generate.generate.fn(out="/srv/x", overrides=["services.outputs=[/srv]"])


def test_a_command_line_is_not_limited(project: Project, flows: SimpleNamespace) -> None:
    flows.places.require_output(project, "/anywhere/else")
    assert flows.places.source(project, "model", "/anywhere/g.onnx") == "/anywhere/g.onnx"
