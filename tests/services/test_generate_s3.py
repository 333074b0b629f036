"""Batches on a server that speaks S3: the same bytes as in a folder, resumed, verified, repaired; and refusals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ganlib.core.errors import BadInput, Unavailable
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage import locate
from ganlib.generation.storage.base import Storage
from tests import factories
from tests.reports import Listener
from tests.services.conftest import free_port
from tests.services.s3 import BUCKET, ask, user
from tests.services.wire import Wire
from tests.support.storage_suite import StorageSuite

pytestmark = [pytest.mark.services, pytest.mark.slow]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("model") / "g.onnx"
    factories.graph(path)
    return OnnxModel(path)


@pytest.fixture
def wire(s3: Any, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """The way to the server."""
    made = Wire(int(s3_server.rpartition(":")[2]))
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.cut()


def keys(s3: Any) -> dict[str, str]:
    """All objects, with what tells one upload from the next."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = (entry for page in pages for entry in page.get("Contents", []))
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
    s3: Any, s3_server: str, model: OnnxModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam, out = boto3.client("iam"), f"s3://{BUCKET}/a"
    for name, value in (key := user("maker", "s3:*")).items():
        monkeypatch.setenv(name, value)

    def revoke(stage: str, done: int, total: int, facts: Any = None) -> None:
        if stage == "generate" and done == 256:
            iam.delete_access_key(UserName="maker", AccessKeyId=key["AWS_ACCESS_KEY_ID"])
            ask(s3_server, asks=True)

    with pytest.raises(BadInput, match=r"refuses these credentials \(.*kept; run the same command again"):
        generate(model, out=out, report=Listener(revoke), **JOB)
    ask(s3_server, asks=False)
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
