"""A day of a team, from the outside: an inbox, pages in Chromium, the command line, a webhook, S3 and PostgreSQL.

With GANLIB_SCREENSHOTS=docs/images the pictures of docs/operations.md and docs/tutorial.md are taken on the way.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import requests
import yaml
from PIL import Image

from ganlib.registry.notice import new_secret
from tests import shapes
from tests.conftest import ROOT
from tests.services import prefect_pages, team, walk
from tests.services import project as projects
from tests.services.compose import Compose
from tests.services.team import ADA, ADMIN, SECRETS, mlflow_url, prefect_url
from tests.support.forks import Command
from tests.support.receiver import Receiver
from tests.support.screenshots import picture
from tests.unit.data.builders import dvc_project

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME = "shapes-generator"
ANN = ("ann", "a password of Ann's")


class Day(NamedTuple):
    """The team's servers, its worker, and who watches."""

    servers: Compose
    receiver: Receiver
    mlflow: str
    prefect: str

    @property
    def folder(self) -> Path:
        """The worker's checkout."""
        return self.servers.project

    def ganlib(self, *words: str, **more: str) -> Any:
        """What a command of Ann's prints, on her machine, which has the same checkout."""
        done = projects.run(self.folder, "ganlib", *words, "--json", **settings(self.servers, "ann"), **more)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    def runs(self, flow: str, *states: str) -> list[dict[str, Any]]:
        """The runs of a flow that are in one of the states."""
        body = {"flows": {"name": {"any_": [flow]}}, "flow_runs": {"state": {"name": {"any_": list(states)}}}}
        return list(projects.ask_prefect(self.prefect, "POST", "flow_runs/filter", body, ADA))

    def messages(self) -> list[tuple[str, int | None, str]]:
        """What the webhook was told: types, versions and who."""
        texts = [json.loads(content) for _, content in self.receiver.messages]
        return [(text["type"], text["data"]["to_version"], text["data"]["who"]) for text in texts]

    def ledger(self) -> list[tuple[str, int | None, int | None]]:
        """The decisions so far."""
        entries = self.ganlib("registry", "history", "--model", NAME)["entries"]
        return [(entry["kind"], entry["from_version"], entry["to_version"]) for entry in entries]


def settings(servers: Compose, user: str) -> dict[str, str]:
    """The environment of a process beside the servers, of MLflow's ``user``."""
    login = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD_FILE": f"{servers.project}/secrets/{user}"}
    return team.worker_environment(servers) | (login if user != ADMIN[0] else {})


def draw(place: Path, count: int, seed: int, *, dark: bool = True) -> None:
    """Pictures of shapes, in a folder a class; those that are not ``dark`` have a light background."""
    drawing = shapes.drawn(count, seed, side=28, channels=1)
    for number, (image, label) in enumerate(zip(drawing.images, drawing.labels, strict=True)):
        path = place / shapes.SHAPES.class_names[label] / f"{seed}-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[0] if dark else 255 - image[0]).save(path)


def arrive(folder: Path, count: int, seed: int, *, dark: bool = True) -> None:
    """Put pictures into the inbox, a class at a time."""
    draw(folder / "arriving", count, seed, dark=dark)
    for place in sorted((folder / "arriving").iterdir()):
        (folder / "inbox" / place.name).mkdir(exist_ok=True)
        for path in place.iterdir():
            path.rename(folder / "inbox" / place.name / path.name)


def change(folder: Path, **sections: Mapping[str, Any]) -> None:
    """Edit params.yaml."""
    params: dict[str, Any] = yaml.safe_load((folder / "params.yaml").read_text())
    for name, values in sections.items():
        params[name] |= values
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose trainings take two steps, and whose gate asks only whether a version is better."""
    made = dvc_project(tmp_path_factory.mktemp("day") / "project").root
    shutil.copytree(ROOT / "pipelines", made / "pipelines", ignore=shutil.ignore_patterns("*.pyc.*"))
    limits = dict.fromkeys(("class_excess", "class_distance", "diversity", "copies"))
    change(
        made,
        budgets={"smoke": {"steps": 2, "seconds": 60}},
        train={"families": ["vae"], "budget": "smoke"},
        judge={"steps": 8},
        evaluate={"samples": 150, "bootstrap": 50, "kid_subsets": 5, "kid_subset_size": 30},
        export={"parity_batches": [1, 2], "calibration_images": 64},
        gate={"limits": yaml.safe_load((made / "params.yaml").read_text())["gate"]["limits"] | limits},
        registry={"approval": "required", "promoters": ["ann"]},
        services={"reconcile_seconds": 2, "retrain_schedule": ""},
        triggers={
            "causes": ["images", "drift"], "inbox": "inbox", "min_images": 20,
            "look_seconds": 1, "settle_seconds": 3, "still_seconds": 1,
        },
    )  # fmt: skip
    draw(made / "own" / "shapes", 240, seed=1)
    (made / "inbox").mkdir()
    return made


@pytest.fixture(scope="module")
def day(folder: Path, serve: Callable[..., None]) -> Iterator[Day]:
    """All servers, a user Ann of MLflow, the worker, and a webhook that listens."""
    pages = {"PREFECT_SERVER_UI_SERVE_BASE": None, "PREFECT_SERVER_UI_API_URL": None}
    with team.team(folder, serve, **pages) as servers:
        receiver = Receiver()
        change(folder, services={"webhook": f"http://127.0.0.1:{receiver.port}/"})
        made = Day(servers, receiver, mlflow_url(servers), prefect_url(servers).removesuffix("/api"))
        users, login = f"{made.mlflow}/api/2.0/mlflow/users", {"username": ANN[0], "password": ANN[1]}
        requests.post(f"{users}/create", json=login, auth=ADMIN, timeout=120).raise_for_status()
        rights = {"username": ANN[0], "is_admin": True}
        requests.patch(f"{users}/update-admin", json=rights, auth=ADMIN, timeout=120).raise_for_status()
        (folder / "secrets" / ANN[0]).write_text(ANN[1])
        made.ganlib("data", "version", "--from", "own/shapes")
        environment = projects.environment(folder) | settings(servers, ADMIN[0])
        worker = Command(["pipelines", "serve"], folder, environment | {"GANLIB_WEBHOOK_SECRET": new_secret()})
        try:
            yield made
        finally:
            worker.kill()
            worker.wait(60)
            receiver.close()


def test_a_day(day: Day, browser: Any, tmp_path: Path) -> None:
    page = prefect_pages.opened(browser, day.prefect, ":".join(ADA))
    arrive(day.folder, 40, seed=2)
    _retrained(day, page, version=1, causes={"images"})
    _approved_in_prefects_page(day, page)
    _batch_on_s3(day)
    change(day.folder, budgets={"smoke": {"steps": 80, "seconds": 60}})
    arrive(day.folder, 40, seed=3, dark=False)
    _retrained(day, page, version=2, causes={"images", "drift"})
    _bad_promotion_is_taken_back(day, walk.opened(browser, http_credentials={"username": ANN[0], "password": ANN[1]}))
    _promoted_after_all_and_rolled_back(day)
    _restored_elsewhere(day, tmp_path)


def _retrained(day: Day, page: Any, version: int, causes: set[str]) -> None:
    """What arrived has started one run, which names its causes and has registered a version."""
    runs = walk.until(page, lambda: (found := day.runs("retrain", "Completed", "Failed"))[version - 1 :] and found)
    newest = max(runs, key=lambda run: str(run["start_time"]))
    assert newest["name"] == f"retrain vae (smoke): version {version} not promoted", newest["state"]["message"]
    assert {tag.removeprefix("cause:") for tag in newest["tags"] if tag.startswith("cause:")} == causes
    assert not list((day.folder / "inbox").rglob("*.png"))
    if version == 1:
        prefect_pages.to_run(page, day.prefect, newest["id"], "Artifacts")
        page.get_by_text("gate").first.wait_for()
        picture(page, "retrain-run")


def _approved_in_prefects_page(day: Day, page: Any) -> None:
    """Ann finds a form in Prefect's page, and what she types there makes version 1 the champion; a webhook hears it."""
    (form,) = walk.until(page, lambda: day.runs("approve", "Suspended"))
    prefect_pages.to_run(page, day.prefect, form["id"])
    dialog = prefect_pages.open_form(page, "yes", "ann", "the first one")
    picture(page, "approval-form")
    prefect_pages.send(dialog)
    walk.until(page, lambda: len(day.messages()) == 2)
    (awaiting, *_), (promoted, version, who) = day.messages()
    assert (awaiting, promoted, version) == ("ledger.awaiting", "ledger.promoted", 1)
    assert who.startswith("ann (Prefect's page), found by admin@")
    walk.until(page, lambda: day.runs("approve", "Completed"))


def _batch_on_s3(day: Day) -> None:
    """The champion's images are on S3, and whole."""
    place = "s3://ganlib/images/day"
    done = day.ganlib("generate", "--model", "champion", "--count", "64", "--format", "npy", "--out", place)
    assert done["manifest"]["origin"]["version"] == 1
    assert day.ganlib("verify", place)["ok"]


def _bad_promotion_is_taken_back(day: Day, page: Any) -> None:
    """Version 2 was refused; its alias, set in MLflow's page, is taken back, and the page and the webhook say so."""
    walk.to_model(page, day.mlflow, NAME)
    page.get_by_text("Refused by the gate").first.wait_for()
    picture(page, "versions")
    walk.set_alias(page, 2)
    walk.until(page, lambda: [text for text in day.messages() if text[0] == "ledger.rolled-back"])
    page.reload()
    page.get_by_role("cell", name="taken back").wait_for()
    assert day.ledger()[-2:] == [("external", 1, 2), ("rolled-back", 2, 1)]


def _promoted_after_all_and_rolled_back(day: Day) -> None:
    """The gate had refused it as the two were evaluated on different data; what it says to do makes it the champion."""
    day.ganlib("evaluate", "1", "--record")
    assert day.ganlib("promote", "2", "--approve")["promoted"]
    day.ganlib("rollback", "--reason", "squares look like discs")
    assert day.ledger()[-2:] == [("promoted", 1, 2), ("rolled-back", 2, 1)]


def _restored_elsewhere(day: Day, tmp_path: Path) -> None:
    """A backup of the database and of S3 becomes a project that needs neither, and makes the same bytes."""
    port = day.servers.ports["postgres:5432"]
    behind = {
        "GANLIB_SERVICES_MLFLOW": "null",
        "MLFLOW_TRACKING_URI": f"postgresql://ganlib@127.0.0.1:{port}/mlflow",
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
    here, there = (
        [np.load(path) for path in sorted((root / "out" / "same").rglob("*.npy"))] for root in (day.folder, clone)
    )
    assert len(here) == len(there) > 0
    assert all(np.array_equal(*pair) for pair in zip(here, there, strict=True))
