"""A project's registry, ledger and images from before the house was redrawn, used by today's code.

``tests/fixtures/registry-8e2f967.tar.xz`` was made by commit 8e2f967 in the folder /home/ada/digits: two trainings of
budget `smoke` with nets of four channels, registered, the first promoted and the second refused, and a batch of each.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib.config import Params, load
from ganlib.core.project import Project
from ganlib.data.mnist.dataset import MNIST
from ganlib.generation.batch.verify import verify
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.models import fetch
from ganlib.jobs.promotion.promote import promote, rollback
from ganlib.registry.audit import beyond_seal
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests.conftest import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "registry-8e2f967.tar.xz"


@pytest.fixture
def old(tmp_path: Path) -> Project:
    """The old project in a folder of another name, with today's params.yaml."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return Project(tmp_path)


@pytest.fixture
def params(old: Project) -> Params:
    """Ask for nothing of a net of four channels but that it is better."""
    none = [f"gate.limits.{name}=null" for name in ("class_excess", "class_distance", "diversity", "copies")]
    return load(old.params_file, [*none, "gate.limits.latency_ms.at_most=60000"])


def test_its_versions_are_listed_with_their_figures_and_its_ledger_is_whole(old: Project, params: Params) -> None:
    registry = Registry(connect(old), params.registry.model)
    second, first = registry.versions()
    assert (first.version, first.aliases, first.gate) == (1, ("champion",), "passed")
    assert second.gate is not None
    assert second.gate.startswith("refused: ")
    found = registry.get(1)
    assert found.evaluation is not None
    assert found.evaluation.fid.value == pytest.approx(496.4, abs=0.1)
    assert found.evaluation.class_names == MNIST.class_names
    assert {"precision", "copies", "class_excess", "class_distance"} <= set(found.evaluation.figures)
    assert found.contract is not None
    assert found.contract.spec == MNIST
    snapshot = Ledger(registry.store, registry.name).read()
    assert [entry.kind for entry in snapshot.entries()] == ["promoted", "refused", "refused"]
    assert (snapshot.problems(), snapshot.news, beyond_seal(registry, snapshot)) == ([], (), [])


def test_its_champion_draws_the_images_that_it_drew_then(old: Project, params: Params) -> None:
    batch = generate(old, params, "champion", GenerateRequest(out=str(old.root / "again"), count=70, check=False))
    then, now = (sorted((old.root / name).glob("shard-*/*.png")) for name in ("batch/one", "again"))
    pixels = [[np.asarray(Image.open(path)).astype(int) for path in paths] for paths in (then, now)]
    off = [np.abs(a - b) for a, b in zip(*pixels, strict=True)]
    assert len(off) == 70
    assert max(each.max() for each in off) <= 1, "another processor may round another way, by one grey level"
    assert batch.manifest.model_sha256 == fetch(old, params, "1").sha256


def test_its_batch_is_verified_and_its_conditional_model_takes_labels(old: Project, params: Params) -> None:
    assert verify(old.root / "batch" / "one").ok
    model = OnnxModel(fetch(old, params, "2").path)
    assert model.contract.version == 1
    assert set(model.contract.inputs) == {"noise", "label"}
    made = generate(old, params, "2", GenerateRequest(out=str(old.root / "sevens"), count=8, labels="7", check=False))
    assert made.manifest.count == 8


def test_the_gate_decides_on_its_old_evidence_and_people_go_back(old: Project, params: Params) -> None:
    registry = Registry(connect(old), params.registry.model)
    refused = promote(old, params, "2")
    assert {check.name for check in refused.checks if not check.passed} == {"contract", "better"}
    registry.set_alias(CHAMPION, 2)
    with_entry = rollback(old, params, reason="by hand")
    assert with_entry.to_version == 1
    assert Ledger(registry.store, registry.name).read().problems() == []
