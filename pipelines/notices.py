"""Who is told decisions, failures, drift and lateness while `make up` runs: the webhook, and blocks of Prefect."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import prefect.blocks.notifications  # noqa: F401  (their types are known only once they are imported)
from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block

from ganlib.config import Params
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.project import Project
from ganlib.jobs.promotion.notify import notify, webhook
from ganlib.jobs.triggers import alarm
from ganlib.jobs.triggers.look import situation
from ganlib.jobs.triggers.situation import Situation
from ganlib.registry.notice import Message, Receiver, receiver_key
from pipelines.outages import OutageLog


class PrefectBlock:
    """A block for notifications that somebody made in Prefect's page: Slack, Teams, mail, a webhook of any form."""

    def __init__(self, name: str) -> None:
        """``name`` is the block's type and its own name, as in "slack-webhook/team".

        Raises:
            BadInput: there is none of that name, or it notifies nobody.
        """
        self.name = name
        try:
            block: Any = Block.load(name)
        except ValueError as error:
            raise BadInput(
                f"services.notify_blocks: Prefect has no block {name}. Make it in its page: Blocks, +. Nobody was told "
                "by it, and who made it later hears of everything."
            ) from error
        if not isinstance(block, NotificationBlock):
            raise BadInput(f"services.notify_blocks: {name} is no block that notifies anybody.")
        self._block: Any = block  # typed, its methods would be of two worlds, with await and without

    @property
    def key(self) -> str:
        """See :class:`ganlib.registry.notice.Receiver`."""
        return receiver_key(self.name)

    def send(self, message: Message) -> str | None:
        """See :class:`ganlib.registry.notice.Receiver`."""
        try:
            with self._block.raise_on_failure():
                self._block.notify(message.text, message.subject)
        except Exception as error:  # whatever the library of a messenger raises; its text may hold a key
            return type(error).__name__
        return None


class NoticeWatch:
    """Tells each receiver what it has not heard. One that is away hinders no other.

    That it is away is a line in the log, and that it is back another.
    """

    def __init__(self, project: Project, say: Callable[[str], object]) -> None:
        """``say`` writes a line to the log."""
        self._project, self._outages = project, OutageLog(say)

    def look(self, params: Params) -> None:
        """Tell decisions, and runs of flows that failed."""
        if not params.services.receivers:
            return
        state = situation(self._project, params)
        self._tell(
            "notices",
            params,
            lambda receiver: notify(self._project, receiver).fault or alarm.tell_failures(state, receiver),
        )

    def alarm(self, state: Situation, messages: Iterable[Message]) -> None:
        """Tell ``messages`` about the state of things."""
        for message in messages:
            self._tell(message.type, state.params, partial(alarm.tell, state, message))

    def _tell(self, what: str, params: Params, tell: Callable[[Receiver], str | None]) -> None:
        for name, address in params.services.receivers.items():
            try:
                fault = tell(_receiver(params, address))
            except GanlibError as error:
                fault = str(error)
            except Exception as error:  # whatever it is, the next time may succeed
                fault = type(error).__name__
            self._outages.look(f"{what} to {name}", fault)


def _receiver(params: Params, address: str) -> Receiver:
    """The one at ``address`` of ``services.receivers``."""
    return webhook(params) if address == params.services.webhook else PrefectBlock(address)
