"""Who retrains what: a claim before the start, and what came of it, kept in MLflow so that all machines see the same.

A claim is a parameter of one run, because MLflow lets a parameter be written only once: of two machines that claim the
same work at once, one succeeds. What came of it is a tag of that run.
"""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import Field

from ganlib.core import processes
from ganlib.core.errors import BadInput
from ganlib.core.record import Record
from ganlib.tracking import single_run
from ganlib.tracking.store import MlflowStore

ATTEMPTS = 3
"""So often work that was killed, or ended by a service that was away, is begun by itself."""
ClaimState = Literal["done", "failed", "stopped"]
"""``stopped``: for a reason that waiting may mend. What ``failed`` would fail again."""
_TAG = "ganlib.claims"
"""On the run: the registered model whose retrainings are claimed there."""


class WorkClaim(Record):
    """One start of some work: written before it."""

    key: str
    """Digest of what decides the work: equal where it would be the same again."""
    attempt: int
    id: str
    process: dict[str, Any]
    """The :class:`ganlib.core.processes.Identity` of whose it is."""
    time: str
    """UTC, ISO 8601."""
    until: float
    """Unix time by which it must have ended, for machines that cannot see its process."""
    causes: tuple[str, ...]
    facts: dict[str, str] = Field({}, description="what the key is the digest of, for people")

    @property
    def place(self) -> str:
        """Name of its parameter and of its tag."""
        return f"{self.key}.{self.attempt}"


class ClaimOutcome(Record):
    """What came of a claim."""

    state: ClaimState
    time: str
    seconds: float
    detail: str
    """The version that was registered, or why it failed."""


class Standing(NamedTuple):
    """The last claim of a key, as it is now."""

    claim: WorkClaim
    outcome: ClaimOutcome | None
    """None: it has not ended, as far as is known."""

    @property
    def blocks(self) -> str | None:
        """Why the same work is not begun again; None: it may be."""
        claim, outcome = self
        who = f"{claim.process.get('host')}, for {', '.join(claim.causes)}"
        if outcome and outcome.state == "done":
            return f"the same data, settings and code were retrained at {claim.time} ({who}): {outcome.detail}"
        if outcome is None and _alive(claim):
            return f"the same data, settings and code are being retrained since {claim.time} ({who})"
        detail = outcome.detail if outcome else "its process was killed"
        if outcome and outcome.state == "failed":
            return f"the same data, settings and code failed at {claim.time} ({who}): {detail}"
        if claim.attempt >= ATTEMPTS:
            return f"it was begun {claim.attempt} times and did not end, last at {claim.time} ({who}): {detail}"
        return None


class Claims:
    """The claims of the registered model ``model`` in ``store``."""

    def __init__(self, store: MlflowStore, model: str) -> None:
        """Nothing is asked of MLflow yet."""
        self.store, self.model = store, model

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment that holds them."""
        return f"{self.model} retrainings"

    def read(self) -> list[Standing]:
        """Return all claims with what came of them, oldest first; empty if there are none.

        Raises:
            Unavailable: MLflow does not answer. That is never taken for no claims.
        """
        run = self._run()
        if run is None:
            return []
        outcomes = {place: _outcome(text) for place, text in run.data.tags.items() if "." in place}
        claims = [claim for text in run.data.params.values() if (claim := _claim(text))]
        return sorted(
            (Standing(claim, outcomes.get(claim.place)) for claim in claims), key=lambda each: each.claim.time
        )

    def standing(self, key: str) -> Standing | None:
        """Return the last claim of ``key``; None if it was never claimed."""
        return max((each for each in self.read() if each.claim.key == key), key=lambda e: e.claim.attempt, default=None)

    def take(
        self, key: str, causes: tuple[str, ...], facts: dict[str, str], *, seconds: float, insist: bool = False
    ) -> WorkClaim | Standing:
        """Claim ``key``, or return why it is another's or done.

        Args:
            key: of the work.
            causes: why it is begun.
            facts: what the key is the digest of.
            seconds: that it takes at most.
            insist: claim it though it was done, or is being done: a person asks for it.

        Raises:
            Unavailable: MLflow does not answer. Nothing was claimed.
        """
        from mlflow.exceptions import MlflowException

        while True:
            standing = self.standing(key)
            if standing and standing.blocks and not insist:
                return standing
            claim = WorkClaim(
                key=key,
                attempt=standing.claim.attempt + 1 if standing else 1,
                id=uuid.uuid4().hex,
                process=processes.identity()._asdict(),
                time=_now(),
                until=time.time() + seconds,
                causes=causes,
                facts=facts,
            )
            run_id = self._open()
            with self.store.translate_errors():
                try:
                    self.store.client.log_param(run_id, claim.place, claim.model_dump_json())
                except MlflowException as error:
                    if error.error_code != "INVALID_PARAMETER_VALUE" or not self._has(claim.place):
                        raise
                    continue  # somebody else has claimed it in between: look whose it is
            return claim

    def end(self, claim: WorkClaim, state: ClaimState, detail: str, seconds: float) -> None:
        """Record what came of ``claim``."""
        outcome = ClaimOutcome(state=state, time=_now(), seconds=round(seconds, 1), detail=detail[:1000])
        with self.store.translate_errors():
            self.store.client.set_tag(self._open(), claim.place, outcome.model_dump_json())

    def note(self, label: str) -> str | None:
        """Return what was noted under ``label``; None if nothing was."""
        run = self._run()
        return run.data.tags.get(label) if run else None

    def put_note(self, label: str, text: str) -> None:
        """Note ``text`` under ``label``, for all machines to see."""
        with self.store.translate_errors():
            self.store.client.set_tag(self._open(), label, text)

    def _has(self, place: str) -> bool:
        run = self._run()
        return run is not None and place in run.data.params

    def _run(self) -> Any | None:
        """MLflow's run that holds them; None if there is none."""
        with self.store.translate_errors():
            experiment = self.store.client.get_experiment_by_name(self.experiment)
            if experiment is None:
                return None
            runs = self.store.client.search_runs([experiment.experiment_id], f"tags.`{_TAG}` = '{self.model}'")
        return runs[0] if runs else None

    def _open(self) -> str:
        """The id of that run, made if need be."""
        if run := self._run():
            return str(run.info.run_id)
        if run_id := single_run.make(self.store, self.experiment, {_TAG: self.model}, "claims"):
            return run_id
        if run := self._run():
            return str(run.info.run_id)
        raise BadInput(
            f"experiment {self.experiment!r} holds no claims of ours. Nothing was changed; rename it in MLflow, or "
            "restore it."
        )


def _alive(claim: WorkClaim) -> bool:
    """Whether whose claim it is may still be at work."""
    try:
        if processes.elsewhere(claim.process):
            return time.time() < claim.until
        return processes.find(claim.process) is not None
    except (KeyError, TypeError):
        return False


def _claim(text: str) -> WorkClaim | None:
    with suppress(ValueError):  # written by a person
        return WorkClaim.model_validate_json(text)
    return None


def _outcome(text: str) -> ClaimOutcome | None:
    with suppress(ValueError):
        return ClaimOutcome.model_validate_json(text)
    return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
