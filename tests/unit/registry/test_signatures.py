"""Signed entries: an owner of the database cannot write, rewrite or take away history unseen."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ganlib.config.keys import project_keys
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.registry.entries import DecisionRecord, Seal, canonical, digest, read
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.signatures import all_problems, signed_count, statement
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.support.keys import trust, write_key

NAME = "mnist-generator"


def decision(number: int) -> DecisionRecord:
    return DecisionRecord(kind="refused", from_version=None, to_version=number, who="a person", reason="r")


def chain(project: Project, keys: str) -> LedgerSnapshot:
    """A ledger with an entry for each letter: ``u`` unsigned, ``s`` signed with the project's key, ``x`` by another."""
    own = project_keys(project)
    trust(project, key="other.pem")
    signers: dict[str, Callable[[str], str]] = {"u": lambda text: "", "s": own.sign, "x": project_keys(project).sign}
    trust(project, key="key.pem")
    snapshot = LedgerSnapshot(seal=Seal(seq=0, sha256="0" * 64))
    for number, key in enumerate(keys, 1):
        snapshot = with_entry(snapshot, number, signers[key])
    return snapshot


def with_entry(snapshot: LedgerSnapshot, number: int, sign: Callable[[str], str]) -> LedgerSnapshot:
    entry = snapshot.next_entry(decision(number), datetime.now(UTC), lambda text: sign(statement(NAME, text)))
    return snapshot.with_line(number, canonical(entry.model_dump(mode="json")))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = factories.project(tmp_path / "project")
    write_key(project.root)
    write_key(project.root, "other")
    trust(project, key="key.pem")
    return project


@pytest.mark.parametrize(
    ("keys", "required", "bad"),
    [
        ("", True, []),
        ("sss", True, []),
        ("uus", True, []),
        ("uu", False, []),
        ("uu", True, [1, 2]),
        ("usu", False, [3]),
        ("sxs", False, [2]),
        ("susx", True, [2, 4]),
    ],
)
def test_what_no_key_vouches_for_is_named(project: Project, keys: str, required: bool, bad: list[int]) -> None:
    snapshot = chain(project, keys)
    assert snapshot.problems() == [], "by digests alone all is well"
    trust(project, key="key.pem", required=required)
    assert [problem.seq for problem in all_problems(snapshot, project, NAME)] == bad
    assert signed_count(snapshot, project, NAME) == keys.count("s")
    trust(project)
    assert (all_problems(snapshot, project, NAME), signed_count(snapshot, project, NAME)) == ([], None)


def test_an_entry_that_is_rewritten_with_fitting_digests_is_told_by_its_signature(project: Project) -> None:
    snapshot = chain(project, "s")
    content = json.loads(snapshot.lines[1]) | {"reason": "another"}
    content.pop("sha256")
    text = canonical(content | {"sha256": digest(canonical(content))})
    forged = snapshot.with_line(1, text)
    assert forged.problems() == []
    (problem,) = all_problems(forged, project, NAME)
    assert "does not fit it" in problem.what


def test_another_model_s_ledger_is_no_ledger_of_this_one(project: Project) -> None:
    snapshot = chain(project, "ss")
    assert [problem.seq for problem in all_problems(snapshot, project, "another-generator")] == [1, 2]


def test_entries_that_were_seen_and_taken_away_or_replaced_are_told(project: Project) -> None:
    whole = chain(project, "sss")
    assert all_problems(whole, project, NAME) == []
    shorter = whole.until(2)
    (problem,) = all_problems(shorter, project, NAME)
    assert (problem.seq, problem.what.startswith("is gone")) == (3, True)
    (problem,) = all_problems(chain(project, "sss"), project, NAME)  # with other times: signed all the same
    assert (problem.seq, problem.what.startswith("was replaced")) == (3, True)
    assert all_problems(whole, project, NAME) == [], "what contradicts it does not overwrite what was seen"


@pytest.fixture
def ledger(store: MlflowStore) -> Iterator[Ledger]:
    store.client.create_registered_model(NAME)
    write_key(store.project.root)
    trust(store.project, key="key.pem")
    return Ledger(store, NAME)


def test_what_is_decided_is_signed_and_a_database_s_owner_cannot_take_it_away_unseen(ledger: Ledger) -> None:
    project = ledger.store.project
    for number in (1, 2):
        ledger.seal(ledger.append(decision(number), ledger.read()))
    snapshot = ledger.read()
    assert all_problems(snapshot, project, NAME) == []
    assert signed_count(snapshot, project, NAME) == 2
    first = read(snapshot.lines[1])
    assert first
    with closing(sqlite3.connect(project.root / "mlflow.db")) as database, database:
        assert database.execute("DELETE FROM params WHERE key = '000002'").rowcount == 1
        seal = Seal(seq=1, sha256=first.sha256).model_dump_json()
        assert database.execute("UPDATE registered_model_tags SET value = ?", (seal,)).rowcount == 1
    taken = Ledger(connect(project), NAME).read()
    assert taken.problems() == []
    assert [problem.seq for problem in all_problems(taken, project, NAME)] == [2]


def test_where_entries_must_be_signed_and_there_is_no_key_nothing_is_decided(ledger: Ledger) -> None:
    trust(ledger.store.project, public=("key.pub",), required=True)
    with pytest.raises(BadInput, match=r"signing.key names no key .* Nothing was changed"):
        ledger.append(decision(1), ledger.read())
    assert ledger.read().lines == {}
