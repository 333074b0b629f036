"""Real servers on loopback, in folders of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from ganlib.core.project import Project
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.services.postgres import WHERE, binaries, postgres


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_answer(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 500) -> None:
    """Poll ``url`` until it answers; fail with the log if the process ends or time runs out."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if requests.get(url, timeout=30).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    pytest.fail(f"{url} did not answer:\n{log.read_text()}")


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all its children."""
    if process.poll() is not None:
        return
    itself = psutil.Process(process.pid)
    family = [*itself.children(recursive=True), itself]
    process.terminate()
    _, alive = psutil.wait_procs(family, timeout=60)
    for one in alive:
        one.kill()
    process.wait(60)


@contextmanager
def serving(folder: Path) -> Iterator[Callable[..., None]]:
    """Start commands, each waited for until its URL answers, with logs in ``folder``; at the end all are ended."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(command: list[str], url: str, cwd: Path, **environment: str) -> None:
        log = folder / f"{len(started)}.log"
        search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=cwd, env={**os.environ, **environment, "PATH": search}, stdout=stream, stderr=stream
            )
        started.append(process)
        await_answer(url, process, log)

    try:
        yield begin
    finally:
        for process in started:
            end(process)


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., None]]:
    """Start a command and wait until a URL answers; ended with the module: an idle Prefect takes 2% of a core."""
    with serving(tmp_path_factory.mktemp("servers")) as begin:
        yield begin


AtStep = Callable[[int, Callable[[], object]], None]


@pytest.fixture
def at_step(monkeypatch: pytest.MonkeyPatch) -> AtStep:
    """Have something happen as a step of a training of `vae` in this process begins."""
    from ganlib.families.vae import Vae

    def arrange(number: int, happens: Callable[[], object]) -> None:
        clean = Vae.phases

        def phases(self: Vae, step: int) -> Any:
            if step == number:
                happens()
            return clean(self, step)

        monkeypatch.setattr(Vae, "phases", phases)

    return arrange


@pytest.fixture(scope="module")
def s3_server(serve: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a server that speaks S3, which lists ten objects a page."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    serve(command, f"{url}/moto-api/", tmp_path_factory.mktemp("s3"), MOTO_S3_DEFAULT_MAX_KEYS="10")
    return url


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the server, which asks nobody who he is, with one empty bucket."""
    from tests.services.s3 import emptied

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    return emptied(s3_server)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The machine's Chromium, headless, as playwright's browser."""
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: make install")
    api.expect.set_options(timeout=120_000)  # its own five seconds are over too soon on a busy machine
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URI of an empty database of a real PostgreSQL."""
    if binaries() is None:
        pytest.skip(f"no PostgreSQL on this machine: {WHERE}")
    with postgres() as server:
        yield server.uri


@pytest.fixture(scope="session")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the MLflow server keeps its database and artifacts."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture(scope="session")
def mlflow_server(mlflow_folder: Path) -> Iterator[str]:
    """URL of a real MLflow server with a SQLite database and proxied artifacts."""
    folder, port = mlflow_folder, free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with serving(folder) as begin:
        begin(command, f"{url}/health", folder, MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
        yield url


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small project of a module's own."""
    return factories.project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def store(project: Project, mlflow_server: str) -> MlflowStore:
    """Its store, on the real server that all modules share."""
    return connect(project, mlflow_server)
