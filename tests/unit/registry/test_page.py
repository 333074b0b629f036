"""What MLflow's page says of a version, on a real MLflow; and records that are files, or tags of earlier releases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import GateConfig, Params, load
from ganlib.core.errors import Unavailable
from ganlib.core.project import Project
from ganlib.jobs.measuring.diff import diff
from ganlib.jobs.promotion import gate_report
from ganlib.jobs.promotion.explain import explain
from ganlib.jobs.promotion.promote import promote, rollback
from ganlib.jobs.promotion.reconcile import reconcile
from ganlib.registry.gate import decide
from ganlib.registry.page import TAKEN_BACK, merged, refresh
from ganlib.registry.records import PARTS, Records
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories

NAME = "mnist-generator"
COLLAPSED = (0.325, *(0.075,) * 9)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("graphs")
    factories.graph(folder / "1.onnx")
    for number in (2, 3):
        factories.variant(folder / "1.onnx", folder / f"{number}.onnx", str(number))
    return [folder / f"{number}.onnx" for number in (1, 2, 3)]


@pytest.fixture
def project(empty_database: Path, tmp_path: Path, graphs: list[Path]) -> Project:
    """Version 1 with an FID of 20 is champion; 2, with 10, is collapsed and refused."""
    project = factories.project(tmp_path / "project", empty_database)
    store, params = connect(project), load(project.params_file)
    factories.registered(store, graphs[0], 20)
    assert promote(project, params, "1").promoted
    factories.registered(store, graphs[1], 10, class_shares=COLLAPSED)
    assert not promote(project, params, "2").promoted
    return project


@pytest.fixture
def params(project: Project) -> Params:
    return load(project.params_file)


@pytest.fixture
def registry(project: Project) -> Registry:
    return Registry(connect(project), NAME)


def shown(registry: Registry, number: int) -> str:
    return registry.get(number).description


def test_tags_are_for_people_and_a_list_of_them_says_what_to_promote(registry: Registry) -> None:
    tags = registry.tags(2)
    assert (tags["gate"], tags["fid"], tags["kid"]) == ("refused: mode collapse", "10 [9.5, 10.5]", "0.1 [0.09, 0.11]")
    assert registry.tags(1)["gate"] == "passed"
    assert all(len(value) <= 64 for value in tags.values()), tags
    assert [(row.version, row.gate, row.fid_text) for row in registry.versions()] == [
        (2, "refused: mode collapse", "10 [9.5, 10.5]"),
        (1, "passed", "20 [19.5, 20.5]"),
    ]


def test_the_description_has_verdict_checks_figures_beside_the_champions_and_links(registry: Registry) -> None:
    first, *lines = shown(registry, 2).splitlines()
    assert first.startswith("Refused by the gate 20")
    assert "UTC: mode collapse: most frequent class 0 with 32.5% of the images" in first
    assert "- Gate: **refused: mode collapse**, against version 1" in lines
    assert any(line.startswith("- Failed: mode collapse: most frequent class 0 with 32.5%") for line in lines)
    assert any(
        line.startswith("- FID **10 [9.5, 10.5]**, against 20 [19.5, 20.5] of version 1, the champion then; real")
        for line in lines
    )
    run = registry.get(2).run_id
    experiment = registry.store.client.get_run(run).info.experiment_id
    assert f"[Gate report](#/experiments/{experiment}/runs/{run}/artifacts/gate/report.html) · [Run](#" in lines[-3]
    assert shown(registry, 1).startswith("Champion since 20")


def test_a_watch_that_looks_before_the_report_is_there_leaves_no_other_link(
    project: Project, params: Params, registry: Registry, graphs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = gate_report.picture

    def look_first(*arguments: Any) -> bytes:
        refresh(registry)
        assert "gate/report.md" in shown(registry, 3)
        return draw(*arguments)

    factories.registered(registry.store, graphs[2], 30)
    monkeypatch.setattr(gate_report, "picture", look_first)
    assert not promote(project, params, "3").promoted
    assert "gate/report.html" in shown(registry, 3)


def test_the_description_follows_decisions_and_a_persons_words_stay(
    project: Project, params: Params, registry: Registry, graphs: list[Path]
) -> None:
    registry.describe(1, f"Ours since spring.\n\n{shown(registry, 1)}\n\nAsk Ada.")
    factories.registered(registry.store, graphs[2], 5)
    refresh(registry)
    assert shown(registry, 3).startswith("Not decided yet by the gate\n")
    assert promote(project, params, "3").promoted
    assert shown(registry, 3).startswith("Champion since ")
    above, verdict, *_, below = shown(registry, 1).split("\n\n")
    assert (above, below) == ("Ours since spring.", "Ask Ada.")
    assert verdict.startswith("Was champion until ")
    assert verdict.splitlines()[0].endswith("UTC: version 3 took its place")
    rollback(project, params, reason="threes look like eights")
    assert "Champion again since" in shown(registry, 1)
    assert shown(registry, 1).count("<!-- ganlib") == 1
    assert "Rolled back 20" in shown(registry, 3)
    assert "threes look like eights" in shown(registry, 3)
    assert refresh(registry) == [], "nothing is written twice"


def test_what_was_taken_back_is_said_where_the_person_acted_and_how_to_overrule_it_is_true(
    project: Project, params: Params, registry: Registry
) -> None:
    registry.set_alias(CHAMPION, 2)
    assert not reconcile(project, params).ok
    assert registry.aliases()[CHAMPION] == 1
    answer = registry.tags(2)[TAKEN_BACK]
    assert "UTC: refused by the gate: mode collapse: most frequent class 0 with 32.5% of the images" in answer
    way = "set `registry.external: accept` in params.yaml, then set the alias again"
    assert answer.endswith(f"; to overrule: {way}")
    assert shown(registry, 2).startswith("Taken back 20")
    assert f"- To overrule: {way}." in shown(registry, 2).splitlines()
    text = project.params_file.read_text()
    project.params_file.write_text(text.replace("external: revert", "external: accept"))
    registry.set_alias(CHAMPION, 2)
    assert reconcile(project, load(project.params_file)).ok
    assert registry.aliases()[CHAMPION] == 2
    assert TAKEN_BACK not in registry.tags(2)
    assert shown(registry, 2).startswith("Champion since ")
    assert ", though mode collapse" in shown(registry, 2).splitlines()[0]


def test_a_page_that_a_killed_command_did_not_write_is_written_by_the_next(
    project: Project, params: Params, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.set_alias(CHAMPION, 2)
    with monkeypatch.context() as patch:

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("away")

        patch.setattr(Registry, "describe", away)
        assert not reconcile(project, params).ok, "what was decided stands"
    assert shown(registry, 2).startswith("Refused")
    assert reconcile(project, params).ok
    assert shown(registry, 2).startswith("Taken back")


@pytest.mark.parametrize("own", ["", "Mine.", "Mine.\n\n<!-- ganlib is a program -->"])
def test_our_part_of_a_description_is_replaced_and_nothing_else(own: str) -> None:
    once = merged(own, 1, "Refused -- by the gate", ["- a", "- b"])
    assert once.startswith("Refused -- by the gate\n<!-- ganlib 1: Refused - by the gate -->"), "a command to copy"
    assert once.endswith(own)
    twice = merged(once, 2, "Champion", ["- c"])
    assert twice == merged(own, 2, "Champion", ["- c"])
    above = merged(f"Above\n\n{once}", 3, "Gone", [])
    assert above == "Above\n\n" + merged(own, 3, "Gone", [])


def test_what_finds_no_room_is_left_out_and_never_a_persons_words() -> None:
    own = "x" * 4800
    made = merged(own, 1, "Refused", ["- short", "y" * 500])
    assert made.endswith(own)
    assert "- short" in made
    assert len(made) <= 5000
    assert merged("x" * 4990, 1, "Refused", []) == "x" * 4990


def test_records_are_read_once_and_a_damaged_one_is_no_evidence(
    registry: Registry, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept,) = project.state.rglob(f"{registry.tags(1)['evidence']}.json")
    kept.unlink()
    fetched: list[str] = []
    fetch = Records.fetch
    monkeypatch.setattr(Records, "fetch", lambda self, *a: fetched.append(a[1]) or fetch(self, *a))
    assert registry.get(1).evaluation == registry.get(1).evaluation
    assert registry.get(1).fid == 20
    assert len(fetched) == 1
    registry.versions()
    assert len(fetched) == 1, "a list reads none"
    kept.write_text("{}")
    assert registry.get(1).fid == 20, "a damaged copy is fetched anew"
    kept.unlink()
    (stored,) = project.root.glob(f"mlruns/**/records/evidence-{registry.tags(1)['evidence']}.json")
    stored.write_text(stored.read_text().replace("20", "10", 1))
    found = registry.get(1)
    assert (found.evaluation, found.certificate) == (None, None)
    assert found.damage
    kept.unlink(missing_ok=True)
    stored.unlink()
    assert "is gone" in (registry.get(1).damage or "")
    (check, *_) = decide(registry.get(1), None, GateConfig()).checks
    assert not check.passed
    assert check.detail.endswith("re-evaluate: ganlib evaluate 1 --record")


def test_evidence_that_cannot_be_asked_for_is_an_outage(
    registry: Registry, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept,) = project.state.rglob(f"{registry.tags(1)['evidence']}.json")
    kept.unlink()

    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(registry.store.client, "get_logged_model", away)
    with pytest.raises(Unavailable):
        registry.get(1)


def test_versions_of_earlier_releases_have_their_records_in_tags_and_work_as_before(
    project: Project, params: Params, registry: Registry, graphs: list[Path]
) -> None:
    for number, fid in ((1, 20.0), (2, 10.0)):
        version, decision = registry.get(number), registry.decision(number)
        assert version.evaluation
        old = {part: getattr(version, part).model_dump_json() for part in PARTS}
        registry.tag(number, {**old, "gate": decision or "", "fid": f"{fid:.4f}", "kid": "0.100000"})
        for key in ("evidence", "decision"):
            registry.untag(number, key)
        assert registry.get(number).evaluation == version.evaluation
        assert registry.decision(number) == decision
    assert [(row.version, row.gate, row.fid) for row in registry.versions()] == [
        (2, "refused: mode collapse", 10.0),
        (1, "passed", 20.0),
    ]
    assert not promote(project, params, "2").promoted
    assert {each.name for each in diff(project, params, "1", "2").metrics} >= {"fid", "kid"}
    assert explain(project, params, "1").consistent
    factories.registered(registry.store, graphs[2], 5)
    assert promote(project, params, "3").promoted, "a new one is compared with an old one"
    registry.record_evaluation(1, factories.evaluation(19), graphs[0])
    assert not set(PARTS) & registry.tags(1).keys()
    again = registry.get(1)
    assert again.evaluation
    assert (again.evaluation.fid.value, again.certificate is None, again.contract is None) == (19, False, False)


def test_a_copy_that_the_blue_button_made_has_the_evidence_of_the_original(registry: Registry) -> None:
    registry.store.client.copy_model_version(f"models:/{NAME}/1", "another")
    copied = Registry(registry.store, "another").get(1)
    assert copied.evaluation == registry.get(1).evaluation
    assert json.loads(registry.decision(1) or "")["promoted"]
