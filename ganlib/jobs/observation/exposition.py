"""The ways in which Prometheus gets a project's metrics: over HTTP, or from a file that node_exporter reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Event

from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.files import write_bytes
from ganlib.core.project import Project
from ganlib.core.signals import sigterm_interrupts
from ganlib.jobs.observation.metrics import ProjectMetrics


def text(project: Project, params: Params) -> str:
    """Return all metrics in Prometheus' text format."""
    return generate_latest(_registry(project, params)).decode()


def write(project: Project, params: Params, out: Path) -> None:
    """Write :func:`text` to ``out``, which whoever reads it finds whole, as it was before or as it is now.

    Raises:
        BadInput: ``out`` does not end in ``.prom``, as node_exporter wants it, or cannot be written.
    """
    if out.suffix != ".prom":
        raise BadInput(f"--out {out}: node_exporter reads files that end in .prom. Nothing was written.")
    content = text(project, params)
    write_bytes(out, content.encode())
    out.chmod(0o644)  # node_exporter is another user


def address(listen: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``, ``[::1]:PORT`` or ``:PORT``, which is of loopback.

    Raises:
        BadInput: it is none.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise BadInput(f"--listen {listen}: an address is written as HOST:PORT, such as 127.0.0.1:9109.")
    return host.strip("[]") or "127.0.0.1", int(port)


def serve(project: Project, params: Params, listen: str, on_start: Callable[[str], None]) -> None:
    """Answer GET with all metrics, as they are then, until SIGTERM or Ctrl-C.

    Args:
        project: whose they are.
        params: its configuration.
        listen: an :func:`address`; port 0: any free one.
        on_start: called with the URL once it answers.

    Raises:
        BadInput: the address is none, or is taken.
    """
    host, port = address(listen)
    try:
        server, thread = start_http_server(port, host, _registry(project, params))
    except OSError as error:  # among them that the host has no address
        raise BadInput(f"cannot listen on {listen}: {error.strerror or error}. Nothing was started.") from error
    try:
        with sigterm_interrupts():
            name = f"[{host}]" if ":" in host else host
            on_start(f"http://{name}:{server.server_port}/metrics")
            Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _registry(project: Project, params: Params) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ProjectMetrics(project, params))
    return registry
