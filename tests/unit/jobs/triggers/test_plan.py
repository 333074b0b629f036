"""What would be retrained, without doing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib import config
from ganlib.jobs.triggers.look import parse
from ganlib.jobs.triggers.plan import facts_of, key_of, plan
from ganlib.registry.registry import Registry
from ganlib.tracking.claims import Claims, WorkClaim
from tests.conftest import ROOT
from tests.unit.jobs.triggers.conftest import MD5, at, pin, settings


def test_a_plan_names_causes_families_budget_and_time_and_changes_nothing(champion: Registry) -> None:
    store = champion.store
    pin(store, "e" * 32 + ".dir")
    before = {path: path.read_bytes() for path in store.project.root.rglob("*") if path.is_file()}
    made = plan(
        store.project, settings(["data"]), families=["dcgan", "vae"], budget="demo", state=at(store, settings(["data"]))
    )
    assert {path: path.read_bytes() for path in before} == before
    assert made.due
    assert [(each.family, each.seconds, each.runs) for each in made.families] == [("dcgan", 190, 0), ("vae", 40, 0)]
    assert (made.seconds, made.machine_seconds, made.at_most_seconds) == (190, 230, 585)
    assert made.summary.splitlines()[0].startswith("cause    data: no version was trained on data version eeee")
    elsewhere = made.model_copy(update={"inbox_owner": "gpu1:/srv/icons"}).summary.splitlines()
    assert elsewhere[1] == "inbox    its images are taken by the checkout gpu1:/srv/icons"
    assert "train    dcgan (about 3 min, its limit), vae (about 40 s, its limit); budget demo" in made.summary


def test_without_a_cause_or_after_the_same_was_done_there_is_nothing_to_do(champion: Registry) -> None:
    store, params = champion.store, settings([])
    assert plan(store.project, params).why_not == "there is no cause to retrain"
    claims, names = Claims(store, champion.name), params.train.families
    claim = claims.take(
        key_of(params, names, "standard", MD5), ("age",), facts_of(params, names, "standard", MD5), seconds=9
    )
    assert isinstance(claim, WorkClaim)
    others = parse(["drift"])
    assert "are being retrained" in (plan(store.project, params, others=others).why_not or "")
    claims.end(claim, "done", "version 2 promoted", 600)
    made = plan(store.project, params, others=others)
    assert made.summary.splitlines()[-1].endswith(": version 2 promoted")
    other = plan(store.project, params, families=["ae"], others=others)
    assert other.due, "other families are other work"
    assert plan(store.project, settings([], max_age_days=3), others=others).key == made.key, "triggers make no model"


def test_how_long_it_takes_is_what_the_same_took_before(champion: Registry) -> None:
    store, params = champion.store, settings([])
    claims, names = Claims(store, champion.name), params.train.families
    for seconds in (500.0, 700.0, 600.0):
        claim = claims.take(f"{seconds}", ("age",), facts_of(params, names, "standard", "x"), seconds=9)
        assert isinstance(claim, WorkClaim)
        claims.end(claim, "done", "version 2 promoted", seconds)
    assert plan(store.project, params, others=parse(["age"])).seconds == 600


@pytest.mark.parametrize("change", ["train.seed=7", "families.vae={latent_dim: 8}", "gate.level=0.01"])
def test_what_decides_a_retraining_is_in_its_key(change: str, champion: Registry) -> None:
    def key(overrides: list[str]) -> str:
        params = config.load(Path(ROOT / "params.yaml"), overrides)
        return key_of(params, ["vae"], "demo", MD5)

    assert key([change]) != key([]) == key(["serve.port=1", "triggers.min_images=7"])
