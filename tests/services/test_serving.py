"""`ganlib serve` as a process, beside a real MLflow server: aliases that move under load, outages, and its end."""

from __future__ import annotations

import base64
import io
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.generation.session import OnnxModel
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.services import project as projects
from tests.services.conftest import end
from tests.services.wire import Wire
from tests.support import graphs
from tests.unit.serving.running import LONG, generated

pytestmark = pytest.mark.services

NAME = "served-generator"


@pytest.fixture(scope="module")
def models(store: MlflowStore, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
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
        code = self.process.wait(LONG)
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
    """Wait for what another process does; fail after five minutes."""
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        threading.Event().wait(0.05)


def test_no_request_fails_while_the_champion_moves_and_each_answer_is_of_one_model(
    project: Project, store: MlflowStore, models: dict[int, Path]
) -> None:
    """A small one of `python -m benchmarks.serving`: there, 10,000 requests during 20 moves.

    Version, sha256 and pixels are of one model in each answer, in its headers and in its card.
    """
    registry, digests = Registry(store, NAME), {sha256_file(path): version for version, path in models.items()}
    drawn = {digest: OnnxModel(models[version]).images(0, 0, 50) for digest, version in digests.items()}
    seen: set[tuple[str, bool]] = set()
    numbers, failures, moving = itertools.count(), list[str](), threading.Event()
    with serving(project, f"models:/{NAME}@champion", mlflow=store.uri, poll_seconds=0.1) as served:

        def ask() -> int:
            session, asked = requests.Session(), 0
            while not moving.is_set():
                number = next(numbers)
                index, carded = number % 50, number % 3 == 0
                query = {"start": index, "format": "json" if carded else "png"}
                answer = session.get(f"{served.url}/v1/images", params=query, timeout=LONG)
                asked += 1
                digest = answer.headers.get("X-Ganlib-Model-Sha256", "")
                if answer.status_code != 200 or digest not in digests:
                    failures.append(f"{answer.status_code} {digest} {answer.text[:200]}")
                    continue
                told = [answer.headers["X-Ganlib-Version"]]
                picture = answer.content
                if carded:
                    card, (image,) = (answer.json()[key] for key in ("card", "images"))
                    told += [str(card["version"]), {digest: told[0]}.get(card["model_sha256"], "another")]
                    picture = base64.b64decode(image["png"])
                with Image.open(io.BytesIO(picture)) as opened:
                    opened.load()
                    pixels, marked = opened.tobytes(), opened.text["ganlib:model_sha256"]  # type: ignore[attr-defined]
                if {*told} != {str(digests[digest])} or marked != digest or pixels != drawn[digest][index].tobytes():
                    failures.append(f"{told} {marked} {digest}: {answer.headers}")
                seen.add((digest, carded))
            return asked

        with ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(ask) for _ in range(4)]
            for version in itertools.islice(itertools.cycle(sorted(models, reverse=True)), 4):
                registry.set_alias(CHAMPION, version)
                wanted = sha256_file(models[version])
                until(lambda wanted=wanted: served_digest(served) == wanted)
                until(lambda wanted=wanted: {(wanted, True), (wanted, False)} <= seen or not clients_live(clients))
            moving.set()
            asked = sum(client.result() for client in clients)
        assert not failures, failures[:3]
        assert asked
        assert seen == set(itertools.product(digests, (True, False)))
        assert (
            'ganlib_swaps_total{model="champion",result="done"} 4.0'
            in requests.get(f"{served.url}/metrics", timeout=LONG).text
        )
    for digest, made in drawn.items():
        files = generated(models[digests[digest]], project.root / digest[:8], count=50, seed=0)
        for index, image in enumerate(made):
            with Image.open(io.BytesIO(files[index])) as opened:
                assert opened.tobytes() == image.tobytes()


def clients_live(clients: list[Future[int]]) -> bool:
    """Whether none of them has failed."""
    return not any(client.done() for client in clients)


def served_digest(served: Served) -> str:
    """What the default model is now."""
    digests: dict[str, str] = requests.get(f"{served.url}/ready", timeout=LONG).json()["models"]
    return digests["champion"]


def test_a_registry_that_goes_away_is_not_missed_and_is_followed_again_when_it_is_back(
    project: Project, store: MlflowStore, models: dict[int, Path], mlflow_server: str
) -> None:
    first, second = sorted(models)
    Registry(store, NAME).set_alias(CHAMPION, first)
    wire = Wire(int(mlflow_server.rpartition(":")[2]))
    with serving(project, f"models:/{NAME}@champion", mlflow=wire.url, poll_seconds=0.1) as served:
        assert list(served.event["models"]) == ["champion", "challenger"]
        wire.cut()
        until(lambda: registry_of(served) == "down")
        answer = requests.get(f"{served.url}/v1/images", timeout=LONG)
        assert answer.headers["X-Ganlib-Model-Sha256"] == sha256_file(models[first])
        Registry(store, NAME).set_alias(CHAMPION, second)
        wire.mend()
        until(lambda: served_digest(served) == sha256_file(models[second]))
        until(lambda: registry_of(served) == "up")
    wire.cut()


def test_a_registry_that_falls_silent_is_told_from_one_that_answers_and_followed_when_it_does_again(
    project: Project, store: MlflowStore, models: dict[int, Path], mlflow_server: str
) -> None:
    """The connection stays open, and nothing comes: a machine without power, or a firewall that forgot."""
    first, second = sorted(models)
    Registry(store, NAME).set_alias(CHAMPION, first)
    wire = Wire(int(mlflow_server.rpartition(":")[2]))
    limits = {"poll_seconds": 0.1, "registry_seconds": 10}
    with serving(project, f"models:/{NAME}@champion", mlflow=wire.url, **limits) as served:
        for wanted in (second, first):
            wire.freeze()
            until(lambda: registry_of(served) == "down")
            answer = requests.get(f"{served.url}/v1/images", timeout=LONG)
            other = first if wanted == second else second
            assert answer.headers["X-Ganlib-Model-Sha256"] == sha256_file(models[other])
            Registry(store, NAME).set_alias(CHAMPION, wanted)
            wire.mend()
            until(lambda wanted=wanted: served_digest(served) == sha256_file(models[wanted]))
            until(lambda: registry_of(served) == "up")
        wire.freeze()
        until(lambda: registry_of(served) == "down")
        served.process.send_signal(signal.SIGTERM)
        assert served.ended() == 0
    wire.cut()


def registry_of(served: Served) -> str:
    """Whether the registry is up, as the server sees it."""
    return str(requests.get(f"{served.url}/ready", timeout=LONG).json()["registry"])


def test_sigterm_lets_a_request_under_way_finish_and_exits_with_0(project: Project, models: dict[int, Path]) -> None:
    path = str(next(iter(models.values())))
    limits = {"receive_seconds": LONG, "drain_seconds": LONG}
    with serving(project, path, **limits) as served:
        place = ("127.0.0.1", int(served.url.rpartition(":")[2]))
        with socket.create_connection(place, timeout=LONG) as inside, socket.create_connection(place) as idle:
            inside.sendall(
                b"POST /v1/images HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
            )
            assert inside.recv(1000).startswith(b"HTTP/1.1 100")  # it is under way: its body is waited for
            served.process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""
            with pytest.raises(requests.ConnectionError):
                requests.get(f"{served.url}/health", timeout=LONG)
            inside.sendall(b"{}")
            assert inside.recv(1000).startswith(b"HTTP/1.1 200")
            while inside.recv(65536):
                pass
        assert served.ended() == 0
        assert [line for line in served.lines if "mark.producer" not in line] == []


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
                capture_output=True, text=True, timeout=LONG, check=False,
            )  # fmt: skip
            assert done.returncode == 2
            assert len(done.stderr.splitlines()) == 1
            assert says in done.stderr
