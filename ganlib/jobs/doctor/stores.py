"""Stores behind a URL that the project writes to: artifacts, batches, and the inbox."""

from __future__ import annotations

from collections.abc import Iterator

from ganlib import config
from ganlib.config import Params
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.object_store import ObjectStore
from ganlib.generation.storage import is_url
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding

_SUBJECT = "stores"


def stores(context: HealthContext) -> Iterator[HealthFinding]:
    """Write an object into each and remove it again."""
    try:
        places = _places(config.load(context.project.params_file))
    except BadInput:  # the check of params.yaml says why
        yield HealthFinding(subject=_SUBJECT, state="remark", words="params.yaml does not say which there are")
        return
    if not places:
        yield HealthFinding(subject=_SUBJECT, state="ok", words="none is set: all is kept in folders")
    for url, key in places.items():
        try:
            ObjectStore(url).require_writable()
        except GanlibError as error:
            yield HealthFinding(subject=_SUBJECT, state="problem", words=str(error), cure=f"{key}, or its credentials")
        else:
            yield HealthFinding(subject=_SUBJECT, state="ok", words=f"{url} may be written and cleared")


def _places(params: Params) -> dict[str, str]:
    """URLs, and the keys of params.yaml that name them. Artifacts are the server's where MLflow is a team's."""
    services = params.services
    places = {url: "services.outputs" for url in services.outputs if is_url(url)}
    if services.artifacts and is_url(services.artifacts) and not services.mlflow:
        places[services.artifacts] = "services.artifacts"
    if params.triggers.inbox and is_url(params.triggers.inbox):
        places[params.triggers.inbox] = "triggers.inbox"
    return places
