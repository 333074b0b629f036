"""Batches on a server that speaks S3: the same bytes as in a folder, resumed, verified, repaired; and refusals."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from ganlib.core.errors import BadInput, Unavailable
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage import locate
from ganlib.generation.storage.base import Storage
from tests import factories
from tests.reports import Listener
from tests.services.conftest import free_port
from tests.services.wire import Wire
from tests.support.storage_suite import StorageSuite

pytestmark = [pytest.mark.services, pytest.mark.slow]

BUCKET = "ganlib"


@pytest.fixture(scope="module")
def server(serve: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"http://127.0.0.1:{(port := free_port())}"
    folder = tmp_path_factory.mktemp("s3")
    serve([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], f"{url}/moto-api/", folder)
    return url


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server, which asks nobody who he is, with one empty bucket."""
    requests.post(f"{server}/moto-api/reset", timeout=120)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("model") / "g.onnx"
    factories.graph(path)
    return OnnxModel(path)


@pytest.fixture
def wire(s3: Any, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """The way to the server."""
    made = Wire(int(server.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.cut()


def keys(s3: Any) -> dict[str, str]:
    """All objects, with what tells one upload from the next."""
    listed = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {entry["Key"]: str(entry["LastModified"]) + entry["ETag"] for entry in listed}


JOB: dict[str, Any] = {"count": 600, "seed": 5, "shard_size": 100, "file_format": "npy"}


def make(model: OnnxModel, out: Any, form: Any = "npy") -> manifests.Manifest:
    return generate(model, out=out, count=20, seed=5, shard_size=8, file_format=form)


class TestS3(StorageSuite):
    @pytest.fixture
    def storage(self, s3: Any) -> Storage:
        made = locate(f"s3://{BUCKET}/some/where")
        made.prepare()
        return made


def test_a_batch_on_s3_is_taken_up_where_its_list_of_digests_is_lost(s3: Any, model: OnnxModel) -> None:
    out = f"s3://{BUCKET}/some/where"
    made, before = make(model, out), keys(s3)
    s3.delete_object(Bucket=BUCKET, Key="some/where/shard-00002.npy.sha256")
    assert not verify(out).ok
    assert make(model, out) == made
    assert verify(out).ok
    assert keys(s3).keys() == before.keys()
    whole = {name: stamp for name, stamp in before.items() if "shard-00002" not in name and "shard" in name}
    assert {name: keys(s3)[name] for name in whole} == whole, "a whole shard was made again"


def test_another_job_is_refused_and_nothing_is_changed(s3: Any, model: OnnxModel) -> None:
    make(model, f"s3://{BUCKET}/a")
    before = keys(s3)
    with pytest.raises(BadInput, match="holds another job: seed is 5, not 6"):
        generate(model, out=f"s3://{BUCKET}/a", count=20, seed=6, shard_size=8, file_format="npy")
    with pytest.raises(Unavailable, match="has begun a job"):
        locate(f"s3://{BUCKET}/a").create(manifests.FILE, b"{}")  # two that began at the same moment: one is first
    assert keys(s3) == before


def test_a_missing_bucket_and_a_server_that_is_away_are_told(s3: Any, model: OnnxModel, monkeypatch: Any) -> None:
    with pytest.raises(BadInput, match="no bucket 'gone'") as caught:
        make(model, "s3://gone/a")
    assert caught.value.exit_code == 2
    with pytest.raises(BadInput, match="s3:// names no bucket"):
        make(model, "s3://")
    with pytest.raises(BadInput, match="shards are more than the 1,000,000"):
        generate(model, out=f"s3://{BUCKET}/a", count=10**18, seed=0, shard_size=1000)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(Unavailable, match="cannot be reached"):
        make(model, f"s3://{BUCKET}/a")
    assert keys(s3) == {}


def test_credentials_that_are_revoked_in_the_middle_keep_the_whole_shards_and_the_job_goes_on(
    s3: Any, server: str, model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam, out = boto3.client("iam"), f"s3://{BUCKET}/a"
    iam.create_user(UserName="maker")
    allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_user_policy(UserName="maker", PolicyName="all", PolicyDocument=json.dumps(allowed))
    key = iam.create_access_key(UserName="maker")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def revoke(stage: str, done: int, total: int, facts: Any = None) -> None:
        if stage == "generate" and done == 256:
            iam.delete_access_key(UserName="maker", AccessKeyId=key["AccessKeyId"])
            requests.post(f"{server}/moto-api/reset-auth", data=b"0", timeout=120)  # from now on it asks

    with pytest.raises(BadInput, match=r"refuses these credentials \(.*kept; run the same command again"):
        generate(model, out=out, report=Listener(revoke), **JOB)
    requests.post(f"{server}/moto-api/reset-auth", data=b"inf", timeout=120)
    whole = [name for name in keys(s3) if name.endswith(".npy.sha256")]
    assert 1 <= len(whole) < 6
    assert manifests.read(out).complete is False  # type: ignore[union-attr]
    before = {name: stamp for name, stamp in keys(s3).items() if "shard" in name and f"{name[:17]}.sha256" in whole}
    made = generate(model, out=out, **JOB)
    assert {name: keys(s3)[name] for name in before} == before, "a whole shard was made again"
    assert made == generate(model, out=tmp_path / "out", **JOB)


def when_half_is_made(happens: Callable[[], object]) -> Listener:
    def look(stage: str, done: int, total: int, facts: Any = None) -> None:
        if stage == "generate" and done == 256:
            happens()

    return Listener(look)


def test_a_store_that_goes_away_in_the_middle_keeps_the_whole_shards_and_the_job_goes_on(
    s3: Any, wire: Wire, model: OnnxModel, tmp_path: Path
) -> None:
    out = f"s3://{BUCKET}/a"
    with pytest.raises(Unavailable, match=r"cannot be reached \(.*kept; run the same command again"):
        generate(model, out=out, report=when_half_is_made(wire.cut), **JOB)
    before = {name: stamp for name, stamp in keys(s3).items() if name.endswith(".npy.sha256")}
    assert 1 <= len(before) < 6
    wire.mend()
    made = generate(model, out=out, **JOB)
    assert {name: keys(s3)[name] for name in before} == before, "a whole shard was made again"
    assert made == generate(model, out=tmp_path / "out", **JOB)


def test_a_store_that_answers_with_errors_for_a_while_and_then_slowly_is_waited_for(
    s3: Any, wire: Wire, model: OnnxModel, tmp_path: Path
) -> None:
    def recover() -> None:
        while wire.failures < 2:
            time.sleep(0.01)
        wire.mend()
        wire.slow(0.05)

    recovery = threading.Thread(target=recover)

    def fail() -> None:
        wire.fail(503)
        recovery.start()

    made = generate(model, out=f"s3://{BUCKET}/a", report=when_half_is_made(fail), **JOB)
    recovery.join(300)
    wire.slow(0)
    assert wire.failures >= 2
    assert verify(f"s3://{BUCKET}/a").ok
    assert made == generate(model, out=tmp_path / "out", **JOB)
