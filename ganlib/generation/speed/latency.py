"""How fast a graph makes images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ganlib.core.progress import Report, doing, silent
from ganlib.generation.noise import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.session import OnnxModel

ROUNDS = 5
_LEAST, _LONGEST = 10, 2.0  # calls and seconds
_TURN = 40  # calls of a model before the next one's turn
_SECONDS = 0.3  # of each model in each round: long beside the clock's grain and a scheduler's slice


def images_per_second(models: Sequence[OnnxModel], *, rounds: int = ROUNDS, report: Report = silent) -> list[float]:
    """Images a second of each model on one thread, in blocks of 64: the median of ``rounds``.

    The models take turns within a round, so that what else the machine does falls on all of them alike.
    """
    inputs = [_block(model) for model in models]

    def seconds(at: int, blocks: int) -> float:
        start = time.perf_counter()
        for _ in range(blocks):
            models[at].run(inputs[at])
        return time.perf_counter() - start

    everyone = range(len(models))
    for at in everyone:  # the first call of a session allocates
        seconds(at, 1)
    blocks = [max(1, round(_SECONDS / seconds(at, 1))) for at in everyone]
    timings: list[list[float]] = [[] for _ in models]
    for number in range(rounds):
        for at in everyone:
            timings[at].append(seconds(at, blocks[at]))
        report.advance("time onnxruntime", number + 1, rounds)
    return [BLOCK * count / statistics.median(times) for count, times in zip(blocks, timings, strict=True)]


@doing("time one image")
def latencies(models: Sequence[OnnxModel], *, rounds: int = ROUNDS) -> list[float]:
    """Time of one image in ms of each model: the median over ``rounds`` of :func:`latency`'s, in turns."""
    timings: list[list[float]] = [[] for _ in models]
    for _ in range(rounds):
        for times, model in zip(timings, models, strict=True):
            times.append(latency(model, _TURN)[0])
    return [statistics.median(times) for times in timings]


def latency(model: OnnxModel, calls: int = 200) -> tuple[float, float]:
    """Median and 95th percentile, in ms, of ``calls`` calls for one image, on the calling thread alone.

    A model that is slow is called less often: two seconds in all, and ten calls at least.
    """
    single = {name: value[:1] for name, value in _block(model).items()}
    seconds: list[float] = []
    model.one(single)  # the first call of a session allocates
    since = time.perf_counter()
    while len(seconds) < calls and (len(seconds) < _LEAST or time.perf_counter() - since < _LONGEST):
        start = time.perf_counter()
        model.one(single)
        seconds.append(1000 * (time.perf_counter() - start))
    return statistics.median(seconds), sorted(seconds)[int(0.95 * len(seconds))]


def _block(model: OnnxModel) -> dict[str, NDArray[Any]]:
    return model.request(0).inputs(model.noise_dim, 0)
