"""The data and the servers of a project."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.core import processes
from ganlib.core.errors import BadInput, GanlibError
from ganlib.jobs.doctor import prefect_runs
from ganlib.jobs.doctor.finding import HealthContext, HealthFinding
from ganlib.jobs.prefect_server import PrefectServer, server_of

if TYPE_CHECKING:
    from ganlib.config import ServicesConfig
    from ganlib.tracking.store import MlflowStore

_FAR_SECONDS = 60
_SLOW_SECONDS = 2.0


def configuration(context: HealthContext) -> Iterator[HealthFinding]:
    """Read params.yaml with what the environment says over it."""
    from ganlib.config import load

    try:
        params = load(context.project.params_file)
    except BadInput as error:
        yield HealthFinding(subject="params.yaml", state="problem", words=str(error), cure="mend the key that is named")
        return
    yield HealthFinding(
        subject="params.yaml",
        state="ok",
        words=f"registered model {params.registry.model}, budget {params.train.budget}",
    )


def data(context: HealthContext) -> Iterator[HealthFinding]:
    """Hash the data, DVC's cache and a remote on this machine; bring back what is damaged, if asked."""
    from ganlib.jobs.data import version_data

    project = context.project
    try:
        version = version_data.verify_data(project)
    except GanlibError as error:
        if not context.fix:
            yield HealthFinding(subject="data", state="problem", words=str(error), cure="ganlib data version")
            return
        version = version_data.version_data(project)
        words = f"{error} Now it is version {version.md5[:12]} of {version.spec.name}"
        yield HealthFinding(subject="data", state="problem", words=words, cure="ganlib data version", cured=True)
        return
    counts = ", ".join(f"{count:,} {split}" for split, count in version.counts.items())
    yield HealthFinding(
        subject="data", state="ok", words=f"version {version.md5[:12]} of {version.spec.name}, whole: {counts}"
    )


def mlflow(context: HealthContext) -> Iterator[HealthFinding]:
    """Ask MLflow, for how long it takes; look for killed runs and for the champion's file."""
    from ganlib.tracking.store import connect

    elsewhere = os.environ.get("MLFLOW_TRACKING_URI") or _configured(context).mlflow or _recorded(context, "mlflow")
    if not elsewhere and not (context.project.root / "mlflow.db").exists():
        yield HealthFinding(subject="MLflow", state="ok", words="there is no database yet; the first command makes it")
        return
    began = time.monotonic()
    try:
        store = connect(context.project)
        store.require_writable()
    except GanlibError as error:
        yield HealthFinding(subject="MLflow", state="problem", words=str(error), cure="make up, or MLFLOW_TRACKING_URI")
        return
    seconds = time.monotonic() - began
    slow = seconds > _SLOW_SECONDS and store.uri.startswith("http")
    words = f"{store.display_uri} answers in {seconds:.1f} s and may be written"
    yield HealthFinding(subject="MLflow", state="remark" if slow else "ok", words=words)
    if store.uri.startswith("http"):
        yield from _clock("MLflow's clock", f"{store.uri.rstrip('/')}/health")
    yield from _killed_runs(store, fix=context.fix)
    yield from _champion(context, store)


def _clock(subject: str, url: str) -> Iterator[HealthFinding]:
    import requests

    try:
        answer = requests.get(url, timeout=10)
        there = parsedate_to_datetime(answer.headers["Date"])
    except (requests.RequestException, KeyError, ValueError, TypeError):
        return
    apart = abs((datetime.now(UTC) - there).total_seconds())
    if apart > _FAR_SECONDS:
        words = f"{apart:.0f} s from this machine's: what happened when is told wrongly"
        yield HealthFinding(subject=subject, state="problem", words=words, cure="set both clocks by NTP")


def _killed_runs(store: MlflowStore, *, fix: bool) -> Iterator[HealthFinding]:
    """Runs that MLflow shows as running and that no process works on."""
    from ganlib.tracking.reap import dead, reap

    run_ids = reap(store) if fix else list(dead(store))
    if not run_ids:
        yield HealthFinding(subject="runs", state="ok", words="none was killed and is still shown as running")
        return
    words = f"killed, and still shown as running: {', '.join(each[:12] for each in run_ids)}"
    yield HealthFinding(
        subject="runs", state="problem", words=words, cure="ganlib doctor --fix ends them as KILLED", cured=fix
    )


def _champion(context: HealthContext, store: MlflowStore) -> Iterator[HealthFinding]:
    """Whether the champion's file is still there and not in MLflow's trash; what is there is taken out, if asked."""
    from ganlib.config import load
    from ganlib.registry.graph_file import file_risk, recover
    from ganlib.registry.registry import CHAMPION, Registry

    try:
        name = load(context.project.params_file).registry.model
        registry = Registry(store, name)
        number = registry.aliases().get(CHAMPION)
        if number is None:
            yield HealthFinding(subject="champion", state="ok", words=f"{name} has none yet")
            return
        risk = file_risk(registry, number)
        size = 0 if risk else registry.model_bytes(registry.model_of(number))
        success = context.fix and risk is not None and recover(store, risk)
    except GanlibError as error:
        cure = "ganlib rollback, or restore it from a backup (docs/recovery.md)"
        yield HealthFinding(subject="champion", state="problem", words=str(error), cure=cure)
        return
    if risk is None:
        words = f"version {number} of {name}: its file is there, {size:,} bytes"
        yield HealthFinding(subject="champion", state="ok", words=words)
    else:
        yield HealthFinding(subject="champion", state="problem", words=risk.words, cure=risk.cure, cured=success)


def prefect(context: HealthContext) -> Iterator[HealthFinding]:
    """Ask the Prefect that commands would use."""
    import requests

    server = _prefect_server(context)
    if server is None:
        yield HealthFinding(
            subject="Prefect", state="ok", words="no server: each flow starts its own for as long as it lasts"
        )
        return
    health = f"{server.url.removesuffix('/api')}/api/health"
    try:
        answer = requests.get(health, timeout=10)
    except requests.RequestException as error:
        words = f"{server.url} does not answer ({type(error).__name__})"
        yield HealthFinding(subject="Prefect", state="problem", words=words, cure="make up, or another PREFECT_API_URL")
        return
    good = answer.status_code in (200, 401, 403)
    words = f"{server.url} answers {answer.status_code}"
    yield HealthFinding(
        subject="Prefect", state="ok" if good else "problem", words=words, cure=None if good else "make down up"
    )
    yield from _clock("Prefect's clock", health)
    if answer.ok:
        yield from prefect_runs.ghosts(server, fix=context.fix)


def _prefect_server(context: HealthContext) -> PrefectServer | None:
    """The server that commands would use, also where params.yaml cannot be read."""
    try:
        return server_of(context.project)
    except BadInput:
        url = os.environ.get("PREFECT_API_URL")
        return PrefectServer(url.rstrip("/")) if url else None


def services(context: HealthContext) -> Iterator[HealthFinding]:
    """Say which of what `make up` started has died since."""
    dead = [name for name, entry in _records(context).items() if _is_dead(context, entry)]
    if dead:
        words = f"{', '.join(dead)} died since `make up`"
        yield HealthFinding(subject="services", state="problem", words=words, cure="make up")


def _configured(context: HealthContext) -> ServicesConfig:
    """Which servers the project names; none where params.yaml cannot be read, which :func:`configuration` says."""
    from ganlib import config

    try:
        return config.servers(context.project)
    except BadInput:
        return config.ServicesConfig()


def _records(context: HealthContext) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(Path(context.project.state / "services.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def _is_dead(context: HealthContext, entry: dict[str, Any]) -> bool:
    try:
        return context.project.began(entry) and processes.find(entry) is None
    except (KeyError, TypeError, ValueError):
        return False


def _recorded(context: HealthContext, name: str) -> str | None:
    entry = _records(context).get(name)
    return str(entry["url"]) if entry and "url" in entry and not _is_dead(context, entry) else None
