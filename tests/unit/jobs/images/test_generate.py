"""A batch of a registered version: what its card says, and what the judge says of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.config import MarkConfig, Params, load
from ganlib.core.errors import BadInput
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.generation.batch.batch import generate as make
from ganlib.generation.batch.batch import verify
from ganlib.generation.batch.shards import is_whole
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.generate import begin, generate, grid_path, make_shards, preview
from ganlib.jobs.images.request import GenerateRequest
from ganlib.registry.entries import DecisionRecord
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.reports import Recorder

COUNT, SEEN = 600, 3000


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "g.onnx"
    factories.graph(path)
    return path


@pytest.fixture(scope="module")
def evaluation(onnx: Path) -> Evaluation:
    """What the real judge says of the model's images of another seed."""
    judge = load_judge()
    judged = judge.features(OnnxModel(onnx).images(99, 0, SEEN))
    digits = np.bincount(judged.probabilities.argmax(axis=1), minlength=10) / SEEN
    return factories.evaluation(
        n=SEEN,
        judge_sha256=judge.sha256,
        class_shares=tuple(digits.tolist()),
        confidence=float(judged.probabilities.max(axis=1).mean()),
    )


@pytest.fixture
def params(store: MlflowStore) -> Params:
    return load(store.project.params_file)


def test_a_batch_like_its_evaluation_does_not_drift_and_its_card_names_version_and_ledger(
    store: MlflowStore, params: Params, onnx: Path, evaluation: Evaluation, tmp_path: Path
) -> None:
    facts = evaluation.model_dump(include={"n", "judge_sha256", "class_shares", "confidence"})
    version = factories.registered(store, onnx, **facts)
    ledger = Ledger(store, version.name)
    decided = DecisionRecord(kind="promoted", from_version=None, to_version=version.version, who="me", reason="better")
    entry = ledger.append(decided, ledger.read())
    ledger.seal(entry)
    out = tmp_path / "out"
    batch = generate(store.project, params, "challenger", GenerateRequest(out=str(out), count=COUNT, file_format="npy"))
    assert batch.quality is not None
    assert batch.quality.sampled == COUNT
    assert batch.quality.drifted == ()
    assert set(batch.quality.p_values) == {"classes", "confidence"}
    card = json.loads((out / "card.json").read_text())
    assert (card["version"], card["aliases"]) == (version.version, ["challenger"])
    assert (card["ledger"]["seq"], card["ledger"]["sha256"]) == (entry.seq, entry.sha256)
    assert card["quality"]["drifted"] == []
    assert "no drift" in (out / "README.md").read_text()
    again = generate(store.project, params, "challenger", GenerateRequest(out=str(out), count=COUNT, file_format="npy"))
    assert again.quality is None, "nothing was made, and nothing is judged"


def test_a_batch_unlike_its_evaluation_is_marked(
    store: MlflowStore, params: Params, onnx: Path, evaluation: Evaluation, tmp_path: Path
) -> None:
    facts = evaluation.model_dump(include={"n", "judge_sha256", "class_shares", "confidence"})
    factories.registered(store, onnx, **{**facts, "class_shares": factories.EVEN})
    out = tmp_path / "out"
    batch = generate(store.project, params, "challenger", GenerateRequest(out=str(out), count=COUNT, file_format="npy"))
    assert batch.quality is not None
    assert batch.quality.drifted == ("classes",)
    assert json.loads((out / "quality.json").read_text())["drifted"] == ["classes"]
    assert "DRIFTS" in (out / "README.md").read_text()
    cut = generate(store.project, params, "challenger", GenerateRequest(out=str(out) + "2", count=64, truncation=0.5))
    assert cut.quality is not None
    assert "truncation 0.5 is meant to change the images" in cut.quality.summary


def test_a_run_is_a_model_too_and_its_images_are_those_of_its_file(
    store: MlflowStore, params: Params, onnx: Path, tmp_path: Path
) -> None:
    (tmp_path / "generator.onnx").write_bytes(onnx.read_bytes())
    run_id = factories.finished_run(store, tmp_path / "generator.onnx")
    order = GenerateRequest(out=str(tmp_path / "run"), count=80, file_format="npy")
    by_run = generate(store.project, params, f"runs:/{run_id}", order)
    by_file = generate(None, None, str(onnx), replace(order, out=str(tmp_path / "file")))
    assert by_run.manifest.digest == by_file.manifest.digest
    assert json.loads((tmp_path / "run" / "card.json").read_text())["run_id"] == run_id


def test_a_job_keeps_the_version_that_its_alias_stood_for_when_it_began(
    store: MlflowStore, params: Params, onnx: Path, tmp_path: Path
) -> None:
    first = factories.registered(store, onnx)
    factories.variant(onnx, tmp_path / "other.onnx", "retrained")
    order = GenerateRequest(out=str(tmp_path / "out"), count=80, shard_size=40, file_format="npy", check=False)
    made = generate(store.project, params, "challenger", order).manifest
    assert factories.registered(store, tmp_path / "other.onnx").version == first.version + 1  # the alias has moved
    (tmp_path / "out" / "shard-00001.npy").unlink()
    with pytest.raises(BadInput, match=r"holds another job: model_sha256 is .*Nothing was changed"):
        generate(store.project, params, "challenger", order)
    assert generate(store.project, params, str(first.version), order).manifest == made
    assert made.origin["version"] == first.version


def test_a_preview_is_a_sheet_and_no_job(onnx: Path, tmp_path: Path) -> None:
    order = GenerateRequest(out=str(tmp_path / "out"), count=30, seed=4)
    sheet = preview(None, None, str(onnx), order)
    assert sheet == grid_path(order.out) == tmp_path / "out-grid.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out-grid.png"]
    with Image.open(sheet, formats=["PNG"]) as image:
        assert image.size == (10 * 58 + 2, 3 * 58 + 2)


def test_shards_made_elsewhere_are_those_of_one_process(onnx: Path, tmp_path: Path) -> None:
    """As Dask's workers make them: two of them, one of which comes twice."""
    order = GenerateRequest(out=str(tmp_path / "out"), count=200, shard_size=40, file_format="zarr", seed=8)
    with begin(None, None, str(onnx), order) as opened:
        spent = sum(make_shards(onnx, order, shards, 1) for shards in ([0, 3], [1, 2, 4], [0, 3]))
        (tmp_path / "out" / ".shard-00001.zarr.99.part").write_bytes(b"of a worker that was killed")
        made = opened.job.finish(spent)
        assert all(is_whole(tmp_path / "out", made, shard) for shard in range(5))
    assert verify(tmp_path / "out").ok
    local = make(OnnxModel(onnx), out=tmp_path / "local", count=200, shard_size=40, file_format="zarr", seed=8)
    assert made.digest == local.digest


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 0}, "count must be at least 1"),
        ({"count": 10**18}, "no space|files needed"),
        ({"file_format": "web"}, "Did you mean 'webdataset'"),
        ({"provider": "gpu"}, "unknown provider 'gpu'"),
        ({"provider": "tensorrt"}, "no TensorrtExecutionProvider"),
        ({"labels": "7"}, "takes no label: it is unconditional"),
        ({"truncation": 2.0}, "at most 1"),
    ],
)
def test_bad_orders_leave_nothing(onnx: Path, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    order = GenerateRequest(**{"out": str(tmp_path / "out"), "count": 10, **changes})  # type: ignore[arg-type]
    with pytest.raises(BadInput, match=words):
        generate(None, None, str(onnx), order)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("producer", ["", "Ada"])
def test_marks_that_name_nobody_are_told_once_whatever_the_number_of_shards(
    params: Params, onnx: Path, tmp_path: Path, producer: str
) -> None:
    params = params.model_copy(update={"mark": MarkConfig(producer=producer)})
    request = GenerateRequest(out=str(tmp_path / "out"), count=9, shard_size=2, grid=True)
    for made_before in (False, True):
        report = Recorder()
        generate(None, params, str(onnx), request, report=report)
        notes = [line for line in report.remarks if "mark.producer in params.yaml is empty" in line]
        assert len(notes) == (0 if producer else 1), f"{made_before=}"
    report = Recorder()
    make_shards(onnx, request, range(5), report=report)
    assert not report.events, "a worker says nothing: who began the job has"
