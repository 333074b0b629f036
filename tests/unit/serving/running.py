"""A real server on loopback, in a thread of this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from typer.testing import CliRunner

from ganlib.cli import app as command_line
from ganlib.config import ServeConfig
from ganlib.generation.session import OnnxModel
from ganlib.serving import app, server
from ganlib.serving.metrics import Metrics
from ganlib.serving.shelf import Keeper, Opened, Shelf


class Files:
    """Models by name, as files; a name can be pointed elsewhere, and the whole can be down."""

    def __init__(self, **paths: Path) -> None:
        self.paths: dict[str, Path] = paths
        self.down: Exception | None = None

    def look(self) -> Mapping[str, str]:
        if self.down:
            raise self.down
        return {name: str(path) for name, path in self.paths.items()}

    def open(self, name: str, meaning: str) -> Opened:
        return Opened(OnnxModel(Path(meaning)), f"{name}.onnx", registered="small", version=len(meaning))


class Running:
    """Ask it by :meth:`get` and :meth:`post`."""

    def __init__(self, url: str, shared: app.Server, lines: list[str]) -> None:
        self.url, self.shared, self.lines = url, shared, lines
        self.look = shared.keeper.look

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(self.url + path, params=query, timeout=60)

    def post(self, path: str, **body: Any) -> requests.Response:
        return requests.post(self.url + path, json=body, timeout=60)


@contextmanager
def running(source: Files, **limits: Any) -> Iterator[Running]:
    """Serve ``source`` until the block ends."""
    settings = ServeConfig(**{"poll_seconds": 3600, **limits})
    shelf, metrics, lines = Shelf(), Metrics(), list[str]()
    window = settings.window_ms / 1000
    keeper = Keeper(source, shelf, metrics, window=window, every=settings.poll_seconds, tell=lines.append)
    keeper.fill()
    shared = app.Server(shelf, keeper, metrics, settings)
    bound = server.listen("127.0.0.1", 0)
    begun, ends = threading.Event(), list[Callable[[], None]]()

    def started(end: Callable[[], None]) -> None:
        ends.append(end)
        begun.set()

    thread = threading.Thread(target=lambda: server.run(app.create(shared), shared, bound, started=started))
    thread.start()
    try:
        assert begun.wait(60)
        yield Running(server.url(bound), shared, lines)
    finally:
        ends[0]()
        thread.join(60)
        keeper.stop()
        shelf.close()
        bound.close()
    assert not thread.is_alive()


def generated(model: Path, out: Path, *, count: int, seed: int, start: int = 0, **asked: str) -> dict[int, bytes]:
    """The PNG files that `ganlib generate` writes, by their images' numbers."""
    options = {"model": model, "out": out, "count": count, "seed": seed, "start": start, **asked}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    done = CliRunner().invoke(command_line, ["generate", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return {int(path.stem): path.read_bytes() for path in out.rglob("*.png")}
