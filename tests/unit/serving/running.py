"""A real server on loopback, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests
from typer.testing import CliRunner

from ganlib.cli import app as command_line
from ganlib.config import ServeConfig
from ganlib.generation.detection.index import ImageIndex
from ganlib.generation.session import OnnxModel
from ganlib.serving import app, server
from ganlib.serving.access import is_loopback
from ganlib.serving.metrics import Metrics
from ganlib.serving.pool import AliasWatcher, ModelPool, OpenModel
from ganlib.serving.shared import Server

LONG = 300.0
"""Seconds after which a test gives up, on a machine that has much else to do, too."""


class Files:
    """Models by name, as files; a name can be pointed elsewhere, and the whole can be down, or silent."""

    def __init__(self, **paths: Path) -> None:
        self.paths: dict[str, Path] = paths
        self.down: Exception | None = None
        self.silent: threading.Event | None = None
        """Until it is set, those who ask get no answer, and then what they would have got at first."""
        self.asked = 0

    def look(self) -> Mapping[str, str]:
        self.asked += 1
        if silent := self.silent:
            found = {name: str(path) for name, path in self.paths.items()}
            silent.wait()
            return found
        if self.down:
            raise self.down
        return {name: str(path) for name, path in self.paths.items()}

    def open(self, name: str, meaning: str) -> OpenModel:
        return OpenModel(OnnxModel(Path(meaning)), f"{name}.onnx", registered_model="small", version=len(meaning))


class Running:
    """Ask it by :meth:`get` and :meth:`post`."""

    def __init__(self, url: str, shared: Server, lines: list[str]) -> None:
        self.url, self.shared, self.lines = url, shared, lines
        self.look = shared.watcher.look

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(self.url + path, params=query, timeout=LONG)

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=LONG)

    def send(self, picture: bytes, path: str = "/v1/detect", **options: Any) -> requests.Response:
        return requests.post(self.url + path, data=picture, timeout=LONG, **options)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Compute no image of the default model until the block ends: requests for it stay under way."""
        model, go = self.shared.pool.all()[0].model, threading.Event()
        run = model.run

        def wait(inputs: Mapping[str, Any]) -> Any:
            go.wait()
            return run(inputs)

        model.run = wait  # type: ignore[method-assign]
        try:
            yield
        finally:
            model.run = run  # type: ignore[method-assign]
            go.set()

    def connections(self) -> int:
        """How many connections to it are open, by the count of this process's sockets."""
        port = int(self.url.rpartition(":")[2])
        return sum(
            each.laddr.port == port and each.status != psutil.CONN_LISTEN
            for each in psutil.Process().net_connections("tcp")
        )


@contextmanager
def running(source: Files, index: ImageIndex | None = None, **limits: Any) -> Iterator[Running]:
    """Serve ``source`` until the block ends, on loopback even where another host is set."""
    settings = ServeConfig(**{"poll_seconds": 3600, **limits})
    pool, metrics, lines = ModelPool(), Metrics(), list[str]()
    window = settings.window_ms / 1000
    watcher = AliasWatcher(
        source, pool, metrics,
        window=window, every=settings.poll_seconds, patience=settings.registry_seconds, tell=lines.append,
    )  # fmt: skip
    watcher.fill()
    shared = Server(pool, watcher, metrics, settings, index=index)
    bound = server.listen(settings.host if is_loopback(settings.host) else "127.0.0.1", 0)
    begun, ends = threading.Event(), list[Callable[[], None]]()

    def started(end: Callable[[], None]) -> None:
        ends.append(end)
        begun.set()

    thread = threading.Thread(target=lambda: server.run(app.create(shared), shared, bound, on_start=started))
    thread.start()
    if settings.poll_seconds < 3600:
        watcher.start()
    try:
        assert begun.wait(LONG)
        yield Running(server.url(bound), shared, lines)
    finally:
        ends[0]()
        thread.join(LONG)
        watcher.stop()
        pool.close()
        bound.close()
    assert not thread.is_alive()


def generated(model: Path, out: Path, *, count: int, seed: int, start: int = 0, **asked: str) -> dict[int, bytes]:
    """The PNG files that `ganlib generate` writes, by their images' numbers."""
    options = {"model": model, "out": out, "count": count, "seed": seed, "start": start, **asked}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    done = CliRunner().invoke(command_line, ["generate", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return {int(path.stem): path.read_bytes() for path in out.rglob("*.png")}
