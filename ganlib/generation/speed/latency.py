"""How fast a graph makes images."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ganlib.core.processes import machine
from ganlib.core.progress import Report, doing, silent
from ganlib.evaluation.evaluate import Speedup
from ganlib.generation.noise import BLOCK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.session import OnnxModel

ROUNDS = 5
_LEAST, _LONGEST = 10, 2.0  # calls and seconds
_TURN = 40  # calls of a model before the next one's turn
_SECONDS = 0.3  # of each model in each round: long beside the clock's grain and a scheduler's slice


def images_per_second(models: Sequence[OnnxModel], *, rounds: int = ROUNDS, report: Report = silent) -> list[float]:
    """Images a second of each model on one thread: the median of what :func:`side_by_side` gives."""
    return [statistics.median(each) for each in side_by_side(models, rounds=rounds, report=report)]


def side_by_side(
    models: Sequence[OnnxModel],
    *,
    rounds: int = ROUNDS,
    threads: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    report: Report = silent,
) -> list[list[float]]:
    """Images a second of each model in each of ``rounds``, in blocks of 64, ``threads`` of them at a time.

    The models take turns within a round, so that what else the machine does falls on all of them alike. With one thread
    and ``time.thread_time`` as the ``clock`` it hardly falls on them at all: those are seconds of the processor.
    """
    inputs = [_block(model) for model in models]

    def draw(at: int, blocks: int) -> None:
        for _ in range(blocks):
            models[at].run(inputs[at])

    def seconds(at: int, blocks: int) -> float:
        start = clock()
        others = [pool.submit(draw, at, blocks) for _ in range(threads - 1)]
        draw(at, blocks)
        for each in others:
            each.result()
        return clock() - start

    everyone = range(len(models))
    with ThreadPoolExecutor(max(1, threads - 1)) as pool:
        for at in everyone:  # the first call of a session allocates
            seconds(at, 1)
        blocks = [max(1, round(_SECONDS / seconds(at, 1))) for at in everyone]
        speeds: list[list[float]] = [[] for _ in models]
        for number in range(rounds):
            for at in everyone:
                speeds[at].append(BLOCK * threads * blocks[at] / seconds(at, blocks[at]))
            report.advance("time onnxruntime", number + 1, rounds)
    return speeds


def speedups(
    model: OnnxModel, rival: OnnxModel, *, rounds: int = ROUNDS, report: Report = silent
) -> tuple[Speedup, ...]:
    """How many times as many images a second as ``rival`` the ``model`` draws, on one and on two threads."""
    return tuple(_speedup(model, rival, threads, rounds, report) for threads in (1, 2))


def _speedup(model: OnnxModel, rival: OnnxModel, threads: int, rounds: int, report: Report) -> Speedup:
    own, other = side_by_side([model, rival], rounds=rounds, threads=threads, report=report)
    ratios = [a / b for a, b in zip(own, other, strict=True)]
    return Speedup(
        rival=rival.sha256,
        value=statistics.median(ratios),
        least=min(ratios),
        most=max(ratios),
        rounds=rounds,
        threads=threads,
        images_per_second=statistics.median(own),
        machine=machine(),
    )


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
