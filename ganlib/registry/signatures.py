"""Who vouches for the ledger: signatures of its entries, and what this project has seen of it.

Whoever owns the database can write entries, digests and seal anew, and cannot sign them. An entry is chained to all
before it, so that a signature vouches for these as well. What a signature cannot tell is that the newest entries were
taken away: for that, each project remembers the last entry that it has seen.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from ganlib.config.keys import project_keys
from ganlib.core.errors import GanlibError
from ganlib.core.files import write_json
from ganlib.core.keys import KeyRing
from ganlib.core.project import Project
from ganlib.registry.entries import LedgerProblem, Seal, canonical, read
from ganlib.registry.ledger import LedgerSnapshot


def statement(model: str, content: str) -> str:
    """Return what is signed of an entry with ``content`` (JSON): that, and of which model's ledger it is."""
    return f"{model}\n{content}"


def _statement_of(model: str, text: str) -> str:
    """The same, from the entry's text as it is kept: without the signature and the digest, which come after."""
    content = json.loads(text)
    return statement(
        model, canonical({name: value for name, value in content.items() if name not in ("sha256", "signature")})
    )


def all_problems(snapshot: LedgerSnapshot, project: Project, model: str) -> list[LedgerProblem]:
    """Return all that is wrong with the chain of ``model``, by its digests and, where ``project`` has keys, by these.

    If nothing is, its last entry is remembered.

    Raises:
        BadInput: a key cannot be read.
    """
    keys, problems = project_keys(project), snapshot.problems()
    if not keys.public_keys:
        return problems
    memory = LedgerMemory(project.state, model)
    loss = memory.problem(snapshot)
    problems += [*signature_problems(snapshot, keys, model), *([loss] if loss else [])]
    if not problems:
        memory.keep(snapshot)
    return problems


def signed_count(snapshot: LedgerSnapshot, project: Project, model: str) -> int | None:
    """Return how many entries bear a signature that fits; None where ``project`` trusts no key."""
    keys = project_keys(project)
    if not keys.public_keys:
        return None
    pairs = [(text, entry.signature) for text in snapshot.lines.values() if (entry := read(text)) and entry.signature]
    return sum(keys.objection(_statement_of(model, text), signature) is None for text, signature in pairs)


def signature_problems(snapshot: LedgerSnapshot, keys: KeyRing, model: str) -> list[LedgerProblem]:
    """Return the entries for which no key vouches though one should; none where the project trusts no key.

    Entries from before there was a key are vouched for by the first that is signed.
    """
    if not keys.public_keys:
        return []
    void, problems, bare = snapshot.voided, list[LedgerProblem](), list[int]()
    first = last = 0
    for number, text in sorted(snapshot.lines.items()):
        entry = read(text)
        if entry is None or snapshot.key(number) in void:
            continue
        if not entry.signature:
            bare.append(number)
        elif why := keys.objection(_statement_of(model, text), entry.signature):
            problems.append(LedgerProblem(seq=number, what=f"is signed by nobody whom we trust: {why}"))
        else:
            first, last = first or number, number
    problems += [_unsigned(number, first) for number in bare if _should_be(number, first, last, keys)]
    return sorted(problems, key=lambda problem: problem.seq)


def _should_be(number: int, first: int, last: int, keys: KeyRing) -> bool:
    """Whether entry ``number`` should be signed: entries ``first`` to ``last`` are the ends of those that are."""
    return (bool(first) and number > first) or (keys.required and number > last)


def _unsigned(number: int, first: int) -> LedgerProblem:
    why = f"though entry {first} before it is" if first and first < number else "and signing.required says that it must"
    return LedgerProblem(seq=number, what=f"is not signed, {why}: whoever owns the database can have written it")


class LedgerMemory:
    """The last entry of a model's ledger that this project has seen, in its state folder."""

    def __init__(self, state: Path, model: str) -> None:
        """Nothing is read yet."""
        self._file = state / "ledger" / f"{model}.json"

    def problem(self, snapshot: LedgerSnapshot) -> LedgerProblem | None:
        """Return what is wrong if the entry that was seen is not in ``snapshot``; None if it is, or none was seen."""
        if (past := self._read()) is None:
            return None
        entry = read(snapshot.lines.get(past.seq, ""))
        if entry is not None and entry.sha256 == past.sha256:
            return None
        fate = "was replaced" if past.seq in snapshot.lines else "is gone"
        what = f"{fate}, or this is another MLflow: this project has seen it (sha256 {past.sha256}, in {self._file})"
        return LedgerProblem(seq=past.seq, what=what)

    def keep(self, snapshot: LedgerSnapshot) -> None:
        """Remember the last entry of ``snapshot``, unless it contradicts what was seen, or has less."""
        past, entry = self._read(), read(snapshot.lines.get(snapshot.last, ""))
        if entry is None or self.problem(snapshot) or (past and past.seq >= entry.seq):
            return
        with suppress(GanlibError, OSError):  # a state folder that we may only read
            write_json(self._file, Seal(seq=entry.seq, sha256=entry.sha256).model_dump())

    def _read(self) -> Seal | None:
        try:
            return Seal.model_validate_json(self._file.read_bytes())
        except (OSError, ValueError):
            return None
