"""A day of a team, from the outside: an inbox, pages in Chromium, the command line, a webhook, S3 and PostgreSQL.

With GANLIB_SCREENSHOTS=docs/images pictures of docs/operations.md are taken anew.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import numpy as np
import pytest
import requests
import yaml
from PIL import Image

from tests import shapes
from tests.conftest import ROOT
from tests.services import prefect_pages, team, walk
from tests.services import project as projects
from tests.services.compose import Compose
from tests.services.team import ADA, ADMIN, SECRETS, wait_for
from tests.support.forks import Command
from tests.support.receiver import Receiver
from tests.support.screenshots import picture
from tests.unit.data.builders import dvc_project

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME = "shapes-generator"
ANN = ("ann", "a password of Ann's")
KEY = bytes(32)
"""The webhook's."""
STRIPES = np.arange(28) % 4 < 2


class Day(NamedTuple):
    """The team's servers, and a receiver of notices."""

    servers: Compose
    receiver: Receiver

    @property
    def folder(self) -> Path:
        """The worker's checkout, which is Ann's, too."""
        return self.servers.project

    @property
    def mlflow(self) -> str:
        """URL of its pages."""
        return team.mlflow(self.servers)

    @property
    def prefect(self) -> str:
        """URL of its pages."""
        return team.prefect(self.servers).removesuffix("/api")

    def environment(self, user: str) -> dict[str, str]:
        """What a process beside the servers is given that works as MLflow's ``user``."""
        login = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD_FILE": f"{self.folder}/secrets/{user}"}
        return self.servers.environment("worker") | {"GANLIB_SERVICES_DVC_REMOTE": "null"} | login

    def ganlib(self, *words: str, **more: str) -> Any:
        """What a command of Ann's prints."""
        done = projects.run(self.folder, "ganlib", *words, "--json", **self.environment(ANN[0]) | more)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def runs(self, flow: str, *states: str) -> list[dict[str, Any]]:
        """The runs of a flow, the newest first, if all are in one of the states."""
        body = {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC"}
        found = list(projects.ask_prefect(self.prefect, "POST", "flow_runs/filter", body, ADA))
        return found if {run["state"]["name"] for run in found} <= {*states} else []

    def told(self) -> list[str]:
        """What the webhook was told: decisions with the version that is champion or challenger by them, and drift."""
        texts = [json.loads(content) for _, content in self.receiver.messages]
        return [f"{text['type']} {text['data'].get('to_version', '')}".strip() for text in texts]

    def decided(self, *decisions: str) -> None:
        """Wait until the webhook has heard of ``decisions``, which are the last ones."""
        last = [f"ledger.{decision}" for decision in decisions]
        wait_for(lambda: [each for each in self.told() if each.startswith("ledger.")][-len(last) :] == last)


def draw(place: Path, count: int, seed: int, *, striped: bool = False) -> None:
    """Pictures of shapes, in a folder a class; ``striped``: as of a camera that has a fault."""
    drawing = shapes.drawn(count, seed, side=28, channels=1)
    for number, (image, label) in enumerate(zip(drawing.images, drawing.labels, strict=True)):
        path = place / shapes.SHAPES.class_names[label] / f"{seed}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(striped & STRIPES, 255 - image[0], image[0])).save(path)


def change(folder: Path, **sections: Mapping[str, Any]) -> None:
    """Edit params.yaml."""
    params: dict[str, Any] = yaml.safe_load((folder / "params.yaml").read_text())
    for name, values in sections.items():
        params[name] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose trainings are small, and whose gate asks only whether a version is better."""
    made = dvc_project(tmp_path_factory.mktemp("day") / "project").root
    shutil.copytree(ROOT / "pipelines", made / "pipelines", ignore=shutil.ignore_patterns("*.pyc.*"))
    limits = yaml.safe_load((made / "params.yaml").read_text())["gate"]["limits"]
    change(
        made,
        budgets={"smoke": {"steps": 60, "seconds": 60}},
        train={"families": ["vae"], "budget": "smoke"},
        judge={"steps": 60},
        evaluate={"samples": 150, "bootstrap": 50, "kid_subsets": 5, "kid_subset_size": 30},
        export={"parity_batches": [1, 2], "calibration_images": 64},
        gate={"limits": limits | dict.fromkeys(("class_excess", "class_distance", "diversity", "copies"))},
        registry={"approval": "required", "promoters": [ANN[0]]},
        services={"reconcile_seconds": 6, "retrain_schedule": ""},
        triggers={
            "causes": ["images", "drift"], "inbox": "inbox", "min_images": 40,
            "look_seconds": 6, "settle_seconds": 3, "still_seconds": 1,
        },
    )  # fmt: skip
    draw(made / "own" / "shapes", 240, seed=1)
    (made / "inbox").mkdir()
    return made


@pytest.fixture(scope="module")
def day(folder: Path) -> Iterator[Day]:
    """All servers, a user Ann of MLflow, the worker, and a webhook that listens."""
    pages = {"PREFECT_SERVER_UI_SERVE_BASE": "/", "PREFECT_SERVER_UI_API_URL": "http://prefect:4200/api"}
    with team.servers(folder, **pages) as servers:
        made = Day(servers.compose, Receiver())
        change(folder, services={"webhook": f"http://127.0.0.1:{made.receiver.port}/"})
        users = f"{made.mlflow}/api/2.0/mlflow/users"
        for verb, path, body in (
            ("POST", "create", {"username": ANN[0], "password": ANN[1]}),
            ("PATCH", "update-admin", {"username": ANN[0], "is_admin": True}),
        ):
            requests.request(verb, f"{users}/{path}", json=body, auth=ADMIN, timeout=120).raise_for_status()
        (folder / "secrets" / ANN[0]).write_text(ANN[1])
        (folder / "secrets" / ADMIN[0]).write_text(ADMIN[1])
        made.ganlib("data", "version", "--from", "own/shapes")
        own = {"GANLIB_WEBHOOK_SECRET": f"whsec_{base64.b64encode(KEY).decode()}"}
        worker = Command(
            ["pipelines", "serve"], folder, projects.environment(folder) | made.environment(ADMIN[0]) | own
        )
        try:
            yield made
        finally:
            worker.kill()
            worker.wait(60)
            made.receiver.close()


def test_a_day(day: Day, browser: Any, tmp_path: Path) -> None:
    draw(day.folder / "inbox", 40, seed=2)
    _retrained_once(day, 1, causes={"images"}, outcome="awaiting")
    _looked_at(day, browser)
    _approved_in_prefects_page(day, browser)
    _batch_on_s3(day)
    change(day.folder, budgets={"smoke": {"steps": 300, "seconds": 60}})
    draw(day.folder / "inbox", 40, seed=3, striped=True)
    _retrained_once(day, 2, causes={"images", "drift"}, outcome="refused")
    assert "model.drifted" in day.told()
    _bad_promotion_is_taken_back(day, browser)
    _promoted_after_all_and_rolled_back(day)
    _restored_elsewhere(day, tmp_path)


def _retrained_once(day: Day, version: int, causes: set[str], outcome: str) -> None:
    """What arrived has started one run, which names its causes and has registered a version."""
    day.decided(f"{outcome} {version}")
    newest, *before = wait_for(lambda: day.runs("retrain", "Completed"))
    words = {"awaiting": "awaiting approval"}.get(outcome, outcome)
    assert newest["name"] == f"retrain vae (smoke): version {version} {words}"
    assert {tag.removeprefix("cause:") for tag in newest["tags"] if tag.startswith("cause:")} == causes
    assert len(before) == version - 1
    assert not list((day.folder / "inbox").rglob("*.png"))


def _looked_at(day: Day, browser: Any) -> None:
    """Its page in Prefect shows what it did, and has the gate's report."""
    (run,) = day.runs("retrain", "Completed")
    page = prefect_pages.open_run(browser, day.prefect, run["id"], ":".join(ADA))
    page.get_by_role("tab", name="Task Runs").click()
    page.get_by_text("gate for version 1").wait_for()
    page.get_by_text('["').evaluate("tag => tag.parentElement.remove()")  # whose process it was
    picture(page, "retrain-run")
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("gate", exact=True).first.click()
    page.get_by_text("version 1 passed the gate and is awaiting approval").first.wait_for()
    page.close()


def _approved_in_prefects_page(day: Day, browser: Any) -> None:
    """Ann finds a form in Prefect's page, and what she types makes version 1 the champion; the webhook hears it."""
    (run,) = wait_for(lambda: day.runs("approve", "Suspended"))
    schema = f"flow_runs/{run['id']}/input/suspended-answer-schema"  # which Prefect saves after that
    wait_for(lambda: projects.prefect_answer(day.prefect, "GET", schema, auth=ADA).ok)
    page = prefect_pages.open_run(browser, day.prefect, run["id"], ":".join(ADA))
    page.set_viewport_size({"width": 1280, "height": 1000})
    form = prefect_pages.fill_in(page, "yes", "ann", "squares have corners")
    picture(form, "approval-form")
    prefect_pages.send(form)
    page.close()
    day.decided("awaiting 1", "promoted 1")
    fields, content = day.receiver.messages[-1]
    signed = ".".join((fields["webhook-id"], fields["webhook-timestamp"], content.decode())).encode()
    signature = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert fields["webhook-signature"] == f"v1,{signature}"
    assert json.loads(content)["data"]["who"].startswith("ann (Prefect's page), found by admin@")
    (run,) = wait_for(lambda: day.runs("approve", "Completed"))
    assert run["name"] == f"version 1 of {NAME}: approved by ann"


def _batch_on_s3(day: Day) -> None:
    """The champion's images are on S3, for whoever has its key."""
    place = "s3://ganlib/images/day"
    done = day.ganlib("generate", "--model", "champion", "--count", "64", "--format", "npy", "--out", place)
    assert done["origin"]["version"] == 1
    assert day.ganlib("verify", place)["complete"]
    s3 = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{day.servers.ports['s3:9000']}",
        region_name="us-east-1",
        aws_access_key_id=day.servers.secrets["s3_user"],
        aws_secret_access_key=day.servers.secrets["s3_password"],
    )
    shard = s3.get_object(Bucket="ganlib", Key="images/day/shard-00000.npy")["Body"].read()
    assert np.load(io.BytesIO(shard))["image"].shape == (64, 1, 28, 28)


def _bad_promotion_is_taken_back(day: Day, browser: Any) -> None:
    """Version 2 was refused; its alias, set in MLflow's page, is taken back, and the page and the webhook say so."""
    page = walk.opened(browser, http_credentials={"username": ANN[0], "password": ANN[1]})
    walk.to_model(page, day.mlflow, NAME)
    page.get_by_text("Refused by the gate").first.wait_for()
    page.set_viewport_size({"width": 1280, "height": 1060})
    picture(page, "versions")
    walk.set_alias(page, 2)
    day.decided("refused 2", "external 2", "rolled-back 1")
    page.reload()
    page.get_by_role("cell", name="taken back").wait_for()
    page.close()


def _promoted_after_all_and_rolled_back(day: Day) -> None:
    """The gate had refused it as the two were evaluated on different data; what it says to do makes it the champion."""
    day.ganlib("evaluate", "1", "--record")
    assert day.ganlib("promote", "2", "--approve")["promoted"]
    day.ganlib("rollback", "--reason", "squares look like discs")
    day.decided("promoted 2", "rolled-back 1")


def _restored_elsewhere(day: Day, tmp_path: Path) -> None:
    """A backup of the database and of S3 becomes a project that needs neither, and makes the same bytes."""
    behind = {
        "GANLIB_SERVICES_MLFLOW": "null",
        "MLFLOW_TRACKING_URI": f"postgresql://ganlib@127.0.0.1:{day.servers.ports['postgres:5432']}/mlflow",
        "PGPASSWORD": SECRETS["postgres"],
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://ganlib/artifacts",
    }
    assert day.ganlib("backup", str(tmp_path / "backup"), **behind)["gaps"] == []
    clone = dvc_project(tmp_path / "clone").root
    for words in (("restore", str(tmp_path / "backup")), ("registry", "verify")):
        done = projects.run(clone, "ganlib", *words)
        assert done.returncode == 0, done.stderr
    images = ("generate", "--model", "champion", "--count", "32", "--format", "npy", "--no-check", "--out", "out/same")
    day.ganlib(*images)
    assert projects.run(clone, "ganlib", *images).returncode == 0
    here, there = (np.load(root / "out" / "same" / "shard-00000.npy") for root in (day.folder, clone))
    assert np.array_equal(here, there)
