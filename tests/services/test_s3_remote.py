"""The data version on a server that speaks S3, set up as docs/operations.md says."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.data.version_data import current_data, verify_data, version_data
from ganlib.jobs.doctor.finding import HealthContext
from ganlib.jobs.doctor.remote import remote
from tests.services.conftest import free_port
from tests.unit.data.builders import dvc_project, idx_files, write_files

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture
def s3(serve: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a server with one bucket, `ganlib`."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    serve([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], f"{url}/moto-api/", tmp_path)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3", endpoint_url=url).create_bucket(Bucket="ganlib")
    return url


def on_s3(project: Project, url: str) -> Project:
    (project.root / ".dvc" / "config.local").write_text(
        f"['remote \"store\"']\n    url = s3://ganlib/dvc\n    endpointurl = {url}\n"
    )
    return project


def test_a_version_is_pushed_to_s3_and_a_clone_gets_it_from_there(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one knows the remote by DVC's own configuration, the other by that of the project."""
    project = on_s3(dvc_project(tmp_path / "project"), s3)
    made = version_data(project, source=write_files(project.root / "own", idx_files()))
    assert not (project.state / "dvc-remote").exists()

    monkeypatch.setenv("GANLIB_SERVICES_DVC_REMOTE", "s3://ganlib/dvc")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    clone = dvc_project(tmp_path / "clone")  # without the source
    for name in ("dvc.lock", "params.yaml"):
        shutil.copy(project.root / name, clone.root / name)
    assert version_data(clone) == verify_data(clone) == made

    bucket = boto3.resource("s3", endpoint_url=s3).Bucket("ganlib")
    stored = next(each for each in bucket.objects.all() if not each.key.endswith(".dir"))
    stored.put(Body=b"damaged")
    (found,) = remote(HealthContext(clone, deep=True))
    assert (found.state, "s3://ganlib/dvc" in found.words, "is damaged" in found.words) == ("problem", True, True)
    (found,) = remote(HealthContext(clone, fix=True))
    assert found.cured
    (found,) = remote(HealthContext(clone, deep=True))
    assert found.state == "ok"


def test_a_bucket_that_is_gone_leaves_a_usable_version_and_says_so(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANLIB_SERVICES_DVC_REMOTE", "s3://gone/dvc")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    project = dvc_project(tmp_path / "project")
    with pytest.raises(BadInput, match="is made and can be used here, but not pushed"):  # waiting makes no bucket
        version_data(project, source=write_files(project.root / "own", idx_files()))
    current_data(project)
