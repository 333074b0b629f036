"""`python -m benchmarks.serving [--latencies]`: how fast `ganlib serve` is, and champions that move under load.

The clients are threads of this process and share the machine's cores with the server, which is a process of its own.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

from benchmarks import untrained
from benchmarks.rounds import spread
from ganlib import families
from ganlib.core.files import sha256_file
from ganlib.core.processes import usable_cores
from ganlib.generation.session import OnnxModel
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support import graphs

ROUNDS, SINGLE, MANY = 3, 300, 4096
CLIENTS = (1, 8, 32)
REQUESTS, MOVES, MOVING_CLIENTS = 10_000, 20, 8


def main() -> None:
    """Print everything, or the latencies alone."""
    with tempfile.TemporaryDirectory() as folder:
        if "--latencies" not in sys.argv:
            moves(Path(folder))
        latencies(Path(folder))


def moves(folder: Path) -> None:
    """Requests by several clients while the alias moves between two versions of a registry."""
    project = factories.project(folder / "project")
    store = connect(project)
    registry, paths = Registry(store, "mnist-generator"), list[Path]()
    for seed in range(2):
        paths.append(folder / f"small-{seed}.onnx")
        graphs.write(paths[-1], seed)
    versions = [factories.registered(store, path).version for path in paths]
    registry.set_alias(CHAMPION, versions[0])
    known = {sha256_file(path): version for path, version in zip(paths, versions, strict=True)}
    drawn = {sha256_file(path): OnnxModel(path).images(0, 0, REQUESTS) for path in paths}
    numbers, failures, seen = itertools.count(), list[str](), dict[str, int]()
    with serving(project.root, "champion", "--set", "serve.poll_seconds=0.1") as port:

        def ask() -> list[float]:
            connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=60), list[float]()
            while (number := next(numbers)) < REQUESTS:
                began = time.perf_counter()
                try:
                    status, headers, body = get(connection, f"/v1/images?start={number}")
                    digest, version = (headers.get(f"X-Ganlib-{name}", "") for name in ("Model-Sha256", "Version"))
                    if status != 200 or version != str(known.get(digest)):
                        failures.append(f"{status} {digest} version {version}")
                    elif told(body) != (digest, drawn[digest][number].tobytes()):
                        failures.append(f"the image is not one of {digest}")
                    seen[digest] = seen.get(digest, 0) + 1
                except (OSError, http.client.HTTPException) as error:
                    failures.append(repr(error))
                taken.append(time.perf_counter() - began)
            return taken

        began = time.perf_counter()
        with ThreadPoolExecutor(MOVING_CLIENTS) as pool:
            clients = [pool.submit(ask) for _ in range(MOVING_CLIENTS)]
            for move in range(1, MOVES + 1):  # spread evenly over the requests
                while sum(seen.copy().values()) + len(failures) < move * REQUESTS // (MOVES + 1):
                    time.sleep(0.01)
                registry.set_alias(CHAMPION, versions[move % 2])
            taken = [second for client in clients for second in client.result()]
        seconds, swaps = time.perf_counter() - began, swaps_of(port)
    print(
        f"{len(taken):,} requests by {MOVING_CLIENTS} clients during {MOVES} moves of the champion ({swaps} seen by "
        f"the server): {len(failures)} failed, or mixed version, sha256 and pixels of two models; "
        f"{len(taken) / seconds:.0f} a second, {percentiles(taken)}; "
        f"answers by model: {sorted(seen.values())}"
    )
    for text in failures[:5]:
        print("  ", text)


def told(png: bytes) -> tuple[str, bytes]:
    """The sha256 of the model that a PNG names, and its pixels."""
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return image.text["ganlib:model_sha256"], image.tobytes()  # type: ignore[attr-defined]


def latencies(folder: Path) -> None:
    """One PNG a request by several numbers of clients; 64 images a request against a bare ``session.run`` loop."""
    path = folder / "dcgan.onnx"
    untrained.write(path)
    width = families.options("dcgan", {}).latent_dim
    with serving(folder, str(path)) as port:
        for clients in CLIENTS:
            rates, taken = list[float](), list[float]()
            for _ in range(ROUNDS):
                seconds, each = load(port, "/v1/images?start={}", SINGLE, clients)
                rates.append(SINGLE / seconds)
                taken += each
            print(
                f"one PNG a request, {clients} clients: {statistics.median(rates):.0f} a second, {percentiles(taken)}"
            )
        for count, form in ((256, "npy"), (64, "grid"), (64, "json")):
            ratios, bares, ours = list[float](), list[float](), list[float]()
            for _ in range(ROUNDS):
                bares.append(bare(path, width))
                seconds, _ = load(port, f"/v1/images?count={count}&format={form}&seed={{}}", MANY // count, 8)
                ours.append(MANY / seconds)
                ratios.append(ours[-1] / bares[-1])
            print(
                f"{count} images a request as {form}, 8 clients: {statistics.median(ours):.0f} images a second; "
                f"bare session.run loop (batches of 256, {usable_cores()} threads): {statistics.median(bares):.0f}; "
                f"ratio {spread(ratios)} over {ROUNDS} rounds"
            )


def load(port: int, path: str, requests: int, clients: int) -> tuple[float, list[float]]:
    """Seconds for all ``requests``, and for each; ``path`` gets a running number."""
    numbers = iter(range(requests))
    lock = threading.Lock()

    def ask() -> list[float]:
        connection, taken = http.client.HTTPConnection("127.0.0.1", port, timeout=60), list[float]()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return taken
            began = time.perf_counter()
            status, _, body = get(connection, path.format(number))
            assert status == 200, body
            taken.append(time.perf_counter() - began)

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        taken = [second for client in [pool.submit(ask) for _ in range(clients)] for second in client.result()]
    return time.perf_counter() - began, taken


def bare(path: Path, noise_dim: int) -> float:
    """Images a second of a loop that does nothing but draw noise and call onnxruntime."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    draw, began = np.random.default_rng(0), time.perf_counter()
    for _ in range(MANY // 256):
        session.run(["image"], {"noise": draw.standard_normal((256, noise_dim), dtype=np.float32)})
    return MANY / (time.perf_counter() - began)


def get(connection: http.client.HTTPConnection, path: str) -> tuple[int, http.client.HTTPMessage, bytes]:
    """Status, headers and body of one request on a connection that is kept."""
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def swaps_of(port: int) -> int:
    """How often another model took the champion's place, by the server's own count."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        text = get(connection, "/metrics")[2].decode()
    (value,) = re.findall(r'^ganlib_swaps_total{model="champion",result="done"} ([0-9.]+)$', text, re.MULTILINE)
    return int(float(value))


def percentiles(seconds: list[float]) -> str:
    """In words."""
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


@contextlib.contextmanager
def serving(folder: Path, model: str, *words: str) -> Iterator[int]:
    """A server in a process of its own; its port."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", "ganlib", "serve", "--json", "--port", "0", "--model", model, *words]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])
    finally:
        process.terminate()
        code = process.wait(60)
    assert code == 0, code


if __name__ == "__main__":
    main()
