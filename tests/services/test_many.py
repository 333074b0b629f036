"""Two machines that share a team's servers: whatever happens in mid-run, nothing is lost and nothing is doubled."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from ganlib.cli import options
from ganlib.config import GateConfig, load
from ganlib.core.errors import Unavailable
from ganlib.core.project import Project
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import verify
from ganlib.jobs.doctor.finding import HealthContext
from ganlib.jobs.doctor.remote import remote
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.training.train import train
from ganlib.registry.entries import DecisionRecord, LedgerEntry
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.batch_runs import experiment_of
from ganlib.tracking.claims import Claims
from ganlib.tracking.runs import spool_file
from tests import factories
from tests.services import project as projects
from tests.services.conftest import AtStep
from tests.services.team import ADMIN, Team, kill, servers, wait_for
from tests.unit.data.builders import dvc_project, idx_files, write_files

pytestmark = [pytest.mark.services, pytest.mark.faults, pytest.mark.slow]

NAME = "mnist-generator"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("many")
    with servers(projects.bare(folder / "servers")) as made:
        yield Team(made, folder)


@pytest.fixture(autouse=True)
def admin(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process asks the servers, it asks as who may do all."""
    environment = {
        "MLFLOW_TRACKING_USERNAME": ADMIN[0],
        "MLFLOW_TRACKING_PASSWORD": ADMIN[1],
        "AWS_ENDPOINT_URL": team.environment["AWS_ENDPOINT_URL"],
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": team.compose.secrets["s3_user"],
        "AWS_SECRET_ACCESS_KEY": team.compose.secrets["s3_password"],
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def test_four_retrainings_at_once_make_four_versions_each_of_which_the_ledger_has_once(team: Team) -> None:
    # Of seeds whose ten steps make nets that draw more than one picture.
    settings = ("train.seed=0", "train.seed=1", "train.seed=2", "budgets.smoke.steps=12")
    words = ("pipelines", "retrain", "--json", "--families", "vae", "--cause", "registry", "--set")
    jobs = [team.begin(folder, *words, each) for folder, each in zip(team.machines * 2, settings, strict=True)]
    told = [job.communicate(900) for job in jobs]
    assert [job.returncode for job in jobs] == [0] * 4, "\n\n".join(remarks(errors) for _, errors in told)
    store = team.store()
    runs = store.client.search_runs([store.named_experiment("mnist-generators")])
    versions = store.client.search_model_versions(f"name = '{NAME}'")
    assert [run.info.status for run in runs] == ["FINISHED"] * 4
    assert {version.run_id for version in versions} == {run.info.run_id for run in runs}
    snapshot = Ledger(store, NAME).read()
    assert snapshot.problems() == []
    assert sorted(entry.to_version or 0 for entry in snapshot.entries()) == [1, 2, 3, 4]
    assert Registry(store, NAME).aliases()[CHAMPION] == snapshot.champion_state().champion
    assert [each.outcome and each.outcome.state for each in Claims(store, NAME).read()] == ["done"] * 4
    assert set(team.flow_runs().values()) == {"COMPLETED"}


def remarks(errors: str) -> str:
    """What a command with ``--json`` said, but for its progress."""
    return "\n".join(line for line in errors.splitlines() if not re.match(r'{"event": "(working|progress)"', line))


WATCH = """
import sys, threading
from pipelines.environment import prepare
prepare()
from pipelines import reconcile
from pipelines.outages import OutageLog
OutageLog.look = lambda self, name, fault: print("looked", fault or "", flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
reconcile.watch_until(stop)
"""


def test_of_two_watches_one_answers_what_a_person_did_and_the_other_changes_nothing(team: Team) -> None:
    store = team.store()
    registry, ledger = Registry(store, "watched"), Ledger(store, "watched")
    for number, fid in ((1, 10.0), (2, 1000.0)):
        factories.bare_version(store, number, fid, name="watched")
    promote(registry, registry.get(1), policy=GateConfig(), state=store.project.state)
    before = set(team.flow_runs())
    registry.set_alias(CHAMPION, 2)  # what the page's button does
    watches = [team.begin(machine, "tests.support.code", WATCH, typed=True) for machine in team.machines]
    wait_for(lambda: registry.aliases().get(CHAMPION) == 1)
    looks = [watch.stdout.readline() for watch in watches for _ in range(3)]
    assert set(looks) == {"looked \n"}
    for watch in watches:
        watch.communicate(300)
    moves = [(entry.kind, entry.from_version, entry.to_version) for entry in ledger.read().entries()]
    assert moves == [("promoted", None, 1), ("external", 1, 2), ("rolled-back", 2, 1)]
    states = [state for run, state in team.flow_runs().items() if run not in before]
    assert states.count("FAILED") == 1, "one tells of it"
    assert set(states) <= {"FAILED", "COMPLETED"}


def test_batches_of_both_machines_on_s3_have_the_digest_of_one_and_each_call_that_makes_some_is_one_run(
    team: Team,
) -> None:
    def words(place: str) -> list[str]:
        request = GenerateRequest(
            out=f"s3://ganlib/images/{place}", count=600, seed=7, shard_size=200, file_format="npy"
        )
        return ["ganlib", "generate", "--model", f"models:/{NAME}/1", "--json", *options.words(request)]

    one, two = team.machines
    calls = [(one, "same"), (two, "same"), (one, "one"), (two, "two")]
    jobs = [(call, team.begin(call[0], *words(call[1]))) for call in calls]
    for (machine, place), job in jobs:
        told = job.communicate(900)
        if job.returncode == 75:  # the other was first to begin it, at the same moment
            assert team.run(machine, *words(place)).returncode == 0
        else:
            assert job.returncode == 0, told
    made = [manifests.read(f"s3://ganlib/images/{place}") for place in ("same", "one", "two")]
    assert len({each.digest for each in made if each}) == 1
    assert all(verify(f"s3://ganlib/images/{place}").ok for place in ("same", "one", "two"))
    store = team.store()
    runs = store.client.search_runs([store.named_experiment(experiment_of(NAME))])
    assert {run.info.status for run in runs} == {"FINISHED"}
    # Of two for the same place the later one may find all images there, and makes none.
    assert len(calls) - 1 <= len(runs) <= len(calls)


def test_data_versions_that_both_machines_push_at_once_are_read_back_whole(
    team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clones = [dvc_project(tmp_path / name) for name in ("one", "two")]
    pushes = []
    for seed, clone in enumerate(clones):
        write_files(clone.root / "own", idx_files(seed=seed))
        words = ("ganlib", "data", "version", "--from", "own")
        pushes.append(team.begin(clone.root, *words, GANLIB_SERVICES_DVC_REMOTE="s3://ganlib/dvc"))
    told = [push.communicate(900) for push in pushes]
    assert [push.returncode for push in pushes] == [0, 0], told
    monkeypatch.setenv("GANLIB_SERVICES_DVC_REMOTE", "s3://ganlib/dvc")
    found = [remote(HealthContext(clone, deep=True)) for clone in clones]
    assert [finding.state for (finding,) in found] == ["ok", "ok"]


def test_a_training_goes_on_while_postgresql_starts_anew_and_s3_fails_refuses_and_is_slow(
    team: Team, at_step: AtStep, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, wire = Project(team.machines[0]), team.s3
    monkeypatch.setenv("MLFLOW_TRACKING_URI", team.uri)
    before = wire.failures

    def recover() -> None:
        while wire.failures < before + 2:
            threading.Event().wait(0.01)
        wire.cut()
        threading.Event().wait(3)  # so long nobody listens
        wire.mend()
        wire.slow(0.05)

    recovery = threading.Thread(target=recover)
    at_step(4, team.database.restart)
    at_step(8, lambda: (wire.fail(503), recovery.start()))
    result = train(project, load(project.params_file, ["budgets.smoke.steps=12"]), "vae")
    recovery.join(300)
    wire.slow(0)
    client = team.store().client
    assert [point.step for point in client.get_metric_history(result.run_id, "loss/elbo")] == list(range(1, 13))
    assert client.get_run(result.run_id).info.status == "FINISHED"
    assert {entry.path for entry in client.list_artifacts(result.run_id)} >= {"grids", "onnx", "checkpoint"}


def test_decisions_that_are_written_while_postgresql_starts_anew_are_each_in_the_ledger_once(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = team.store()
    registry, ledger = Registry(store, "restarted"), Ledger(store, "restarted")
    append = Ledger.append

    def appended_meanwhile(self: Ledger, decided: DecisionRecord, seen: LedgerSnapshot) -> LedgerEntry:
        restart.start()
        return append(self, decided, seen)

    for number in range(1, 4):
        version = factories.bare_version(store, number, 1000.0 / number, name="restarted")
        restart = threading.Thread(target=team.database.restart)
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", appended_meanwhile)
            with suppress(Unavailable):
                promote(registry, version, policy=GateConfig(), state=store.project.state)
        restart.join(300)
        if registry.aliases().get(CHAMPION) != number:  # the same command again
            assert promote(registry, version, policy=GateConfig(), state=store.project.state).promoted
    snapshot = ledger.read()
    assert snapshot.problems() == []
    assert [(entry.kind, entry.to_version) for entry in snapshot.entries()] == [("promoted", n) for n in (1, 2, 3)]


CHANGED = """
import os, requests, runpy, sys
from ganlib.families.vae import Vae
clean = Vae.phases
def phases(self, step):
    if step == 5:
        body = {"username": "ann", "password": "another-horse-battery"}
        url = os.environ["GANLIB_SERVICES_MLFLOW"] + "/api/2.0/mlflow/users/update-password"
        assert requests.patch(url, json=body, auth=("admin", os.environ["ADMIN"]), timeout=60).ok
    return clean(self, step)
Vae.phases = phases
sys.argv = ["ganlib", "train", "vae"]
runpy.run_module("ganlib", run_name="__main__", alter_sys=True)
"""


def test_a_password_that_is_changed_in_mid_run_costs_no_value_and_the_same_training_goes_on_with_the_new_one(
    team: Team, tmp_path: Path
) -> None:
    machine, secret = team.machines[1], tmp_path / "secret"
    secret.write_text("correct-horse-battery\n")
    team.ask_mlflow("POST", "users/create", username="ann", password="correct-horse-battery")
    team.ask_mlflow("PATCH", "users/update-admin", username="ann", is_admin=True)
    ann = {
        "MLFLOW_TRACKING_USERNAME": "ann",
        "MLFLOW_TRACKING_PASSWORD": "",
        "MLFLOW_TRACKING_PASSWORD_FILE": str(secret),
    }
    done = team.run(machine, "tests.support.code", CHANGED, ADMIN=ADMIN[1], **ann)
    assert done.returncode == 2, done.stderr
    line = done.stderr.splitlines()[-1]
    assert "does not take this user name and password (401)" in line
    (run_id,) = re.findall(r"metric values are kept in .*train again with --resume (\w+)", line)
    store = team.store()
    assert store.client.get_run(run_id).info.status == "RUNNING", "nobody could say that it ended"
    secret.write_text("another-horse-battery\n")
    done = team.run(machine, "ganlib", "train", "vae", "--resume", run_id, **ann)
    assert done.returncode == 0, done.stderr
    assert store.client.get_run(run_id).info.status == "FINISHED"
    steps = [point.step for point in store.client.get_metric_history(run_id, "loss/elbo")]
    assert sorted(steps) == list(range(1, 11)), "each value once, those of the time in between too"
    assert not spool_file(store, run_id).exists()


def started_by_button(team: Team, **parameters: Any) -> str:
    """The id of a flow run that Prefect's page was asked for.

    The parameters are to be no other test's: the flow takes a training that ended well and was not evaluated.
    """
    target = team.ask_prefect("GET", "deployments/name/train/one-family")["id"]
    return str(team.ask_prefect("POST", f"deployments/{target}/create_flow_run", {"parameters": parameters})["id"])


def training_below(pid: int) -> psutil.Process | None:
    """The process that trains for the deployments' process ``pid``."""
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):
            if {"ganlib", "train"} <= set(child.cmdline()):
                return child
    return None


def test_a_flow_outlives_prefects_server_and_what_a_killed_worker_leaves_is_ended_when_it_is_back(
    team: Team,
) -> None:
    machine = team.machines[0]
    done = team.run(machine, "pipelines", "services", "up", "--json")
    assert done.returncode == 0, done.stderr
    worker = json.loads(done.stdout)["deployments"]["pid"]
    try:
        run = started_by_button(team, family="vae", overrides=["train.seed=1"])
        training = wait_for(lambda: training_below(worker))
        training.suspend()  # until all has happened
        team.restart_prefect()
        team.database.restart()
        training.resume()
        wait_for(lambda: team.flow_runs()[run] not in ("PENDING", "RUNNING"))
        assert team.flow_runs()[run] == "COMPLETED"

        run = started_by_button(team, family="vae", overrides=["train.seed=2", "budgets.smoke.steps=100000"])
        store, running = team.store(), "attributes.status = 'RUNNING'"
        (alive,) = wait_for(lambda: store.client.search_runs([store.named_experiment("mnist-generators")], running))
        family = [psutil.Process(worker), *psutil.Process(worker).children(recursive=True)]
        training = training_below(worker)
        kill(*(process for process in family if process != training))  # which sees that it is alone
        wait_for(lambda: team.flow_runs()[run] == "CRASHED")
        wait_for(lambda: store.client.get_run(alive.info.run_id).info.status == "KILLED")
    finally:
        assert team.run(machine, "pipelines", "services", "down").returncode == 0
