"""What the flows do and in which order: their bodies, with jobs that only say that they were called."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import psutil
import pytest

from ganlib.config import GateConfig
from ganlib.core.errors import BadInput, GanlibError, Interrupted, Unavailable
from ganlib.core.project import Project
from ganlib.data.mnist.dataset import MNIST
from ganlib.jobs.training import child
from ganlib.jobs.triggers.look import parse
from ganlib.jobs.triggers.run import Preparation
from ganlib.jobs.triggers.start import Start
from ganlib.registry.gate import Decision
from ganlib.tracking.claims import Claims
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.conftest import ROOT
from tests.unit.pipelines.conftest import DEAD


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project that the flows find."""
    monkeypatch.setenv("GANLIB_ROOT", str(tmp_path))
    return factories.project(tmp_path)


class Jobs:
    """Stands for pipelines.tasks: remembers calls; trainings have the FIDs of ``fids``, or raise them."""

    def __init__(self, real: ModuleType, fids: dict[str, float | BaseException]) -> None:
        self.called: list[str] = []
        self._fids = fids
        self.opened = real.opened
        self.train = SimpleNamespace(submit=self._train)

    def version_data(self, root: str, overrides: list[str], source: str | None = None) -> dict[str, Any]:
        self.called.append("data")
        spec = MNIST.model_dump(mode="json")
        return {
            "md5": "d" * 32,
            "id": "d" * 12,
            "source": source or "mnist",
            "changed": source is not None,
            "spec": spec,
        }

    def prepare(self, root: str, overrides: list[str], causes: list[str]) -> dict[str, Any]:
        self.called.append(f"prepare {', '.join(causes)}")
        return Preparation(causes=parse(causes)).model_dump(mode="json")

    def judge(self, root: str, overrides: list[str]) -> str:
        self.called.append("judge")
        return "j" * 64

    def _train(self, root: str, overrides: list[str], family: str, budget: str, siblings: int) -> SimpleNamespace:
        self.called.append(f"train {family} {budget} x{siblings}")

        def result() -> dict[str, Any]:
            found = self._fids[family]
            if isinstance(found, BaseException):
                raise found
            if callable(found):
                found()
            return {"run_id": f"run-of-{family}", "family": family, "steps": 1}

        return SimpleNamespace(result=result)

    def evaluate(self, root: str, overrides: list[str], model: str) -> dict[str, Any]:
        self.called.append(f"evaluate {model}")
        fid = self._fids[model.removeprefix("runs:/run-of-")]
        assert isinstance(fid, float)
        return factories.evaluation(fid).model_dump(mode="json")

    def register(
        self, root: str, overrides: list[str], run_id: str, evaluation: dict[str, Any], candidates: int
    ) -> dict[str, Any]:
        self.called.append(f"register {run_id} FID {evaluation['figures']['fid']['value']}, best of {candidates}")
        return {"version": 7, "name": "mnist-generator"}

    def promote(self, root: str, overrides: list[str], version: str) -> dict[str, Any]:
        self.called.append(f"gate {version}")
        decision = Decision(challenger=7, champion=None, promoted=True, checks=(), policy=GateConfig())
        return decision.model_dump(mode="json")


@contextmanager
def unclaimed(*_: Any) -> Iterator[Start]:
    """Claim nothing."""
    yield Start(None)


@pytest.fixture
def retraining(flows: SimpleNamespace, project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Run the flow `retrain` with trainings of the given FIDs; the jobs in the order in which they began."""

    def go(fids: dict[str, float | BaseException], **parameters: Any) -> list[str]:
        jobs = Jobs(flows.tasks, fids)
        called.append(jobs.called)
        monkeypatch.setattr(flows.retrain, "tasks", jobs)
        for name in ("metrics", "samples", "gate", "mlflow_links"):
            monkeypatch.setattr(flows.retrain.artifacts, name, lambda *_: None)
        if "MLFLOW_TRACKING_URI" not in os.environ:
            # A new database takes seconds to make.
            monkeypatch.setattr(flows.retrain, "connect", lambda _: None)
            monkeypatch.setattr(flows.retrain, "started", unclaimed)
        flows.retrain.retrain.fn(**parameters)
        return jobs.called

    called: list[list[str]] = []
    go.called = called  # type: ignore[attr-defined]
    return go


@pytest.mark.parametrize(("dcgan", "vae", "best"), [(3.0, 5.0, "dcgan"), (5.0, 3.0, "vae")])
def test_retraining_registers_the_best_of_all_trained_families_and_puts_it_through_the_gate(
    retraining: Callable[..., list[str]], dcgan: float, vae: float, best: str
) -> None:
    assert retraining({"dcgan": dcgan, "vae": vae}, families=["dcgan", "vae"], budget="smoke") == [
        "data",
        "judge",
        "train dcgan smoke x2",
        "train vae smoke x2",
        "evaluate runs:/run-of-dcgan",
        "evaluate runs:/run-of-vae",
        f"register run-of-{best} FID 3.0, best of 2",
        "gate 7",
    ]


def test_a_run_for_causes_is_done_once_and_says_why_it_is_not_done_again(
    retraining: Callable[..., list[str]], flows: SimpleNamespace, store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what Prefect keeps of a run, its tags are set by its server, which is not here."""
    labels: list[str] = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setattr(flows.retrain.names, "tag", lambda tags: labels.extend(tags))
    monkeypatch.setattr(flows.retrain, "get_run_logger", lambda: logging.getLogger("test"))
    called = retraining({"vae": 1.0}, families=["vae"], causes=["data", "age: 40 days"])
    assert called[:3] == ["prepare data: said by whoever started it, age: 40 days", "data", "judge"]
    assert labels == ["cause:data", "cause:age"]
    again = retraining({"vae": 1.0}, families=["vae"], causes=["schedule"])
    assert again == ["prepare schedule: said by whoever started it", "data"]
    assert retraining({"vae": 1.0}, families=["vae"])[-1] == "gate 7", "a person is not refused"
    (first, second) = Claims(store, "mnist-generator").read()
    assert (first.claim.causes, first.outcome and first.outcome.detail) == (("data", "age"), "version 7 promoted")
    assert (second.claim.causes, second.claim.attempt) == (("hand",), 2)


def test_a_prefect_that_goes_away_in_mid_run_is_no_reason_not_to_begin_again(
    retraining: Callable[..., list[str]], flows: SimpleNamespace, store: MlflowStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    monkeypatch.setattr(flows.retrain.names, "tag", lambda _: None)
    with pytest.raises(Unavailable, match=r"Prefect .*does not answer \(ConnectError\)"):
        retraining({"vae": httpx.ConnectError("refused")}, families=["vae"], causes=["data"])
    (standing,) = Claims(store, "mnist-generator").read()
    assert standing.outcome
    assert standing.outcome.state == "stopped"
    assert standing.blocks is None


def test_an_unknown_cause_is_found_before_anything_begins(retraining: Callable[..., list[str]]) -> None:
    with pytest.raises(BadInput, match=r"unknown cause 'shedule'\. Did you mean 'schedule'"):
        retraining({}, causes=["shedule"])
    assert retraining.called == [[]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("families", ["vae, dcgan", "vae,dcgan,vae", ["vae", "dcgan"]])
def test_families_may_be_one_text(retraining: Callable[..., list[str]], families: Any) -> None:
    called = retraining({"dcgan": 1.0, "vae": 2.0}, families=families, budget="smoke")
    assert called[2:4] == ["train vae smoke x2", "train dcgan smoke x2"]


def test_what_is_not_given_comes_from_params(retraining: Callable[..., list[str]]) -> None:
    called = retraining({"dcgan": 1.0, "vae": 2.0}, overrides=["train.budget=demo", "train.families=[vae]"])
    assert called[2:4] == ["train vae demo x1", "evaluate runs:/run-of-vae"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"families": ["vea"]}, "Did you mean 'vae'"),
        ({"budget": "smok"}, "Did you mean 'smoke'"),
        ({"overrides": ["train.sed=1"]}, "Did you mean 'seed'"),
    ],
)
def test_a_mistake_is_found_before_anything_begins(
    retraining: Callable[..., list[str]], parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        retraining({}, **parameters)
    assert retraining.called == [[]]  # type: ignore[attr-defined]


def test_an_mlflow_that_is_away_is_found_before_anything_begins(
    retraining: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD)
    with pytest.raises(Unavailable, match=DEAD):
        retraining({"vae": 1.0}, families=["vae"])
    assert retraining.called == [[]]  # type: ignore[attr-defined]


def test_a_failed_training_leaves_the_registry_alone(retraining: Callable[..., list[str]]) -> None:
    with pytest.raises(GanlibError, match="diverged"):
        retraining({"dcgan": GanlibError("diverged"), "vae": 1.0}, families=["dcgan", "vae"], budget="smoke")
    (called,) = retraining.called  # type: ignore[attr-defined]
    assert called == ["data", "judge", "train dcgan smoke x2", "train vae smoke x2"]


def test_an_interrupted_retraining_ends_its_trainings(
    retraining: Callable[..., list[str]], flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    @contextmanager
    def together() -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            ended.append(True)
            raise

    monkeypatch.setattr(flows.retrain.child, "ended_together", together)
    with pytest.raises(KeyboardInterrupt):
        retraining({"vae": KeyboardInterrupt()}, families=["vae"])
    assert ended


def test_a_retraining_that_takes_longer_than_it_may_is_ended_with_its_trainings(
    retraining: Callable[..., list[str]], flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    @contextmanager
    def together() -> Iterator[None]:
        try:
            yield
        except Exception:
            raise
        except BaseException:
            ended.append(True)
            raise

    monkeypatch.setattr(flows.retrain.child, "ended_together", together)
    limit = ["services.run_hours=0.00005"]
    with pytest.raises(GanlibError, match=r"longer than services.run_hours \(5e-05\).*--resume"):
        retraining({"vae": threading.Event().wait}, families=["vae"], overrides=limit)
    assert ended


def test_a_child_of_a_run_that_takes_too_long_is_ended(flows: SimpleNamespace, project: Project) -> None:
    before = set(psutil.Process().children())
    with pytest.raises(GanlibError, match="run_hours"), flows.limits.time_limit(0.0001):
        child.run(project, ["serve", "--model", "pretrained:cgan", "--port", "0"])
    psutil.wait_procs(set(psutil.Process().children()) - before, timeout=60)
    assert set(psutil.Process().children()) <= before


def test_the_fields_of_a_folders_name_are_filled_in_and_nothing_else_is(flows: SimpleNamespace) -> None:
    found = {"name": "a/../b", "version": "7", "uri": "models:/a/7"}
    assert flows.generate.fill(flows.generate.OUT, found, 3, 100) == "out/a-..-b-v7-seed3-100"
    assert flows.generate.fill("s3://b/{seed}/{other}/{", found, 3, 100) == "s3://b/3/{other}/{"


@pytest.mark.parametrize(("source", "events"), [(None, 0), ("digits", 1)])
def test_an_event_is_sent_if_the_data_changed_and_only_then(
    flows: SimpleNamespace, project: Project, monkeypatch: pytest.MonkeyPatch, source: str | None, events: int
) -> None:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr(flows.version_data, "tasks", Jobs(flows.tasks, {}))
    monkeypatch.setattr(flows.version_data.artifacts, "data", lambda _: None)
    monkeypatch.setattr(
        flows.version_data,
        "emit_event",
        lambda name, resource, payload: sent.append((name, resource["prefect.resource.id"])),
    )
    flows.version_data.version_data.fn(source=source)
    assert sent == [("ganlib.data.changed", "ganlib.data.dddddddddddd")] * events


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (BadInput("no"), False),
        (Interrupted("stop"), False),
        (GanlibError("diverged"), False),
        (KeyError("a fault of ours"), False),
        (Unavailable("away"), True),
        (ConnectionResetError("odd"), True),
    ],
)
def test_only_what_waiting_cures_is_tried_again(flows: SimpleNamespace, error: Exception, again: bool) -> None:
    from prefect.states import Failed

    state = Failed(data=error, message=str(error))
    assert flows.tasks.worth_retrying(flows.tasks.version_data, None, state) is again


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"families": ["dcgan", "vae"], "budget": "demo"}, "retrain dcgan + vae (demo)"),
        ({"families": "dcgan, vae", "budget": "demo"}, "retrain dcgan + vae (demo)"),
        ({"families": None, "budget": None}, "retrain dcgan + vae (standard)"),
        ({"families": None, "overrides": ["train.families=[ae]", "train.budget=smoke"]}, "retrain ae (smoke)"),
        ({"family": "vae", "budget": None}, "retrain vae (standard)"),
        ({"overrides": ["train.no_such=1"]}, "retrain"),
    ],
)
@pytest.mark.parametrize("drawn", ["clever-otter", "beta4-leonis-nebula", "Sleek-Bison", None])
def test_a_run_is_called_by_what_was_resolved_for_it(
    flows: SimpleNamespace,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    parameters: dict[str, Any],
    name: str,
    drawn: str | None,
) -> None:
    from prefect.runtime import flow_run

    for key, value in {"parameters": parameters, "flow_name": "retrain", "name": drawn, "id": "1"}.items():
        monkeypatch.setattr(flow_run, key, value, raising=False)
    assert flows.retrain.retrain.flow_run_name() == name


@pytest.mark.parametrize("typed", ["before the release", "night-run", "nightly", "small-run", "retrain 7", "Äpfel"])
def test_a_name_that_a_person_typed_stays(flows: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    from prefect.runtime import flow_run

    monkeypatch.setattr(flow_run, "name", typed, raising=False)
    monkeypatch.setattr(flow_run, "parameters", {"model": "champion", "count": 5}, raising=False)
    for flow in (flows.retrain.retrain, flows.generate.generate, flows.version_data.version_data):
        assert flow.flow_run_name() == typed


def test_all_names_that_prefects_server_draws_are_known_as_such(flows: SimpleNamespace) -> None:
    from prefect.utilities.names import generate_slug

    from pipelines import names

    assert [drawn for drawn in (generate_slug(2) for _ in range(2000)) if not names.is_made_up(drawn)] == []


@pytest.mark.slow
def test_a_prefect_that_is_away_is_one_line_and_exit_code_75(project: Project, tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_API_URL": f"{DEAD}/api", "PREFECT_HOME": str(tmp_path / "prefect")}
    words = [sys.executable, "-m", "pipelines", "promote", "1"]
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 75, done.stderr
    assert done.stderr.count("\n") == 1
    assert f"Prefect at {DEAD}/api does not answer" in done.stderr
