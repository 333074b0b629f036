"""The ledger in MLflow: each entry is a parameter of one run, because MLflow lets a parameter be written only once."""

from __future__ import annotations

import getpass
import os
import re
import socket
from datetime import UTC, datetime

from ganlib.errors import BadInput, GanlibError, Unavailable
from ganlib.registry.ledger import ORIGIN, Book, Decided, Entry, Seal, canonical
from ganlib.tracking.store import Store

TAG = "ganlib.ledger"
"""On the run: the model whose ledger it is. On the registered model: the seal."""

_LIMIT = 6000  # characters in a parameter of MLflow, which cuts longer ones off without a word
_NUMBER = re.compile(r"[0-9]{6,}")


class Ledger:
    """The decisions about the registered model ``model`` in ``store``."""

    def __init__(self, store: Store, model: str) -> None:
        """Nothing is asked of MLflow yet."""
        self.store, self.model = store, model

    @property
    def experiment(self) -> str:
        """Name of the MLflow experiment that holds the ledger's run."""
        return f"{self.model} ledger"

    def read(self) -> Book:
        """All that is stored; an empty book if nothing was ever decided.

        Raises:
            Unavailable: MLflow does not answer. That is never taken for an empty book.
        """
        found = self._run()
        written = found[1] if found else {}
        lines = {int(key): text for key, text in written.items() if _NUMBER.fullmatch(key) and key == _key(int(key))}
        return Book(lines=lines, seal=self._seal())

    def append(self, decided: Decided) -> Entry:
        """Write the next entry. It counts as carried out once :meth:`seal` was called with it.

        Raises:
            BadInput: it is too long, or the ledger was deleted in MLflow. Nothing was written.
            Unavailable: MLflow does not answer, or another machine has just written the entry of this number.
        """
        from mlflow.exceptions import MlflowException

        run_id = self._open()
        entry = self.read().next_entry(decided, datetime.now(UTC))
        text = canonical(entry.model_dump(mode="json"))
        if len(text) > _LIMIT:
            raise BadInput(
                f"the reason is too long: the ledger's entry has {len(text):,} of at most {_LIMIT:,} characters. "
                "Nothing was changed."
            )
        key = _key(entry.seq)
        with self.store.talking():
            try:
                self.store.client.log_param(run_id, key, text)
            except MlflowException as error:
                if error.error_code != "INVALID_PARAMETER_VALUE":
                    raise
                raise Unavailable(
                    f"another machine recorded a decision (entry {entry.seq}) at the same time. "
                    "No alias was changed; try again."
                ) from error
            kept = self.store.client.get_run(run_id).data.params.get(key)
        if kept != text:
            raise GanlibError(
                f"MLflow at {self.store.shown} did not keep entry {entry.seq} whole. No alias was changed."
            )
        return entry

    def seal(self, entry: Entry) -> None:
        """Say that ``entry`` was carried out."""
        self._write_seal(Seal(seq=entry.seq, sha256=entry.sha256))

    def _write_seal(self, seal: Seal) -> None:
        with self.store.talking():
            self.store.client.set_registered_model_tag(self.model, TAG, seal.model_dump_json())

    def _seal(self) -> Seal | None:
        with self.store.talking():
            try:
                text = self.store.client.get_registered_model(self.model).tags.get(TAG)
            except Exception as error:
                if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                    return None
                raise
        try:
            return Seal.model_validate_json(text) if text else None
        except ValueError:  # overwritten by a person
            return None

    def _run(self) -> tuple[str, dict[str, str], bool] | None:
        """Id and parameters of the ledger's run, and whether it still takes entries; None if there is none."""
        from mlflow.entities import ViewType

        with self.store.talking():
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
        return run.info.run_id, dict(run.data.params), active

    def _open(self) -> str:
        """The id of the ledger's run, made if need be. Entries are written only once a seal stands below them."""
        found = self._run()
        if found and not found[2]:
            raise BadInput(
                f"the ledger of {self.model} was deleted in MLflow. Nothing was changed; restore experiment "
                f"{self.experiment!r} and its run {found[0]} there."
            )
        run_id = found[0] if found else self._start()
        if not (found and found[1]) and self._seal() is None:
            self._write_seal(Seal(seq=0, sha256=ORIGIN))
        return run_id

    def _start(self) -> str:
        experiment = self.store.named_experiment(self.experiment)
        with self.store.talking():
            run = self.store.client.create_run(experiment, tags={TAG: self.model}, run_name="ledger")
            self.store.client.set_terminated(run.info.run_id)
        return str(run.info.run_id)


def _key(number: int) -> str:
    return f"{number:06d}"


def who() -> str:
    """The user and host that decide here."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
