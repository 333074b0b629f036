"""Who is champion to a consumer, whatever people set in MLflow's page: a real MLflow, aliases set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ganlib.config import Params, load
from ganlib.core.errors import Unavailable
from ganlib.registry.apply import apply_pending
from ganlib.registry.champion import Champion
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote
from ganlib.registry.reconcile import reconcile
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.resolve import resolve_model
from ganlib.tracking.store import Absent, MlflowStore, connect
from tests import factories

NAME = "mnist-generator"


@pytest.fixture(scope="module")
def template(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> MlflowStore:
    store = connect(factories.project(tmp_path_factory.mktemp("registered"), empty_database))
    for number, fid in enumerate((20, 10, 30, 5), 1):
        factories.bare_version(store, number, fid)
    return store


@pytest.fixture
def registry(template: MlflowStore, tmp_path: Path) -> Registry:
    """Versions of FID 20, 10, 30 and 5, and nothing decided."""
    project = factories.project(tmp_path / "project", template.project.root / "mlflow.db")
    return Registry(connect(project), NAME)


@pytest.fixture
def params(registry: Registry) -> Params:
    return load(registry.store.project.params_file)


@pytest.fixture
def accept(registry: Registry) -> Params:
    return load(registry.store.project.params_file, ["registry.external=accept"])


def put(registry: Registry, params: Params, number: int) -> bool:
    state = registry.store.project.state
    return promote(registry, registry.get(number), policy=params.gate, state=state).promoted


def answer(registry: Registry, params: Params) -> None:
    reconcile(
        registry,
        gate=lambda challenger, champion, tried: decide(challenger, champion, params.gate, tried),
        rules=params.registry,
        state=registry.store.project.state,
    )


def chosen(registry: Registry, params: Params) -> int:
    return Champion(registry, params).choose().version.version


def test_an_alias_set_by_hand_on_a_refused_version_is_not_used_at_any_moment_until_policy_says_so(
    registry: Registry, params: Params, accept: Params, caplog: pytest.LogCaptureFixture
) -> None:
    assert put(registry, params, 2)
    assert not put(registry, params, 3)
    registry.set_alias(CHAMPION, 3)
    choice = Champion(registry, params).choose()
    assert choice.version.version == 2
    assert "version 3 was given the alias champion by hand" in choice.note
    assert "the gate refused it (better: FID 30" in choice.note
    assert choice.note.endswith("version 2 is used")
    assert len(choice.note.splitlines()) == 1
    assert resolve_model(registry, params, f"models:/{NAME}@champion").version == 2
    assert choice.note in caplog.messages
    accepted = Champion(registry, accept).choose()
    assert accepted.version.version == 3
    assert "registry.external is accept" in accepted.note
    apply_pending(
        registry, Ledger(registry.store, NAME)
    )  # what `register` does: the fact is in the ledger, the answer is not
    assert Ledger(registry.store, NAME).read().champion_state().champion == 3
    assert chosen(registry, params) == 2
    answer(registry, params)
    assert registry.aliases()[CHAMPION] == 2
    assert Champion(registry, params).choose() == (registry.get(2), "")
    registry.set_alias(CHAMPION, 3)
    answer(registry, accept)
    assert chosen(registry, params) == 3, "what was accepted stands in the ledger"


def test_the_champion_of_another_data_set_is_earned_too_and_that_of_a_stranger_is_its_alias(
    registry: Registry, params: Params
) -> None:
    other = Registry(registry.store, "icons-generator")
    for number, fid in enumerate((10, 90), 1):
        factories.bare_version(registry.store, number, fid, other.name)
    other.set_alias(CHAMPION, 2)
    assert resolve_model(registry, params, f"models:/{other.name}@champion").version == 2, "no ledger, not our data"
    other.drop_alias(CHAMPION)
    assert put(other, params, 1)
    other.set_alias(CHAMPION, 2)
    assert resolve_model(registry, params, f"models:/{other.name}@champion").version == 1


def test_an_alias_set_by_hand_on_a_version_that_the_gate_passes_is_used_before_it_is_recorded(
    registry: Registry, params: Params
) -> None:
    assert put(registry, params, 1)
    registry.set_alias(CHAMPION, 2)  # better, and never put through the gate
    choice = Champion(registry, params).choose()
    assert choice.version.version == 2
    assert "the gate passes it" in choice.note
    answer(registry, params)
    assert Champion(registry, params).choose() == (registry.get(2), "")


def test_without_a_ledger_the_gate_is_asked_about_the_alias_that_somebody_set(
    registry: Registry, params: Params, accept: Params
) -> None:
    registry.set_alias(CHAMPION, 1)
    assert chosen(registry, params) == 1
    registry.tag(1, {"certificate": "none"})
    with pytest.raises(Absent, match=r"version 1 .* has the alias champion, but the gate does not pass it \(evidence"):
        chosen(registry, params)
    assert Champion(registry, accept).choose().version.version == 1


def test_a_promotion_that_was_killed_leaves_the_old_champion_or_the_new_one(
    registry: Registry, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert put(registry, params, 1)
    for stop in ("set_registered_model_alias", "set_registered_model_tag"):
        with monkeypatch.context() as patch:

            def die(*_: Any, **__: Any) -> None:
                raise KeyboardInterrupt

            patch.setattr(registry.store.client, stop, die)
            with pytest.raises(KeyboardInterrupt):
                put(registry, params, 2)
        assert chosen(registry, params) in (1, 2)


def test_a_champion_that_was_deleted_or_lost_its_alias_gives_way_to_the_one_before(
    registry: Registry, params: Params
) -> None:
    assert put(registry, params, 1)
    assert put(registry, params, 2)
    registry.drop_alias(CHAMPION)
    choice = Champion(registry, params).choose()
    assert (choice.version.version, choice.note) == (
        1,
        "the alias was removed: version 1, the champion before, is used",
    )
    answer(registry, params)  # which says the same
    assert chosen(registry, params) == 1
    registry.store.client.delete_model_version(NAME, "1")
    with pytest.raises(Absent, match="has no champion any more"):
        chosen(registry, params)


def test_a_refused_champion_that_was_displaced_is_never_fallen_back_to(registry: Registry, params: Params) -> None:
    assert put(registry, params, 2)
    assert not put(registry, params, 3)
    registry.set_alias(CHAMPION, 3)
    assert put(registry, params, 4)  # over 3, which is noted down as champion
    registry.drop_alias(CHAMPION)
    assert chosen(registry, params) == 2


def test_no_champion_says_which_version_was_refused_and_why_and_what_to_do(registry: Registry, params: Params) -> None:
    with pytest.raises(Absent, match="has no 'champion': see `ganlib registry list`, or train one"):
        chosen(registry, params)
    registry.tag(3, {"evaluation": factories.evaluation(30, class_shares=(0.325, *(0.075,) * 9)).model_dump_json()})
    assert not put(registry, params, 3)
    with pytest.raises(Absent) as caught:
        chosen(registry, params)
    assert str(caught.value) == (
        f"{NAME} has no champion yet: the gate refused version 3 (mode collapse: most frequent class 0 with 32.5% "
        "of the images and 10.0% of the data, times its share 3.25 (limit: at most 3)). Train another, for longer: "
        "ganlib retrain --budget standard; or use it by its number: "
        f"models:/{NAME}/3."
    )


def test_asked_again_the_ledger_is_read_only_when_something_changed(
    registry: Registry, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert put(registry, params, 1)
    watcher, reads = Champion(registry, params), []
    read = Ledger.read
    monkeypatch.setattr(Ledger, "read", lambda self: reads.append(1) or read(self))
    assert [watcher.choose().version.version for _ in range(3)] == [1, 1, 1]
    assert len(reads) == 1
    assert put(registry, params, 2)
    reads.clear()
    assert [watcher.choose().version.version for _ in range(3)] == [2, 2, 2]
    assert len(reads) == 1


def test_a_registry_that_is_away_is_not_taken_for_one_without_a_champion(
    registry: Registry, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert put(registry, params, 1)
    watcher = Champion(registry, params)
    watcher.choose()

    def away(*_: Any, **__: Any) -> Iterator[None]:
        raise ConnectionError

    monkeypatch.setattr(registry.store.client, "get_registered_model", away)
    with pytest.raises(Unavailable):
        watcher.choose()


def test_of_another_registered_model_the_alias_counts(registry: Registry, params: Params) -> None:
    factories.bare_version(registry.store, 1, 99, name="somebody-elses")
    registry.store.client.set_registered_model_alias("somebody-elses", CHAMPION, "1")
    found = resolve_model(registry, params, "models:/somebody-elses@champion")
    assert (found.name, found.version) == ("somebody-elses", 1)
