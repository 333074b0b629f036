"""Tell a webhook what the ledgers say: each entry once, in order, also after hours without a receiver."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

from ganlib.config import Params
from ganlib.core import locks
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.registry import notice
from ganlib.registry.entries import LedgerEntry
from ganlib.registry.mlflow_ledger import Ledger, models_with_ledger
from ganlib.tracking.store import connect


class Notification(Record):
    """What a webhook was told, and what waits."""

    receiver: str
    """Its host: the rest of the URL may hold a key."""
    sent: int = 0
    waiting: int = 0
    """Entries that are sent again the next time, with the same id."""
    fault: str | None = None
    """Why they wait."""

    def summary(self) -> str:
        """Return one line for people."""
        line = f"{self.receiver}: entries sent: {self.sent}"
        return f"{line}; waiting: {self.waiting}, as it did not take them ({self.fault})" if self.fault else line


def notify(project: Project, params: Params, *, skip: bool = False) -> Notification:
    """Send what ``services.webhook`` has not heard yet of the ledgers of all registered models, oldest first.

    What was heard is kept in MLflow beside the ledger, after each message: of a process that is killed between a
    message and that note, the message comes a second time, with the same ``webhook-id``.

    Args:
        project: whose MLflow it is.
        params: names the webhook.
        skip: count all entries until now as heard, and send none.

    Raises:
        BadInput: no webhook is set, or there is no secret. Nothing was sent.
        Unavailable: MLflow does not answer, or another process of this machine sends.
    """
    url = params.services.webhook
    if url is None:
        raise BadInput("services.webhook is not set in params.yaml: there is nobody to tell. Nothing was sent.")
    secret, name = notice.key(), sha256_bytes(url.encode())[:16]
    store, sent, waiting, fault = connect(project), 0, 0, None
    with locks.hold(project.state / "notify.lock", what="`ganlib notify`"):
        for model in models_with_ledger(store):
            ledger = Ledger(store, model)
            news = _news(ledger, name)
            if skip and news:
                ledger.commit_offset(name, news[-1].seq)
                continue
            for number, entry in enumerate(news):
                content = notice.body(model, entry)
                problem = notice.post(url, content, notice.headers(entry.sha256, int(time.time()), content, secret))
                if problem:
                    waiting, fault = waiting + len(news) - number, problem
                    break
                ledger.commit_offset(name, entry.seq)
                sent += 1
    return Notification(receiver=urlsplit(url).hostname or url, sent=sent, waiting=waiting, fault=fault)


def _news(ledger: Ledger, webhook: str) -> list[LedgerEntry]:
    """The entries whose decisions were carried out and that the webhook has not heard of."""
    snapshot, offset = ledger.read().sealed(), ledger.offset(webhook)
    return [entry for entry in snapshot.valid() if entry.seq > offset]
