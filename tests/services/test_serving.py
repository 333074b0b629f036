"""`ganlib serve` as a process, beside a real MLflow server: aliases that move under load, outages, and its end."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from ganlib.files import sha256_file
from ganlib.project import Project
from ganlib.registry.versions import CHAMPION, Registry
from ganlib.tracking.store import Store
from tests import factories
from tests.services import project as projects
from tests.services.conftest import end
from tests.services.wire import Wire
from tests.unit.serving import graphs
from tests.unit.serving.running import generated

pytestmark = pytest.mark.services

NAME = "served-generator"


@pytest.fixture(scope="module")
def models(store: Store, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two versions by number; the first is champion."""
    folder, made = tmp_path_factory.mktemp("served-graphs"), {}
    for seed in range(2):
        path = folder / f"{seed}.onnx"
        graphs.write(path, seed)
        made[factories.registered(store, path, name=NAME).version] = path
    Registry(store, NAME).set_alias(CHAMPION, min(made))
    return made


class Served:
    """A server's process, its first event, and the lines it has written to standard error."""

    def __init__(self, process: subprocess.Popen[str], event: dict[str, Any]) -> None:
        self.process, self.url, self.event = process, event["url"], event
        self.lines: list[str] = []
        assert process.stderr
        self._errors = process.stderr
        self._reader = threading.Thread(target=lambda: self.lines.extend(self._errors), daemon=True)
        self._reader.start()

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait(60)
        self._reader.join()
        return code


@contextmanager
def serving(project: Project, *models: str, mlflow: str = "", **settings: object) -> Iterator[Served]:
    """Run the command until the block ends."""
    words = [word for model in models for word in ("--model", model)]
    words += [word for key, value in settings.items() for word in ("--set", f"serve.{key}={value}")]
    environment = {**projects.environment(projects.ROOT), **({"MLFLOW_TRACKING_URI": mlflow} if mlflow else {})}
    process = subprocess.Popen(
        [sys.executable, "-m", "ganlib", "serve", "--json", "--port", "0", *words],
        cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        yield Served(process, json.loads(line))
    finally:
        end(process)  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does; fail after three minutes: a request that hangs is given up after one."""
    for _ in range(3600):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("it did not happen")


def test_no_request_fails_while_the_champion_moves_and_each_answer_is_of_one_model(
    project: Project, store: Store, models: dict[int, Path]
) -> None:
    """A small one of `python -m benchmarks.serving`: there, 10,000 requests during 20 moves."""
    registry, digests = Registry(store, NAME), {sha256_file(path): version for version, path in models.items()}
    images: dict[str, dict[int, bytes]] = {digest: {} for digest in digests}
    numbers, failures, moving = itertools.count(), list[str](), threading.Event()
    with serving(project, f"models:/{NAME}@champion", mlflow=store.uri, poll_seconds=0.1) as served:

        def ask() -> int:
            session, asked = requests.Session(), 0
            while not moving.is_set():
                index = next(numbers) % 50
                answer = session.get(f"{served.url}/v1/images", params={"start": index}, timeout=60)
                digest = answer.headers.get("X-Ganlib-Model-Sha256", "")
                same = images[digest].setdefault(index, answer.content) if digest in images else b""
                if answer.status_code != 200 or answer.content != same:
                    failures.append(f"{answer.status_code} {digest} {answer.text[:200]}")
                elif answer.headers["X-Ganlib-Version"] != str(digests[digest]):
                    failures.append(f"version {answer.headers['X-Ganlib-Version']} of {digest}")
                asked += 1
            return asked

        with ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(ask) for _ in range(4)]
            for version in itertools.islice(itertools.cycle(sorted(models, reverse=True)), 4):
                registry.set_alias(CHAMPION, version)
                wanted = sha256_file(models[version])
                until(lambda wanted=wanted: served_digest(served) == wanted)
            moving.set()
            asked = sum(client.result() for client in clients)
        assert not failures, failures[:3]
        assert asked > 100
        assert all(images.values())
        assert (
            'ganlib_swaps_total{model="champion",result="done"} 4.0'
            in requests.get(f"{served.url}/metrics", timeout=60).text
        )
        for digest, made in images.items():
            files = generated(models[digests[digest]], project.root / digest[:8], count=50, seed=0)
            assert made == {index: files[index] for index in made}


def served_digest(served: Served) -> str:
    """What the default model is now."""
    digests: dict[str, str] = requests.get(f"{served.url}/ready", timeout=60).json()["models"]
    return digests["champion"]


def test_a_registry_that_goes_away_is_not_missed_and_is_followed_again_when_it_is_back(
    project: Project, store: Store, models: dict[int, Path], mlflow_server: str
) -> None:
    first, second = sorted(models)
    Registry(store, NAME).set_alias(CHAMPION, first)
    wire = Wire(int(mlflow_server.rpartition(":")[2]))
    with serving(project, f"models:/{NAME}@champion", mlflow=wire.url, poll_seconds=0.1) as served:
        assert list(served.event["models"]) == ["champion", "challenger"]

        def registry_is(state: str) -> bool:
            return bool(requests.get(f"{served.url}/ready", timeout=60).json()["registry"] == state)

        wire.cut()
        until(lambda: registry_is("down"))
        answer = requests.get(f"{served.url}/v1/images", timeout=60)
        assert answer.headers["X-Ganlib-Model-Sha256"] == sha256_file(models[first])
        Registry(store, NAME).set_alias(CHAMPION, second)
        wire.mend()
        until(lambda: served_digest(served) == sha256_file(models[second]))
        assert registry_is("up")
    wire.cut()


def test_sigterm_lets_a_request_under_way_finish_and_exits_with_0(project: Project, models: dict[int, Path]) -> None:
    path = str(next(iter(models.values())))
    with serving(project, path, window_ms=1000) as served, ThreadPoolExecutor(1) as pool:
        inside = pool.submit(requests.get, f"{served.url}/v1/images", timeout=60)
        until(lambda: "ganlib_requests_at_work 1.0" in requests.get(f"{served.url}/metrics", timeout=60).text)
        served.process.send_signal(signal.SIGTERM)
        assert inside.result().status_code == 200
        assert served.ended() == 0
        assert served.lines == []
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{served.url}/health", timeout=60)


def test_a_port_that_is_taken_and_a_model_that_is_not_there_are_told_in_one_line(
    project: Project, models: dict[int, Path]
) -> None:
    path = str(next(iter(models.values())))
    with serving(project, path) as served:
        port = served.url.rpartition(":")[2]
        command = [sys.executable, "-m", "ganlib", "serve", "--model"]
        for words, says in (
            ([path, "--port", port], f"port {port} of 127.0.0.1 is in use"),
            (["no.onnx"], "no such file"),
        ):
            done = subprocess.run(
                [*command, *words], cwd=project.root, env=projects.environment(projects.ROOT),
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 2
            assert len(done.stderr.splitlines()) == 1
            assert says in done.stderr
