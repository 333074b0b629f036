"""How many threads, and how many images ahead, make most images a second: measured once a model and machine."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from ganlib.core.errors import GanlibError
from ganlib.core.files import sha256_bytes, write_json
from ganlib.core.processes import processor, usable_cores
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.export.runtime import load
from ganlib.generation.noise import BLOCK
from ganlib.generation.session import OnnxModel

WORTHWHILE = 50_000
"""Smaller jobs take less time than the probe can save."""
SECONDS = 0.25  # of each candidate in each round
_ROUNDS = 2
_EQUAL = 0.9
_AHEAD = (2, 8)  # blocks a thread computes ahead of the writer


class Tuning(Record):
    """What was found."""

    threads: int
    batch_size: int
    images_per_second: float
    tried: dict[str, float]
    """Images a second by "threads x batch size", the best round of each."""


def tuned(model: OnnxModel, cache: Path | None, report: Report = silent) -> Tuning:
    """The best setting for ``model`` on this machine; neither decides what an image is.

    Args:
        model: the opened graph.
        cache: the folder where the result is kept, by the model's sha256 and the machine; None: it is not.
        report: told of progress.
    """
    path = cache / "speed" / f"{model.sha256[:16]}-{machine(model.provider)}.json" if cache else None
    if path:
        try:
            return Tuning.model_validate(json.loads(path.read_bytes()))
        except (OSError, ValueError, ValidationError):
            pass  # not measured yet, or by another ganlib
    tuning = measure(model, report)
    if path:
        with suppress(GanlibError):  # a cache that cannot be written is no reason not to work
            write_json(path, tuning.model_dump(mode="json"))
    return tuning


def measure(model: OnnxModel, report: Report = silent) -> Tuning:
    """Try all candidates; they take turns, so that a busy moment of the machine falls on all of them."""
    cores = usable_cores()
    threads = sorted({1, cores // 2 or 1, cores})
    candidates = [(count, count * ahead * BLOCK) for count in threads for ahead in _AHEAD]
    best = dict.fromkeys(candidates, 0.0)
    _rate(model, 1, BLOCK, 0.0)  # the first call of a session allocates
    for number in range(_ROUNDS):
        for at, candidate in enumerate(candidates):
            best[candidate] = max(best[candidate], _rate(model, *candidate, SECONDS))
            report.advance("probe speed", number * len(candidates) + at + 1, _ROUNDS * len(candidates))
    winner = choose(best)
    return Tuning(
        threads=winner[0],
        batch_size=winner[1],
        images_per_second=best[winner],
        tried={f"{count} x {size}": rate for (count, size), rate in best.items()},
    )


def choose(rates: Mapping[tuple[int, int], float]) -> tuple[int, int]:
    """The (threads, batch size) to keep, of images a second by each.

    What is nearly as fast as the best counts as equal, and of equals the most threads win: on a busy machine they are
    not slower than one, and the answer is kept for when it is idle.
    """
    good = [candidate for candidate, rate in rates.items() if rate >= _EQUAL * max(rates.values())]
    return max(good, key=lambda candidate: (candidate[0], rates[candidate]))


def machine(provider: str) -> str:
    """A short name of what decides speed: processor, cores that may be used, provider, onnxruntime's version."""
    version = load().__version__
    facts = [platform.node(), platform.machine(), processor(), str(usable_cores()), provider, version]
    return sha256_bytes("\n".join(facts).encode())[:16]


def _rate(model: OnnxModel, threads: int, batch_size: int, seconds: float) -> float:
    """Images a second over about ``seconds``, with the noise drawn as in a job, once the first block is there."""
    began, images, duration = 0.0, 0, 0.0
    for block in model.blocks(model.request(0), 0, 1 << 40, batch_size=batch_size, threads=threads):
        if not began:
            began = time.perf_counter()
            continue
        images, duration = images + len(block.images), time.perf_counter() - began
        if duration >= seconds:
            break
    return images / duration
