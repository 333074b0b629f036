"""The flow `approve`: a form in Prefect's page about a version that passed the gate and awaits a person's approval."""

from __future__ import annotations

from typing import Any, Literal

from prefect import flow, get_run_logger, suspend_flow_run
from prefect.input import RunInput
from prefect.runtime import flow_run
from pydantic import Field

from ganlib.core import project as projects
from ganlib.core.errors import GanlibError
from ganlib.registry.approval import Answer
from ganlib.registry.finding import Finding
from pipelines import artifacts, names, tasks

DOOR = "Prefect's page"
"""How the ledger calls this way to approve."""


class ApprovalForm(RunInput):
    """What a person fills in."""

    approve: Literal["yes", "no"] = Field(description="yes: it becomes the champion; no: it waits no more.")
    name: str = Field(min_length=1, max_length=100, pattern=r"\S", description="Who you are, for the ledger.")
    reason: str = Field("", max_length=500, description="Why, for the ledger.")


@flow(name="approve", flow_run_name=names.naming(lambda parameters: waiting_name(**parameters)))
def approve(model: str, version: int, entry: int) -> dict[str, Any]:
    """Ask a person whether a version becomes the champion; started by itself where one awaits approval.

    The run is suspended until somebody answers, which takes no process. A name that may not approve fails the run, and
    another one asks again.

    Args:
        model: the registered model.
        version: the version that waits.
        entry: the entry of the ledger that says so.

    Raises:
        GanlibError: who answered may not, or the version does not wait any more. The champion is as it was.
    """
    root = str(projects.find().root)
    question = tasks.question(root, [], model, entry)
    if flow_run.run_count < 2:  # the flow runs from its start again when somebody has answered
        artifacts.approval(root, question)
    form = suspend_flow_run(wait_for_input=ApprovalForm.with_initial_data(question["text"]), key="answer")
    reply = Answer(name=form.name.strip(), door=DOOR, approve=form.approve == "yes", reason=form.reason)
    done = tasks.answer(root, [], model, entry, reply.model_dump(mode="json"))
    finding = Finding.model_validate(done)
    if finding.level == "error":
        raise GanlibError(str(finding))
    get_run_logger().info("%s", finding)
    names.rename(f"version {version} of {model}: {'approved' if reply.approve else 'declined'} by {reply.name}")
    return done


def waiting_name(model: str, version: int, entry: int) -> str:
    """Return what a run is called that asks about ``version`` by ``entry`` of the ledger of ``model``."""
    return f"version {version} of {model} awaits approval (entry {entry})"
