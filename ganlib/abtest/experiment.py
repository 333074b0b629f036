"""A/B tests of two versions: who gets which by key, what came of it, and whether that settles it.

A test is a folder ``ab/NNNN`` of the state folder: ``test.json``, written whole, and ``outcomes.jsonl``, to which a
line is added for each outcome and none is ever changed. Tests are numbered through; each registered model has one that
runs at most.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from ganlib.abtest.records import Arm, Assignment, RecordedOutcome, Test, TestReport
from ganlib.config import Params
from ganlib.core import wording
from ganlib.core.errors import BadInput
from ganlib.core.files import explained, write_json
from ganlib.core.locks import hold
from ganlib.core.project import Project
from ganlib.registry.entries import stamp
from ganlib.registry.registry import registered_model
from ganlib.registry.resolve import resolve_model
from ganlib.tracking.store import connect

_TEST, _OUTCOMES = "test.json", "outcomes.jsonl"
_LONGEST = 1000  # characters of a key: a line is one write, which readers see whole or not at all


def start(
    project: Project,
    params: Params,
    a: str,
    b: str,
    *,
    share_a: float,
    outcome: str = "binary",
    level: float = 0.05,
    model: str | None = None,
) -> Test:
    """Begin a test of two versions, pinned to what their names stand for now.

    A name that says no registered model is of ``model``, by default that of the project's data.

    Raises:
        BadInput: the model has a test that runs, the two are the same, or a share or level is out of range.
        Unavailable: the registry cannot be reached.
    """
    registry = registered_model(connect(project), params, model)
    arms, models = [], set()
    for reference in (a, b):
        version = resolve_model(registry, params, reference)
        if version.sha256 is None:
            raise BadInput(f"{version.uri} has no sha256 tag: it was not registered by ganlib and is not handed out.")
        arms.append(Arm(version=version.version, sha256=version.sha256))
        models.add(version.name)
    if len(models) > 1:
        raise BadInput(
            f"{a} and {b} are versions of two models, {' and '.join(sorted(models))}: they are not compared."
        )
    if arms[0].sha256 == arms[1].sha256:
        raise BadInput(f"{a} and {b} are the same graph: there is nothing to compare.")
    (name,) = models
    with _lock(project):
        before = current(project, name)
        if before and not before.ended:
            raise BadInput(f"A/B test {before.number} of {name} is running: ganlib ab stop. Nothing was changed.")
        try:
            test = Test.model_validate(
                {
                    "number": next((other.number + 1 for other in _tests(project)), 1), "model": name,
                    "a": arms[0], "b": arms[1], "share_a": share_a, "outcome": outcome, "level": level,
                    "started": _now(),
                }
            )  # fmt: skip
        except ValidationError as error:
            raise wording.refusal(Test, error.errors()[0], "A/B test") from None
        _write(project, test)
    return test


def stop(project: Project, model: str, *, reason: str = "") -> Test:
    """End the running test of the registered model ``model``; its outcomes stay.

    Raises:
        BadInput: none is running.
    """
    with _lock(project):
        test = running(project, model).model_copy(update={"ended": _now(), "reason": reason})
        _write(project, test)
    return test


def current(project: Project, model: str) -> Test | None:
    """Return the latest test of the registered model ``model``, running or ended; None if there was none.

    Raises:
        BadInput: a file is damaged.
    """
    return next((test for test in _tests(project) if test.model == model), None)


def running(project: Project, model: str) -> Test:
    """Return the test of the registered model ``model`` that runs.

    Raises:
        BadInput: none does; those of other models are named.
    """
    test = current(project, model)
    if test is None or test.ended:
        others = sorted({other.model for other in _tests(project) if not other.ended})
        others_text = f" Running are those of other models: --model {', --model '.join(others)}." if others else ""
        raise BadInput(f"no A/B test of {model} is running: ganlib ab start A B --split 90/10.{others_text}")
    return test


def versions(project: Project, model: str) -> tuple[int, ...]:
    """Return the versions in the running test of the registered model ``model``; none if none runs."""
    test = current(project, model)
    return () if test is None or test.ended else (test.a.version, test.b.version)


def assign(project: Project, model: str, key: str) -> Assignment:
    """Return which version of ``model`` makes the item of ``key``: always the same as long as the test runs.

    A loop over many keys asks :func:`running` once and its :meth:`Test.arm_of` for each.

    Raises:
        BadInput: no test is running, or no such key can be.
    """
    test = running(project, model)
    arm = test.arm_of(_key(key))
    return Assignment(
        key=key,
        side=test.side_of(key),
        version=arm.version,
        sha256=arm.sha256,
        uri=f"models:/{test.model}/{arm.version}",
    )


def record(project: Project, model: str, key: str, value: float) -> RecordedOutcome:
    """Add the outcome of ``key`` in the test of ``model``, on disk when this returns; said again, it counts once.

    Raises:
        BadInput: no test is running, the value is none of this test's, or another one is recorded for the key.
        NoSpace: the disk is full; the outcomes before are intact.
    """
    _key(key)
    with _lock(project):
        test = running(project, model)
        if not math.isfinite(value) or (test.outcome == "binary" and value not in (0, 1)):
            values = "0 or 1" if test.outcome == "binary" else "a finite number"
            raise BadInput(f"outcome {value!r} of {key!r} is not {values}. Nothing was recorded.")
        earlier, _ = outcomes(project, test)
        for other in earlier:
            if other.key == key:
                if other.value == value:
                    return other
                raise BadInput(f"the outcome of {key!r} is {other.value:g} already. Nothing was recorded.")
        outcome = RecordedOutcome(key=key, side=test.side_of(key), value=value, time=_now())
        _append(_folder(project, test) / _OUTCOMES, outcome.model_dump_json())
    return outcome


def outcomes(project: Project, test: Test) -> tuple[list[RecordedOutcome], int]:
    """Return all outcomes in order, and how many unfinished lines there are besides."""
    try:
        lines = (_folder(project, test) / _OUTCOMES).read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], 0
    records, torn = [], 0
    for line in filter(None, lines):
        try:
            records.append(RecordedOutcome.model_validate_json(line))
        except ValueError:
            torn += 1
    return records, torn


def report(project: Project, model: str) -> TestReport:
    """Return what the latest test of ``model`` says so far; may be asked at any time, as often as one likes.

    Raises:
        BadInput: there was no test.
    """
    from ganlib.abtest.sequential import compare

    test = current(project, model) or running(project, model)
    records, torn = outcomes(project, test)
    comparison = compare(
        [each.value for each in records],
        [each.side == "b" for each in records],
        kind=test.outcome,
        share_a=test.share_a,
        level=test.level,
    )
    return TestReport(test=test, comparison=comparison.model_dump(mode="json"), torn=torn)


def split(text: str) -> float:
    """Return the share of a in ``90/10`` or ``1/1``.

    Raises:
        BadInput: it is no such pair of positive numbers.
    """
    parts = text.split("/")
    try:
        a, b = (float(part) for part in parts)
    except ValueError:
        a = b = math.nan
    if not (math.isfinite(a) and math.isfinite(b) and a > 0 and b > 0):
        raise BadInput(f"--split {text}: write it as 90/10, both above zero.")
    return a / (a + b)


def _tests(project: Project) -> Iterator[Test]:
    """All tests of all models, the latest first."""
    for path in sorted(_home(project).glob(f"*/{_TEST}"), reverse=True):
        try:
            yield Test.model_validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise BadInput(f"{path} cannot be read or is damaged. Nothing was changed.") from error


def _append(path: Path, line: str) -> None:
    """Add a line and see it to the disk; what a killed writer left unfinished is closed off first."""
    data = f"{line}\n".encode()
    with explained(path, len(data)), path.open("ab+") as stream:
        if stream.tell() > 0:
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                data = b"\n" + data
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _key(key: str) -> str:
    if not key or len(key) > _LONGEST or not key.isprintable():
        raise BadInput(f"a key is 1 to {_LONGEST} printable characters, not {key[:50]!r}.")
    return key


def _write(project: Project, test: Test) -> None:
    write_json(_folder(project, test) / _TEST, test.model_dump(mode="json"))


def _folder(project: Project, test: Test) -> Path:
    return _home(project) / f"{test.number:04d}"


def _home(project: Project) -> Path:
    return project.state / "ab"


def _lock(project: Project) -> AbstractContextManager[None]:
    return hold(project.state / "ab.lock", what="A/B command")


def _now() -> str:
    return stamp(datetime.now(UTC))
