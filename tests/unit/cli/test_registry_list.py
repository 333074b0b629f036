"""`ganlib registry list` where one project has had several data sets: a model each, with a champion of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganlib.config import load
from ganlib.core.project import Project
from ganlib.registry.gate import Decision
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.unit.cli.test_cli import ganlib, refused

MODELS = {"mnist-generator": (10.0, 20.0), "shapes-generator": (90.0, 80.0), "icons-generator": (50.0,)}
"""The FIDs of each model's versions."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every version was put through the gate; a model that somebody made by hand is beside them."""
    project: Project = factories.project(tmp_path_factory.mktemp("several"), factories.empty_database())
    store, params = connect(project), load(project.params_file)
    for name, fids in MODELS.items():
        for number, fid in enumerate(fids, 1):
            version = factories.bare_version(store, number, fid, name)
            promote(Registry(store, name), version, policy=params.gate, state=project.state)
    store.client.create_registered_model("by-hand")
    store.client.create_model_version("by-hand", "s3://nowhere/1", tags={"family": "mine"}, await_creation_for=0)
    return project.root


def rows(root: Path, *words: str) -> list[tuple[str, int, list[str]]]:
    done = ganlib("registry", "list", *words, "--json", cwd=root)
    assert done.returncode == 0, done.stderr
    return [(row["name"], row["version"], row["aliases"]) for row in json.loads(done.stdout)]


def test_each_model_has_its_champion_by_its_own_figures_and_that_of_the_data_comes_first(root: Path) -> None:
    assert rows(root) == [
        ("mnist-generator", 2, ["challenger"]),
        ("mnist-generator", 1, ["champion"]),
        ("icons-generator", 1, ["champion"]),
        ("shapes-generator", 2, ["champion"]),
        ("shapes-generator", 1, ["previous"]),
    ]
    told = ganlib("registry", "list", cwd=root).stdout.splitlines()
    assert [line.split()[:2] for line in told[:2]] == [["model", "version"], ["mnist-generator", "2"]]


def test_one_model_can_be_listed_alone_and_a_wrong_name_gets_the_nearest(root: Path) -> None:
    assert rows(root, "--model", "icons-generator") == [("icons-generator", 1, ["champion"])]
    line = refused(ganlib("registry", "list", "--model", "icon-generator", cwd=root))
    assert "unknown model 'icon-generator'. Did you mean 'icons-generator'?" in line
    refused(ganlib("registry", "list", "--model", "by-hand", cwd=root))


def test_a_promotion_is_of_the_model_that_its_uri_names_and_looks_at_no_other(root: Path) -> None:
    """Version 2 of the data's own model, with a FID of 20, has nothing to do with it."""
    project = Project(root)
    factories.bare_version(connect(project), 2, 40.0, "icons-generator")
    before = {name: Ledger(connect(project), name).read().entries() for name in MODELS}
    done = ganlib("promote", "models:/icons-generator/2", "--json", cwd=root)
    assert done.returncode == 0, done.stderr
    decision = Decision.model_validate_json(done.stdout)
    assert (decision.champion, decision.challenger, decision.improvement is not None) == (1, 2, True)
    after = {name: Ledger(connect(project), name).read().entries() for name in MODELS}
    assert {name: len(after[name]) - len(before[name]) for name in MODELS} == {
        "mnist-generator": 0,
        "shapes-generator": 0,
        "icons-generator": 1,
    }
    assert rows(root)[:4] == [
        ("mnist-generator", 2, ["challenger"]),
        ("mnist-generator", 1, ["champion"]),
        ("icons-generator", 2, ["champion"]),
        ("icons-generator", 1, ["previous"]),
    ]


def test_an_ab_test_is_of_one_model(root: Path) -> None:
    line = refused(ganlib("ab", "start", "1", "models:/shapes-generator/1", cwd=root))
    assert "versions of two models, mnist-generator and shapes-generator: they are not compared" in line
    done = ganlib("ab", "start", "models:/shapes-generator/1", "models:/shapes-generator/2", "--json", cwd=root)
    assert json.loads(done.stdout)["model"] == "shapes-generator"
    assert json.loads(ganlib("ab", "assign", "k", "--model", "shapes-generator", "--json", cwd=root).stdout)[
        "uri"
    ].startswith("models:/shapes-generator/")
    assert "--model shapes-generator" in refused(ganlib("ab", "assign", "k", cwd=root))


def test_history_and_rollback_are_of_the_model_that_is_named(root: Path) -> None:
    def history(*words: str) -> list[int]:
        done = ganlib("registry", "history", *words, "--json", cwd=root)
        return [entry["to_version"] for entry in json.loads(done.stdout)]

    assert history() == [1, 2]
    assert history("--model", "shapes-generator") == [1, 2]
    done = ganlib("rollback", "--model", "shapes-generator", "--json", cwd=root)
    assert (json.loads(done.stdout)["to_version"], history()) == (1, [1, 2])
    assert history("--model", "shapes-generator") == [1, 2, 1]


def test_a_project_of_nothing_yet_says_how_to_begin(tmp_path: Path) -> None:
    project = factories.project(tmp_path, factories.empty_database())
    done = ganlib("registry", "list", cwd=project.root)
    assert (done.returncode, "train and register with: ganlib retrain" in done.stdout) == (0, True)
    assert rows(project.root, "--model", "mnist-generator") == []
