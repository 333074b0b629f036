"""What repair refuses before anything is changed, and what it asks for."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest

from ganlib.config import MarkConfig
from ganlib.core.errors import BadInput, Corrupt, GanlibError
from ganlib.core.files import sha256_file
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import verify
from ganlib.generation.batch.shards import combine
from ganlib.generation.conditions import choose
from ganlib.generation.session import OnnxModel
from ganlib.generation.storage.lock import locked
from ganlib.jobs.images.repair import repair
from tests.support import graphs
from tests.support.specs import SHOP
from tests.unit.generation.formats.suite import alter, files, make


@pytest.fixture(scope="module")
def job(model: OnnxModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished job. Tests work on copies."""
    out = tmp_path_factory.mktemp("job") / "out"
    make(model, out, "npy", origin={"reference": str(model.path)})
    return out


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("labelled") / "g.onnx"
    graphs.write(path, condition="label", spec=SHOP)
    return OnnxModel(path)


@pytest.fixture
def spoilt(job: Path, tmp_path: Path) -> Path:
    """A finished job with a damaged shard."""
    out = shutil.copytree(job, tmp_path / "out")
    alter(out / "shard-00001.npy")
    return out


def change(out: Path, **values: Any) -> None:
    manifest = json.loads((out / manifests.FILE).read_text())
    (out / manifests.FILE).write_text(json.dumps({**manifest, **values}))


def refused(out: Path, words: str, **options: Any) -> BadInput:
    before = files(out)
    with pytest.raises(BadInput, match=words) as caught:
        repair(None, None, out, **options)
    assert files(out) == before
    return caught.value


def test_another_model_is_refused_by_its_sha256_before_it_is_opened(
    spoilt: Path, model_path: Path, tmp_path: Path
) -> None:
    other = onnx.load(model_path)
    other.metadata_props.add(key="note", value="retrained")
    onnx.save_model(other, tmp_path / "other.onnx")
    error = refused(spoilt, "were made by", model=str(tmp_path / "other.onnx"))
    assert sha256_file(model_path) in str(error)
    (tmp_path / "no.onnx").write_bytes(b"not a graph")
    refused(spoilt, "were made by", model=str(tmp_path / "no.onnx"))


def test_a_manifest_that_does_not_name_the_model_asks_for_it(spoilt: Path, model: OnnxModel) -> None:
    change(spoilt, origin={})
    refused(spoilt, "name it with --model")
    assert repair(None, None, spoilt, model=str(model.path)).remade == ("shard-00001.npy",)


def test_the_version_and_the_run_are_surer_names_than_an_alias(spoilt: Path) -> None:
    change(spoilt, origin={"reference": "champion", "model": "m", "version": 7, "run_id": "r"})
    refused(spoilt, "'models:/m/7'")
    change(spoilt, origin={"reference": "champion", "run_id": "r"})
    refused(spoilt, "'runs:/r'")


def test_an_unfinished_job_is_for_generate_to_finish(spoilt: Path) -> None:
    change(spoilt, complete=False, shards=[], digest=None)
    refused(spoilt, "run the same `ganlib generate` again")
    (spoilt / manifests.FILE).unlink()
    refused(spoilt, r"has no manifest\.json")


def test_other_versions_could_give_other_bytes(spoilt: Path) -> None:
    change(spoilt, versions={"numpy": "1.0", "onnxruntime": "1.0"})
    refused(spoilt, r"begun with numpy 1\.0, now ")


def test_another_way_of_making_noise_is_refused(spoilt: Path) -> None:
    change(spoilt, noise="another")
    refused(spoilt, "noise is another, not philox")


def test_a_shard_that_comes_out_differently_replaces_nothing(spoilt: Path) -> None:
    manifest = json.loads((spoilt / manifests.FILE).read_text())
    manifest["shards"][1]["sha256"] = "0" * 64
    change(spoilt, shards=manifest["shards"])
    before = files(spoilt)
    with pytest.raises(GanlibError, match="came out with other bytes") as caught:
        repair(None, None, spoilt)
    assert caught.value.exit_code == 1
    assert files(spoilt) == before


def test_a_changed_digest_of_everything_is_told_with_the_right_one(job: Path, tmp_path: Path) -> None:
    out = shutil.copytree(job, tmp_path / "out")
    right = json.loads((out / manifests.FILE).read_text())["digest"]
    change(out, digest="0" * 64)
    with pytest.raises(Corrupt, match=f"expected sha256 {right}"):
        repair(None, None, out)


def test_a_folder_in_use_is_left_alone(spoilt: Path) -> None:
    before = files(spoilt)
    with locked(spoilt), pytest.raises(GanlibError, match="another process"):
        repair(None, None, spoilt)
    assert files(spoilt) == before


def test_a_file_of_labels_has_to_be_named_again_and_has_to_be_the_same(labelled: OnnxModel, tmp_path: Path) -> None:
    labels, out = tmp_path / "labels.txt", tmp_path / "out"
    labels.write_text("hat\nshoe\n" * 75)
    make(labelled, out, "npz", condition=choose(labelled, str(labels)), origin={"reference": str(labelled.path)})
    before = files(out)
    (out / "shard-00002.npz").unlink()
    refused(out, "name that file with --labels")
    labels.write_text("hat\nshoe\n" * 74 + "hat\nhat\n")
    refused(out, "these images were made with labels of", labels=str(labels))
    labels.write_text("hat\nshoe\n" * 75)
    repair(None, None, out, labels=str(labels))
    assert files(out) == before


def old(out: Path) -> None:
    """Make the manifest what it was before a condition was a record and there was a second data set."""
    manifest = json.loads((out / manifests.FILE).read_text())
    del manifest["dataset"], manifest["mark"], manifest["metadata"]
    record = manifest["condition"]
    words = {"none": "none", "labels": f"labels {record.get('choice')}"}[record["kind"]]
    (out / manifests.FILE).write_text(json.dumps({**manifest, "format": 4, "condition": words}))


@pytest.mark.parametrize(("condition", "labels"), [(None, None), ("label", "balanced"), ("label", None)])
def test_a_folder_that_was_made_before_is_verified_resumed_and_repaired(
    tmp_path: Path, condition: str | None, labels: str | None
) -> None:
    graphs.write(tmp_path / "g.onnx", condition=condition)
    model, out = OnnxModel(tmp_path / "g.onnx"), tmp_path / "out"
    options = {"condition": choose(model, labels), "origin": {"reference": str(model.path)}, "mark": None}
    digest = make(model, out, "parquet", **options).digest
    old(out)
    before = files(out)
    assert verify(out).ok
    (out / "shard-00001.parquet").unlink()
    repair(None, None, out)
    assert files(out) == before, "its manifest too"
    (out / "shard-00002.parquet").unlink()
    again = make(model, out, "parquet", **options | {"mark": MarkConfig(producer="Ada")})
    assert (again.digest, again.format, again.mark) == (digest, 7, None), "it goes on as it was begun"
    assert {name: data for name, data in files(out).items() if name != manifests.FILE} == {
        name: data for name, data in before.items() if name != manifests.FILE
    }


def without_metadata(out: Path) -> None:
    """Make a PNG job what it was before its shards had metadata."""
    manifest = json.loads((out / manifests.FILE).read_text())
    for shard in manifest["shards"]:
        folder = out / shard["name"]
        (folder / "metadata.jsonl").unlink()
        lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)[:-1]
        (folder / "SHA256SUMS").write_text("".join(lines))
        shard["sha256"] = combine(line[:64] for line in lines)
    del manifest["metadata"]
    (out / manifests.FILE).write_text(json.dumps({**manifest, "format": 6}))


def test_a_png_job_that_was_made_before_there_were_metadata_goes_on_without(
    labelled: OnnxModel, tmp_path: Path
) -> None:
    out, options = tmp_path / "out", {"origin": {"reference": str(labelled.path)}}
    digest = make(labelled, out, "png", **options).digest
    without_metadata(out)
    before = files(out)
    assert verify(out).ok
    (out / "shard-00001/00000070.png").unlink()
    repair(None, None, out)
    assert files(out) == before, "its manifest too"
    shutil.rmtree(out / "shard-00002")
    again = make(labelled, out, "png", **options)
    assert (again.digest, again.format, again.metadata) == (digest, 7, False)
    assert files(out) == before | {manifests.FILE: manifests.encoded(again)}
    assert verify(out).ok
