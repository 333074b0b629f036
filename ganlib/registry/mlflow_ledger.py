"""The ledger in MLflow: each entry is a parameter of one run, because MLflow lets a parameter be written only once."""

from __future__ import annotations

import socket
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ganlib.config.keys import project_keys
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.registry.entries import (
    GENESIS,
    DecisionRecord,
    LedgerEntry,
    MoveIntent,
    Seal,
    canonical,
    digest,
    stamp,
)
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.signatures import LedgerMemory, statement
from ganlib.tracking import single_run
from ganlib.tracking.login import login
from ganlib.tracking.store import Absent, MlflowStore

TAG = "ganlib.ledger"
"""On the run: the model whose ledger it is. On the registered model: the seal."""

MOVING = "ganlib.moving."
"""Begins the tags of the ledger's run that say who moves aliases now (:class:`ganlib.registry.entries.MoveIntent`)."""

NOTICES = "ganlib.notices."
"""Begins the tags of the ledger's run that say up to which entry a webhook has heard, by the digest of its URL."""

_LIMIT = 6000  # characters in a parameter of MLflow, which cuts longer ones off without a word


def models_with_ledger(store: MlflowStore) -> list[str]:
    """Return the names of the registered models about which something was decided, whether or not versions are left.

    Raises:
        Unavailable: MLflow does not answer.
    """
    with store.translate_errors():
        models = store.client.search_registered_models(max_results=1000)
    return [model.name for model in models if TAG in model.tags]


class _Run(NamedTuple):
    """The ledger's run as it is stored."""

    id: str
    params: dict[str, str]
    tags: dict[str, str]
    active: bool
    """Whether it still takes entries."""


class Ledger:
    """The decisions about the registered model ``model`` in ``store``."""

    def __init__(self, store: MlflowStore, model: str) -> None:
        """Nothing is asked of MLflow yet."""
        self.store, self.model = store, model
        self._run_id: str | None = None

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment that holds the ledger's run."""
        return f"{self.model} ledger"

    def read(self) -> LedgerSnapshot:
        """Return all that is stored; an empty ledger if nothing was ever decided.

        Raises:
            Unavailable: MLflow does not answer. That is never taken for an empty ledger.
        """
        seal = self._seal()  # first: it may be older than the entries, and never newer
        run = self._current()
        return LedgerSnapshot.of(run.params, seal, _intents(run.tags)) if run else LedgerSnapshot(seal=seal)

    def append(self, decision: DecisionRecord, snapshot: LedgerSnapshot) -> LedgerEntry:
        """Write the entry after the last of ``snapshot``, which the decision was made from.

        It counts as carried out once :meth:`seal` was called with it.

        Raises:
            BadInput: it is too long, it cannot be signed though it must be, or the ledger was deleted in MLflow.
                Nothing was written.
            Unavailable: MLflow does not answer, or somebody else has decided since. Nothing was written, or what
                was is carried out by the next command.
        """
        from mlflow.exceptions import MlflowException

        decision = decision.model_copy(update={"lock": lock_name(self.store.project.state)})
        keys = project_keys(self.store.project)
        if keys.required and keys.private_file is None:
            raise BadInput(
                "signing.required asks for signed entries of the ledger, and signing.key names no key to sign this one "
                "with. Nothing was changed."
            )
        entry = snapshot.next_entry(
            decision, datetime.now(UTC), lambda content: keys.sign(statement(self.model, content))
        )
        text, key = canonical(entry.model_dump(mode="json")), snapshot.free_key
        if len(text) > _LIMIT:
            raise BadInput(
                f"the reason is too long: the ledger's entry has {len(text):,} of at most {_LIMIT:,} characters. "
                "Nothing was changed."
            )
        run_id = self._open()
        if snapshot.seal is None and snapshot.lines:  # lost with the registered model: nothing from before is done
            self._write_seal(Seal(seq=snapshot.last, sha256=entry.previous_sha256))
        with self.store.translate_errors():
            try:
                self.store.client.log_param(run_id, key, text)
            except MlflowException as error:
                if error.error_code != "INVALID_PARAMETER_VALUE":
                    raise
                raise _overtaken(entry.seq) from error
            value = self.store.client.get_run(run_id).data.params.get(key)
        if value != text:
            raise GanlibError(
                f"MLflow at {self.store.display_uri} did not keep entry {entry.seq} whole. No alias was changed."
            )
        if keys.public_keys:
            LedgerMemory(self.store.project.state, self.model).keep(snapshot.with_line(entry.seq, text))
        return entry

    def announce(self, seq: int) -> MoveIntent:
        """Say that aliases are being moved as the ledger says up to entry ``seq``, until :meth:`withdraw`.

        Raises:
            Unavailable: MLflow does not answer.
        """
        intent = MoveIntent(id=uuid.uuid4().hex[:12], seq=seq, time=stamp(datetime.now(UTC)))
        run = self._current()
        if run is None:
            raise _overtaken(seq)
        with self.store.translate_errors():
            self.store.client.set_tag(run.id, MOVING + intent.id, intent.model_dump_json())
        return intent

    def withdraw(self, intent: MoveIntent) -> None:
        """Say that no write of ``intent`` is to come any more."""
        run = self._current()
        if run and MOVING + intent.id in run.tags:
            with self.store.translate_errors():
                self.store.client.delete_tag(run.id, MOVING + intent.id)

    def offset(self, webhook: str) -> int:
        """Return the number of the last entry that ``webhook``, the digest of its URL, was told of; 0 if of none."""
        run = self._current()
        text = run.tags.get(NOTICES + webhook, "") if run else ""
        return int(text) if text.isdecimal() else 0

    def commit_offset(self, webhook: str, seq: int) -> None:
        """Keep that ``webhook`` was told of entry ``seq`` and those before it."""
        if run := self._current():
            with self.store.translate_errors():
                self.store.client.set_tag(run.id, NOTICES + webhook, str(seq))

    def seal(self, entry: LedgerEntry) -> None:
        """Say that ``entry`` was carried out, unless a later one was."""
        if (seal := self._seal()) is None or seal.seq < entry.seq:
            self._write_seal(Seal(seq=entry.seq, sha256=entry.sha256))

    def _write_seal(self, seal: Seal) -> None:
        with self.store.translate_errors():
            self.store.client.set_registered_model_tag(self.model, TAG, seal.model_dump_json())

    def _seal(self) -> Seal | None:
        try:
            with self.store.translate_errors():
                text = self.store.client.get_registered_model(self.model).tags.get(TAG)
        except Absent:
            return None
        try:
            return Seal.model_validate_json(text) if text else None
        except ValueError:  # overwritten by a person
            return None

    def _current(self) -> _Run | None:
        """The ledger's run as it is now; None if there is none."""
        return self._again() or self._run()

    def _again(self) -> _Run | None:
        """The run that was found before, as it is now; None if none was, or it is gone."""
        if self._run_id is None:
            return None
        with suppress(Absent), self.store.translate_errors():
            run = self.store.client.get_run(self._run_id)
            return _Run(run.info.run_id, dict(run.data.params), dict(run.data.tags), active=False)
        return None

    def _run(self) -> _Run | None:
        """The ledger's run; None if there is none."""
        from mlflow.entities import ViewType

        with self.store.translate_errors():
            experiment = self.store.client.get_experiment_by_name(self.experiment)
            if experiment is None:
                return None
            runs = self.store.client.search_runs(
                [experiment.experiment_id],
                f"tags.`{TAG}` = '{self.model}'",
                run_view_type=ViewType.ALL,
                order_by=["attributes.start_time ASC"],
                max_results=1,
            )
        if not runs:
            return None
        (run,) = runs
        active = "active" == experiment.lifecycle_stage == run.info.lifecycle_stage
        self._run_id = run.info.run_id
        return _Run(run.info.run_id, dict(run.data.params), dict(run.data.tags), active)

    def _open(self) -> str:
        """The id of the ledger's run, made if need be. Entries are written only once a seal stands below them."""
        run = self._run()
        if run and not run.active:
            raise BadInput(
                f"the ledger of {self.model} was deleted in MLflow. Nothing was changed; restore experiment "
                f"{self.experiment!r} and its run {run.id} there."
            )
        run_id = run.id if run else self._start()
        if not (run and run.params) and self._seal() is None:
            self._write_seal(Seal(seq=0, sha256=GENESIS))
        return run_id

    def _start(self) -> str:
        """Make experiment and run: of several machines, one succeeds.

        Raises:
            Unavailable: another machine did.
        """
        client = self.store.client
        with self.store.translate_errors():
            existing = client.get_experiment_by_name(self.experiment)
            if existing and existing.lifecycle_stage == "active" and not client.search_runs([existing.experiment_id]):
                # An earlier ganlib was killed between experiment and run.
                client.rename_experiment(existing.experiment_id, f"{self.experiment} {uuid.uuid4().hex[:8]} (empty)")
        if existing and client.get_experiment_by_name(self.experiment):
            raise BadInput(
                f"experiment {self.experiment!r} holds no ledger of ours. Nothing was changed; rename it in MLflow, or "
                "restore it."
            )
        run_id = single_run.make(self.store, self.experiment, {TAG: self.model}, "ledger")
        if run_id is None:
            raise _overtaken(1)
        return run_id


def _intents(tags: dict[str, str]) -> list[MoveIntent]:
    intents = []
    for key, text in tags.items():
        if key.startswith(MOVING):
            with suppress(ValueError):  # written by a person
                intents.append(MoveIntent.model_validate_json(text))
    return [intent for intent in intents if MOVING + intent.id in tags]


def _overtaken(number: int) -> Unavailable:
    return Unavailable(
        f"somebody else has recorded a decision meanwhile (entry {number}). Nothing was moved; run the same command "
        "again: it decides against what is champion then."
    )


def current_actor() -> str:
    """Return the user, as MLflow knows them, and the host that decide here."""
    return f"{login()}@{socket.gethostname()}"


def under_lock_of(state: Path, entry: LedgerEntry) -> bool:
    """Return whether ``entry`` was decided under the promotion lock in ``state``, or names none, as old entries do."""
    return entry.lock in ("", lock_name(state))


def lock_name(state: Path) -> str:
    """Return what tells the promotion lock in ``state`` from that of any other folder or machine."""
    state.mkdir(parents=True, exist_ok=True)
    status = state.stat()
    return digest(f"{socket.gethostname()}:{status.st_dev}:{status.st_ino}:{state.resolve()}")[:16]
