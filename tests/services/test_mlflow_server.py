"""Against a real MLflow server over HTTP: runs, the registry, what a person does in its page, and model serving."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import requests

from ganlib.config import GateConfig, load
from ganlib.core.errors import Corrupt, Unavailable
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.versioning.record import DataVersion
from ganlib.export.precision import write
from ganlib.generation.noise import noise_block
from ganlib.generation.session import OnnxModel
from ganlib.jobs.models import fetch
from ganlib.registry.entries import DecisionRecord, LedgerEntry
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.resolve import resolve_version
from ganlib.tracking import runs
from ganlib.tracking.outbox import Outbox
from ganlib.tracking.reap import reap
from ganlib.tracking.runs import Run, spool_file
from ganlib.tracking.store import Absent, MlflowStore, connect
from tests import factories
from tests.services.conftest import free_port
from tests.services.wire import Wire

pytestmark = pytest.mark.services


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("graphs")
    for seed in range(2):
        factories.graph(folder / f"{seed}.onnx", seed)
    return [folder / f"{seed}.onnx" for seed in range(2)]


@pytest.fixture(scope="module")
def versions(store: MlflowStore, graphs: list[Path]) -> list[int]:
    """Two versions, the first of which is champion."""
    made = [factories.registered(store, path).version for path in graphs]
    Registry(store, "mnist-generator").set_alias(CHAMPION, made[0])
    return made


def test_a_version_makes_the_round_trip_over_http(
    store: MlflowStore, versions: list[int], graphs: list[Path], tmp_path: Path
) -> None:
    registry = Registry(store, "mnist-generator")
    found = resolve_version(registry, "models:/mnist-generator@champion")
    assert found.version == versions[0]
    assert sha256_file(registry.download(found, tmp_path / "m.onnx")) == sha256_file(graphs[0])


def test_a_sibling_is_linked_to_its_parent_over_http_and_takes_no_alias(
    store: MlflowStore, versions: list[int], graphs: list[Path], tmp_path: Path
) -> None:
    registry = Registry(store, "mnist-generator")
    model, before = OnnxModel(graphs[0]), registry.aliases()
    draws = [{"noise": noise_block(1, 0, model.noise_dim)}]
    small = tmp_path / "int8.onnx"
    write(graphs[0], "int8", small, calibration=draws, calibration_text="64 images of seed 1", batches=draws)
    made = registry.register(
        factories.finished_run(store), small, evaluation=factories.evaluation(), data=factories.data_version(),
        sibling_of=versions[0],
    )  # fmt: skip
    assert (made.sibling_of, made.precision, made.aliases) == (versions[0], "int8", ())
    assert registry.aliases() == before
    assert made.certificate
    assert made.certificate.parent == registry.get(versions[0]).sha256
    assert sha256_file(registry.download(made, tmp_path / "again.onnx")) == sha256_file(small)
    refused = promote(registry, made, policy=GateConfig(), state=store.project.state, dry_run=True)
    assert "better" in {check.name for check in refused.checks if not check.passed}


def test_the_alias_that_a_person_sets_in_the_page_decides_what_is_generated_next(
    store: MlflowStore, project: Project, versions: list[int], graphs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page's Save button sends just this request."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    params = load(project.params_file)
    assert fetch(project, params, "models:/mnist-generator@champion").sha256 == sha256_file(graphs[0])
    answer = requests.post(
        f"{store.uri}/ajax-api/2.0/mlflow/registered-models/alias",
        json={"name": "mnist-generator", "alias": "champion", "version": str(versions[1])},
        timeout=300,
    )
    assert answer.status_code == 200, answer.text
    found = fetch(project, params, "models:/mnist-generator@champion")
    assert found.sha256 == sha256_file(graphs[1])
    assert found.version is not None
    assert found.version.version == versions[1]


def test_a_run_records_what_it_was(store: MlflowStore) -> None:
    data: DataVersion = factories.data_version()
    with runs.start(
        store,
        "train dcgan (test)",
        family="dcgan",
        params={"seed": 3, "generator.learning_rate": 0.002},
        tags={"ganlib.overrides": "train.seed=3"},
        data=data,
        source=factories.SourceRevision("c" * 40, dirty=True),
        experiment="over http",
    ) as run:
        for step in range(1, 2501):
            run.log({"loss": step / 10, "other": -step}, step)
        run.image(b"\x89PNG\r\n\x1a\n", "grids/step-1.png")
        run.text("hello", "notes.txt")
    found = store.client.get_run(run.id)
    assert found.info.status == "FINISHED"
    assert found.data.params == {"seed": "3", "generator.learning_rate": "0.002"}
    assert found.data.tags["mlflow.source.git.commit"] == "c" * 40
    assert found.data.tags["ganlib.source_dirty"] == "true"
    assert found.data.tags["ganlib.overrides"] == "train.seed=3"
    (dataset,) = found.inputs.dataset_inputs
    assert dataset.dataset.digest == data.md5[:32]
    history = store.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in history] == [(step, step / 10) for step in range(1, 2501)]
    names = {entry.path for entry in store.client.list_artifacts(run.id)}
    assert {"grids", "notes.txt", "environment.json", "data_version.json"} <= names


@pytest.mark.slow
def test_mlflow_models_serve_gives_the_bytes_that_bare_onnxruntime_gives(
    store: MlflowStore, serve: Callable[..., None], versions: list[int], graphs: list[Path], tmp_path: Path
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    serve(
        [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--workers", "1"),
            *("-m", f"models:/mnist-generator/{versions[0]}", "-h", "127.0.0.1", "-p", str(port)),
        ],
        f"{url}/ping",
        tmp_path,
        MLFLOW_TRACKING_URI=store.uri,
    )
    bare = OnnxModel(graphs[0])
    noise = np.random.default_rng(0).standard_normal((2, bare.noise_dim), dtype=np.float32)
    answer = requests.post(f"{url}/invocations", json={"inputs": {"noise": noise.tolist()}}, timeout=300)
    assert answer.status_code == 200, answer.text
    served = np.array(answer.json()["predictions"]["image"], np.uint8)
    assert np.array_equal(served, bare.session.run(["image"], {"noise": noise})[0])


@pytest.fixture
def wire(mlflow_server: str) -> Iterator[Wire]:
    """Another way to the same server, which a test may cut."""
    wire = Wire(int(mlflow_server.rpartition(":")[2]))
    yield wire
    wire.cut()


def begin(store: MlflowStore) -> Run:
    return runs.start(
        store,
        "outage",
        family="vae",
        params={},
        tags={},
        data=factories.data_version(),
        source=factories.SourceRevision(None, dirty=False),
        experiment="outages",
    )


def steps(store: MlflowStore, run_id: str) -> list[int]:
    return [point.step for point in store.client.get_metric_history(run_id, "loss")]


def test_a_server_that_is_away_in_the_middle_of_a_run_costs_and_doubles_no_value(
    store: MlflowStore, project: Project, wire: Wire
) -> None:
    with begin(connect(project, wire.url)) as run:
        for step in range(1, 701):
            run.log({"loss": float(step)}, step)
        deadline = time.monotonic() + 300
        while not steps(store, run.id):
            assert time.monotonic() < deadline
        wire.cut()
        for step in range(701, 1401):
            run.log({"loss": float(step)}, step)
        run.text("written while it was away", "away.txt")
        with pytest.raises(Unavailable):
            connect(project, wire.url)
        wire.mend()
        for step in range(1401, 1501):
            run.log({"loss": float(step)}, step)
    assert steps(store, run.id) == list(range(1, 1501))
    assert store.client.get_run(run.id).info.status == "FINISHED"
    assert [entry.path for entry in store.client.list_artifacts(run.id, "") if entry.path == "away.txt"]


def test_values_that_a_run_could_not_deliver_are_kept_and_delivered_later(
    store: MlflowStore, project: Project, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Outbox, "PATIENCE", 0.0)
    with pytest.raises(Unavailable, match="values are kept in") as caught, begin(connect(project, wire.url)) as run:
        wire.cut()
        for step in range(1, 101):
            run.log({"loss": float(step)}, step)
    spool = spool_file(store, run.id)
    assert str(spool) in str(caught.value)
    assert steps(store, run.id) == []
    reap(store)
    assert steps(store, run.id) == list(range(1, 101))
    assert not spool.exists()


def test_a_registry_that_goes_away_is_never_taken_for_one_without_a_champion(
    store: MlflowStore, project: Project, wire: Wire, versions: list[int]
) -> None:
    registry = Registry(connect(project, wire.url), "mnist-generator")
    challenger = registry.get(versions[1])
    before = store.client.get_registered_model("mnist-generator").aliases
    wire.cut()
    for ask in (
        lambda: registry.alias(CHAMPION),
        lambda: resolve_version(registry, "models:/mnist-generator@champion"),
        registry.versions,
        lambda: promote(registry, challenger, policy=GateConfig(), state=project.state),
    ):
        with pytest.raises(Unavailable, match=wire.url):
            ask()
    assert store.client.get_registered_model("mnist-generator").aliases == before


def test_a_promotion_whose_server_goes_away_after_it_was_recorded_is_finished_by_the_next_over_http(
    store: MlflowStore, project: Project, wire: Wire, graphs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "recorded-over-http"
    registry = Registry(connect(project, wire.url), name)
    for path, fid in zip(graphs, (20, 10), strict=True):
        factories.registered(store, path, fid, name=name)

    def promoted(number: int) -> bool:
        return promote(registry, registry.get(number), policy=GateConfig(), state=project.state).promoted

    assert promoted(1)
    append = Ledger.append

    def appended_and_cut(self: Ledger, decided: DecisionRecord, seen: LedgerSnapshot) -> LedgerEntry:
        entry = append(self, decided, seen)
        wire.cut()
        return entry

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "append", appended_and_cut)
        with pytest.raises(Unavailable, match=r"Entry 2 of the ledger \(promoted\) was recorded"):
            promoted(2)
    champion = Registry(store, name).alias(CHAMPION)
    assert champion
    assert champion.version == 1
    wire.mend()
    assert promoted(2)
    assert rollback(registry, state=project.state, expect=2).to_version == 1
    snapshot = Ledger(store, name).read()
    assert snapshot.problems() == []
    kinds = [(entry.kind, entry.to_version) for entry in snapshot.entries()]
    assert kinds == [("promoted", 1), ("promoted", 2), ("rolled-back", 1)]


def test_a_stored_graph_with_a_flipped_byte_is_refused_over_http(
    store: MlflowStore, mlflow_folder: Path, graphs: list[Path], tmp_path: Path
) -> None:
    made = factories.registered(store, graphs[0], name="damaged")
    model_id = store.client.get_model_version(made.name, "1").source.removeprefix("models:/")
    (stored,) = (path for path in mlflow_folder.rglob("model.onnx") if model_id in path.parts)
    data = bytearray(stored.read_bytes())
    data[len(data) // 2] ^= 1
    stored.write_bytes(data)
    with pytest.raises(Corrupt, match="expected sha256"):
        Registry(store, "damaged").download(made, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


def test_an_artifact_that_is_gone_is_absent_and_not_an_outage(store: MlflowStore, tmp_path: Path) -> None:
    with pytest.raises(Absent):
        store.download(factories.finished_run(store), "onnx/generator.onnx", tmp_path)
