"""What `ganlib generate` leaves in MLflow of a batch of a registered version: who made how many images, its cost."""

from __future__ import annotations

from datetime import datetime

from ganlib.config import Params
from ganlib.core.errors import GanlibError
from ganlib.core.events import Remark
from ganlib.core.progress import Report
from ganlib.core.project import Project
from ganlib.generation.batch.card import CallRecord
from ganlib.registry.version import Version
from ganlib.tracking import batch_runs
from ganlib.tracking.store import connect


def write_down(
    project: Project,
    params: Params,
    version: Version,
    place: str,
    digest: str | None,
    drifts: bool | None,
    call: CallRecord,
    report: Report,
) -> None:
    """Make the call a run in MLflow. That it cannot be one takes nothing from the images, and is said."""
    row = batch_runs.BatchCall(
        place=place,
        model=version.name,
        version=version.version,
        family=version.family,
        digest=digest,
        images=call.images,
        drifts=drifts,
        cost=call.cost,
        start=datetime.fromisoformat(call.began),
    )
    try:
        batch_runs.record(connect(project), row, params.costs)
    except GanlibError as error:
        report.event(Remark("generate", {"note": f"what it cost is in its card alone, not in MLflow: {error}"}))
