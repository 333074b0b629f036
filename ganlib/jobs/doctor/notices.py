"""Who is told what happened: whether the webhook and Prefect's blocks can be."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ganlib import config
from ganlib.core.errors import BadInput, Unavailable
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding
from ganlib.jobs.prefect_server import server_of
from ganlib.registry import notice

_SUBJECT = "notices"


def notices(context: HealthContext) -> Iterator[HealthFinding]:
    """Look whether the webhook answers and there is a secret to sign with, and whether Prefect has the blocks."""
    try:
        settings = config.servers(context.project)
    except BadInput:  # the check of params.yaml says why
        yield HealthFinding(subject=_SUBJECT, state="remark", words="params.yaml does not say who is told")
        return
    if settings.webhook:
        yield _webhook(settings.webhook)
    if settings.notify_blocks:
        yield _blocks(context, settings.notify_blocks)
    if not settings.receivers:
        yield HealthFinding(subject=_SUBJECT, state="ok", words="nobody is told: services.webhook, notify_blocks")


def _webhook(url: str) -> HealthFinding:
    """Ask it for its headers alone: whatever it answers to that, it is there. Nothing is told."""
    import requests

    host = urlsplit(url).hostname
    try:
        notice.key()
        status = requests.head(url, timeout=10, allow_redirects=False).status_code
    except BadInput as error:
        return HealthFinding(subject=_SUBJECT, state="problem", words=str(error), cure=f"export {notice.SECRET}_FILE")
    except requests.RequestException as error:
        words, cure = f"{host} does not answer ({type(error).__name__})", "services.webhook; what waits is kept"
        return HealthFinding(subject=_SUBJECT, state="problem", words=words, cure=cure)
    words = f"{host} is there (it answers {status}), and messages can be signed"
    return HealthFinding(subject=_SUBJECT, state="ok", words=words)


def _blocks(context: HealthContext, names: tuple[str, ...]) -> HealthFinding:
    server = server_of(context.project)
    if server is None:
        words = f"no Prefect server is up that would have {', '.join(names)}"
        return HealthFinding(subject=_SUBJECT, state="remark", words=words, cure="make up")
    try:
        rows = list(server.rows("block_documents", {}))
    except Unavailable as error:
        words = f"Prefect's blocks cannot be looked at: {error}"
        return HealthFinding(subject=_SUBJECT, state="remark", words=words)
    blocks = {f"{row['block_type']['slug']}/{row['name']}" for row in rows if row.get("block_type")}
    if absent := [name for name in names if name not in blocks]:
        words = f"services.notify_blocks names what Prefect has not: {', '.join(absent)}"
        return HealthFinding(
            subject=_SUBJECT, state="problem", words=words, cure="make it in Prefect's page: Blocks, +"
        )
    return HealthFinding(subject=_SUBJECT, state="ok", words=f"Prefect has {', '.join(names)}")
