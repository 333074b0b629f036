"""`ganlib export --siblings`: linked versions with figures of their own, and a gate that no small size gets past."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import GateConfig, Params, load
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.evaluation.bootstrap import Interval
from ganlib.export.contract import describe
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.promotion.explain import explain
from ganlib.jobs.promotion.promote import promote, register
from ganlib.jobs.promotion.prune import prune
from ganlib.jobs.promotion.sibling_table import SiblingRow, fid_change, remarks
from ganlib.jobs.promotion.siblings import siblings
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import CHALLENGER, CHAMPION, Registry
from ganlib.tracking import history
from ganlib.tracking.runs import UNHEALTHY_TAG
from ganlib.tracking.store import connect
from tests import factories
from tests.services import project as projects
from tests.unit.registry.test_gate import version

NAME = "mnist-generator"


def row(**changes: Any) -> SiblingRow:
    base = SiblingRow(
        precision="int8", version=2, path=Path("m.onnx"), sha256="a" * 64, bytes=500, latency_ms=1.0,
        images_per_second=1000.0, evaluation=factories.evaluation(),
        fid_change=Interval(value=0.0, low=-0.1, high=0.1),
    )  # fmt: skip
    return base.model_copy(update=changes)


PARENT = row(precision="fp32", bytes=1000, fid_change=None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bytes": 1100}, "no smaller: 1.10 x the size"),
        ({"latency_ms": 2.0}, "slower: 2.00 x the time of one image"),
        ({"latency_ms": 0.5}, "faster: 0.50 x the time of one image"),
        ({"images_per_second": 500.0}, "slower: 2.00 x the time of a block"),
        ({"latency_ms": 0.98}, "no faster: 0.98 x the time of one image"),
        ({"fid_change": Interval(value=0.5, low=0.4, high=0.6)}, "worse: FID higher by 0.5 [0.4, 0.6]"),
        ({"fid_change": Interval(value=-0.5, low=-0.6, high=-0.4)}, "better: FID lower by 0.5 [0.4, 0.6]"),
        ({"fid_change": Interval(value=-0.05, low=-0.1, high=0.01)}, "neither better nor worse beyond doubt"),
        (
            {"fid_change": Interval(value=-0.004, low=-0.005, high=-0.003)},
            "as good: FID changed by -0.004, less than a",
        ),
        ({"fid_change": None}, "its FID cannot be compared"),
    ],
)
def test_what_is_lost_is_said_in_words(changes: dict[str, Any], words: str) -> None:
    assert words in "; ".join(remarks(row(**changes), PARENT, None))


def test_the_gate_s_answer_is_told_with_its_mood() -> None:
    refused = decide(version(2, factories.evaluation()), version(1, factories.evaluation()), GateConfig())
    assert remarks(row(), PARENT, refused)[-1] == "the gate refused it"
    assert remarks(row(), PARENT, refused.model_copy(update={"dry_run": True}))[-1] == "the gate would refuse it"
    passed = refused.model_copy(update={"promoted": True})
    assert remarks(row(), PARENT, passed)[-1] == "the gate promoted it"
    waits = refused.model_copy(update={"awaiting": True})
    assert remarks(row(), PARENT, waits)[-1] == "the gate has passed it, and a person is to approve"
    asked = waits.model_copy(update={"dry_run": True})
    assert remarks(row(), PARENT, asked)[-1] == "the gate would pass it, and a person is to approve"


def test_the_change_in_fid_is_paired() -> None:
    """Replicates that move together: the change is known far better than either figure."""
    noise = factories.replicates(10, 0.5)
    pairs = [factories.evaluation(fid, resampled={"fid": factories.pack(noise + fid - 10)}) for fid in (10.0, 10.2)]
    change = fid_change(*pairs)
    assert change
    assert (change.low, change.value, change.high) == pytest.approx((0.2, 0.2, 0.2), abs=1e-4)
    assert fid_change(pairs[0], factories.evaluation(10, resampled={})) is None


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with data, whose champion is version 1."""
    made = Project(projects.make(tmp_path_factory.mktemp("siblings") / "project"))
    params, store = load(made.params_file), connect(made)
    factories.graph(made.root / "generator.onnx")
    run = factories.finished_run(store, made.root / "generator.onnx")
    found = evaluate(made, params, f"runs:/{run}")
    register(made, params, run, found, candidates=3)
    assert promote(made, params, "1").promoted
    return made


@pytest.fixture
def params(project: Project) -> Params:
    """Twins' figures move together, so that the gate sees thousandths: here an improvement is to be worth its while."""
    return load(project.params_file, ["gate.min_improvement=1"])


@pytest.mark.slow
def test_siblings_become_linked_versions_with_figures_of_their_own_and_nothing_is_promoted_for_being_small(
    project: Project, params: Params
) -> None:
    store = connect(project)
    registry, ledger = Registry(store, NAME), Ledger(store, NAME)
    before = ledger.read().lines
    found = siblings(project, params, "champion", rounds=1)
    assert [(each.precision, each.version) for each in found.rows] == [("fp32", 1), ("fp16", 2), ("int8", 3)]
    parent = registry.get(1)
    for each in found.rows[1:]:
        assert each.version
        sibling = registry.get(each.version)
        assert (sibling.sibling_of, sibling.precision) == (1, each.precision)
        assert sibling.candidates == 3, "its parent was chosen from three, and so was it"
        assert sibling.evaluation == each.evaluation
        assert sibling.evaluation
        assert sibling.evaluation.unlike(parent.evaluation or each.evaluation) == ()
        assert sibling.evaluation.delivery
        assert sibling.evaluation.delivery.mean_pixel_difference == each.parity.mean_difference  # type: ignore[union-attr]
        assert sibling.certificate == each.parity
        assert sibling.certificate
        assert sibling.certificate.parent == parent.sha256
        facts = describe(each.path.read_bytes(), "s").metadata
        assert sha256_file(each.path) == sibling.sha256
        if each.precision == "int8":
            assert "512 images of seed 1 (philox" in facts["calibration"]
        run = history.read(store, sibling.run_id or "")
        assert run.tags["mlflow.parentRunId"] == parent.run_id
        assert run.params["precision"] == each.precision
        assert run.params["seed"] == "0", "the options of its training"
        assert run.metrics["fid"] == each.evaluation.fid.value
        assert each.gate
        assert not each.gate.promoted
        assert "the gate would refuse it" in each.remarks
    assert registry.aliases() == {CHAMPION: 1}
    assert ledger.read().lines == before, "the gate was asked, and decided nothing"
    for word in ("fp16", "int8", "the gate would refuse it", "NO  better", "x the size", "images of seed 1"):
        assert word in found.summary()

    again = siblings(project, params, "1", rounds=1)
    assert [each.version for each in again.rows] == [1, 2, 3], "the same bytes are the same version"
    assert all("has siblings" in each.kept for each in prune(project, params, keep=0, dry_run=True).versions)
    walked = {link.what: link.found for link in explain(project, params, "3").links}
    assert walked["parent"]["version"] == 1
    assert walked["run"]["id"] == parent.run_id


@pytest.mark.slow
def test_put_through_the_gate_a_sibling_is_refused_like_any_other_challenger(project: Project, params: Params) -> None:
    registry = Registry(connect(project), NAME)
    found = siblings(project, params, "1", put_through=True, rounds=1)
    assert all("the gate refused it" in each.remarks for each in found.rows[1:])
    entries = Ledger(registry.store, NAME).read().entries()
    assert [(entry.kind, entry.to_version) for entry in entries[-2:]] == [("refused", 2), ("refused", 3)]
    assert registry.aliases()[CHAMPION] == 1
    strict = load(project.params_file, ["gate.max_sibling_difference=0", "gate.min_improvement=1"])
    refused = promote(project, strict, "3", dry_run=True)
    assert {check.name for check in refused.checks if not check.passed} == {"parity", "better"}


@pytest.mark.slow
def test_a_sibling_of_a_model_whose_training_broke_is_refused_as_that_is(project: Project, params: Params) -> None:
    store, broken_graph = connect(project), project.root / "broken" / "generator.onnx"
    broken_graph.parent.mkdir()
    factories.variant(project.root / "generator.onnx", broken_graph, "broken")
    run = factories.finished_run(store, broken_graph)
    store.client.set_tag(run, UNHEALTHY_TAG, "mode collapse")
    broken = register(project, params, run, evaluate(project, params, f"runs:/{run}"))
    found = siblings(project, params, str(broken.version), rounds=1)
    assert Registry(store, NAME).aliases()[CHALLENGER] == broken.version
    for each in found.rows[1:]:
        assert each.gate
        assert "health" in {check.name for check in each.gate.checks if not check.passed}


@pytest.mark.slow
def test_siblings_of_a_file_are_files_and_what_cannot_be_is_refused(
    project: Project, params: Params, tmp_path: Path
) -> None:
    graph = str(project.root / "generator.onnx")
    made = projects.run(project.root, "ganlib", "export", graph, "--siblings", "--out", str(tmp_path / "out"), "--json")
    assert made.returncode == 0, made.stderr[-2000:]
    rows = json.loads(made.stdout)["rows"]
    assert [(each["precision"], each["version"], each["gate"]) for each in rows] == [
        ("fp32", None, None), ("fp16", None, None), ("int8", None, None)
    ]  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"generator-fp16.onnx", "generator-int8.onnx"}
    assert rows[2]["sha256"] == sha256_file(tmp_path / "out" / "generator-int8.onnx")
    with pytest.raises(BadInput, match="is int8 already: make siblings of its parent"):
        siblings(project, params, str(tmp_path / "out" / "generator-int8.onnx"), out=tmp_path)
    with pytest.raises(BadInput, match="say where its siblings go: --out"):
        siblings(project, params, graph)
    with pytest.raises(BadInput, match="decides on versions alone"):
        siblings(project, params, graph, out=tmp_path, put_through=True)
    copied = projects.run(project.root, "ganlib", "export", "champion", "--out", str(tmp_path / "copy.onnx"))
    assert copied.returncode == 0, copied.stderr
    assert sha256_file(tmp_path / "copy.onnx") == Registry(connect(project), NAME).get(1).sha256
    for words, told in (([], "--out FILE"), (["--promote"], "goes with --siblings")):
        refused = projects.run(project.root, "ganlib", "export", "champion", *words)
        assert (refused.returncode, told in refused.stderr) == (2, True), refused.stderr
