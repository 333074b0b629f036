"""MLproject, deployments and params.yaml agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import yaml

from ganlib import families as zoo
from ganlib.cli.flows import RunOptions
from ganlib.config import load
from ganlib.generation import formats
from ganlib.jobs.images.request import GenerateRequest
from tests.conftest import ROOT


def test_the_defaults_of_mlproject_are_those_of_params() -> None:
    params = load(ROOT / "params.yaml")
    entry = {
        name: {key: value["default"] for key, value in body.get("parameters", {}).items()}
        for name, body in yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"].items()
    }
    assert entry["retrain"] == {"families": ",".join(params.train.families), "budget": params.train.budget}
    assert entry["train"] == {"family": params.train.families[0], "budget": params.train.budget}
    options = vars(GenerateRequest(out="out/batch").completed(params.generate))
    options["format"] = options["file_format"]
    given = {key: value for key, value in entry["generate"].items() if key not in ("model", "more")}
    assert given == {key: "" if options[key] is None else str(options[key]) for key in given}


def test_the_server_of_prefect_can_be_imported_with_the_pinned_packages(tmp_path: Path) -> None:
    """With fastapi >= 0.156 this is a TypeError (docs/decisions/0001-pins.md)."""
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", "import prefect.server.api.server"], env=environment, check=True, timeout=500)


def test_every_flow_has_a_deployment_and_retraining_a_schedule_and_a_trigger(tmp_path: Path) -> None:
    code = (
        "import json; from pipelines.serve import deployments; "
        "print(json.dumps({d.flow_name: [len(d.schedules or []), len(d.triggers or [])] for d in deployments()}))"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=500
    )
    assert yaml.safe_load(done.stdout) == {
        "version-data": [0, 0],
        "train": [0, 0],
        "retrain": [1, 1],
        "promote": [0, 0],
        "generate": [0, 0],
        "reconcile": [0, 0],
        "approve": [0, 0],
    }


def test_the_forms_offer_the_choices_and_defaults_of_params(tmp_path: Path) -> None:
    code = (
        "import json; from pipelines.serve import deployments; print(json.dumps("
        "{d.full_name: d._parameter_openapi_schema.model_dump()['properties'] for d in deployments()}))"
    )
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    forms, params = yaml.safe_load(done.stdout), load(ROOT / "params.yaml")
    assert len({name.partition("/")[2] for name in forms}) == 7
    retrain, train, generate = (
        forms[name] for name in ("retrain/best-of-families", "train/one-family", "generate/batch")
    )
    assert retrain["families"]["anyOf"][0]["items"]["enum"] == [*zoo.names(), zoo.AUTO]
    assert train["family"]["enum"] == zoo.names()
    assert retrain["families"]["default"] == list(params.train.families)
    for form in (retrain, train):
        assert form["budget"]["anyOf"][0]["enum"] == list(params.budgets)
        assert form["budget"]["default"] == params.train.budget
        for name, budget in params.budgets.items():
            assert f"{name}: at most {budget.seconds / 60:.2g} min" in form["budget"]["description"]
        assert "train.seed=3" in form["overrides"]["description"]
    options = {field.name for record in (GenerateRequest, RunOptions) for field in fields(record)}
    assert set(generate) == options | {"model", "overrides"}
    assert all(generate[name]["description"] for name in generate)
    assert generate["shard_size"]["description"].endswith("default: `generate.shard_size` of params.yaml.")
    assert [generate[name].get("type") for name in ("count", "seed", "grid", "truncation", "out")] == [
        "integer", "integer", "boolean", "number", "string"
    ]  # fmt: skip
    assert [each["type"] for each in generate["check"]["anyOf"]] == ["boolean", "null"]
    assert generate["file_format"]["enum"] == list(formats.names())
    assert {"{version}", "{seed}"} <= set(re.findall(r"{\w+}", generate["out"]["default"]))
    assert (generate["count"]["default"], generate["seed"]["default"]) == (params.generate.count, params.generate.seed)
