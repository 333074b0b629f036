"""Tell a receiver what the ledgers say: each entry once, in order, also after hours without one."""

from __future__ import annotations

from ganlib.config import Params
from ganlib.core import locks
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.registry.entries import LedgerEntry
from ganlib.registry.mlflow_ledger import Ledger, models_with_ledger
from ganlib.registry.notice import Receiver, Webhook, of_entry
from ganlib.tracking.store import connect


class Notification(Record):
    """What a receiver was told, and what waits."""

    receiver: str
    """What people call it."""
    sent: int = 0
    waiting: int = 0
    """Entries that are sent again the next time, with the same id."""
    fault: str | None = None
    """Why they wait."""

    def summary(self) -> str:
        """Return one line for people."""
        line = f"{self.receiver}: entries sent: {self.sent}"
        return f"{line}; waiting: {self.waiting}, as it did not take them ({self.fault})" if self.fault else line


def webhook(params: Params) -> Webhook:
    """Return the webhook that ``params`` name.

    Raises:
        BadInput: they name none, or there is no secret to sign with. Nothing was sent.
    """
    if params.services.webhook is None:
        raise BadInput("services.webhook is not set in params.yaml: there is nobody to tell. Nothing was sent.")
    return Webhook(params.services.webhook)


def notify(project: Project, receiver: Receiver, *, skip: bool = False) -> Notification:
    """Tell ``receiver`` what it has not heard yet of the ledgers of all registered models, oldest first.

    What was heard is kept in MLflow beside the ledger, after each message: of a process that is killed between a
    message and that note, the message comes a second time, under the same id.

    Args:
        project: whose MLflow it is.
        receiver: who is told.
        skip: count all entries until now as heard, and send none.

    Raises:
        Unavailable: MLflow does not answer, or another process of this machine sends.
    """
    store, sent, waiting, fault = connect(project), 0, 0, None
    with locks.hold(project.state / "notify.lock", what="`ganlib notify`"):
        for model in models_with_ledger(store):
            ledger = Ledger(store, model)
            news = _news(ledger, receiver.key)
            if skip and news:
                ledger.commit_offset(receiver.key, news[-1].seq)
                continue
            for number, entry in enumerate(news):
                if problem := receiver.send(of_entry(model, entry)):
                    waiting, fault = waiting + len(news) - number, problem
                    break
                ledger.commit_offset(receiver.key, entry.seq)
                sent += 1
    return Notification(receiver=receiver.name, sent=sent, waiting=waiting, fault=fault)


def _news(ledger: Ledger, receiver: str) -> list[LedgerEntry]:
    """The entries whose decisions were carried out and that the receiver has not heard of."""
    snapshot, offset = ledger.read().sealed(), ledger.offset(receiver)
    return [entry for entry in snapshot.valid() if entry.seq > offset]
