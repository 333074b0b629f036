"""``ganlib notify``."""

from __future__ import annotations

from typing import Annotated

import typer

from ganlib.cli.app import open_project, show
from ganlib.cli.options import Json, Set
from ganlib.core.errors import BadInput


def notify(
    skip: Annotated[
        bool, typer.Option("--skip", help="Count all decisions until now as heard, and send none of them.")
    ] = False,
    new_secret: Annotated[
        bool, typer.Option("--new-secret", help="Print a new secret for signatures, and do nothing else.")
    ] = False,
    overrides: Set = None,
    as_json: Json = False,
) -> None:
    """Send the decisions of the ledgers that services.webhook has not heard yet, signed; `make up` does it by itself.

    Also what drifts, that a retraining of the schedule is late, and runs of flows that failed, each once.

    Exit code 75 if the receiver did not take all: they are sent the next time.
    """
    if new_secret:
        if skip:
            raise BadInput("--new-secret only prints a secret: say --skip in a command of its own.")
        from ganlib.registry.notice import new_secret as make

        secret = make()
        show({"secret": secret}, as_json=as_json, text=lambda: secret)
        return
    project, params = open_project(overrides)
    from ganlib.jobs.promotion.notify import notify as job
    from ganlib.jobs.promotion.notify import webhook
    from ganlib.jobs.triggers.alarm import tell_all

    receiver = webhook(params)
    done = job(project, receiver, skip=skip)
    fault = None if skip else tell_all(project, params, receiver)
    show(done, as_json=as_json, text=done.summary)
    raise typer.Exit(75 if done.fault or fault else 0)
