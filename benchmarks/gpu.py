"""What a CUDA device makes of each family: images a second by how its steps are run, and how near the time floor.

The floor is the larger of two times: the step's floating-point operations at the rate that a large matrix product
reaches here, and the fewest bytes at the rate that a large copy does. Those bytes are Adam's (7 floats for each trained
parameter: weight, gradient and two moments read, all but the gradient written), the moving average's (3) and the batch.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import mean
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from ganlib import families
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.base import Family
from ganlib.training.device import prepare
from ganlib.training.distributed import ALONE
from ganlib.training.ema import Ema
from ganlib.training.step import Precision, Step, compile_nets

BATCH = int(os.environ.get("GANLIB_BENCH_BATCH", "128"))
SECONDS = float(os.environ.get("GANLIB_BENCH_SECONDS", "1"))
NAMES = os.environ.get("GANLIB_BENCH_FAMILIES", "").split() or families.names()
COMPILE = os.environ.get("GANLIB_BENCH_COMPILE", "dcgan vae").split()
"""Compiling takes longer than all else here."""
_CYCLE = 48
"""Steps after which penalties and critic steps have come round."""


def main() -> None:
    """Print a table, and a line of JSON for each measurement."""
    device = prepare("cuda", 0)
    console = Console(width=140)
    peaks = _peaks(device)
    print(json.dumps({"device": torch.cuda.get_device_name(), "torch": torch.__version__, "batch": BATCH, **peaks}))
    lines = []
    for name in NAMES:
        for way, precision, graphs, compiling in _ways(name):
            try:
                row = _measure(name, device, precision, peaks, graphs=graphs, compiling=compiling)
            except Exception as error:
                row = {"error": f"{type(error).__name__}: {error}"[:300]}
            print(json.dumps({"family": name, "way": way, **row}), flush=True)
            lines.append((name, way, row))
    shown = Table(title=f"{torch.cuda.get_device_name()}, batch {BATCH}")
    for column in ("family", "steps run", "images/s", "us a step", "busy %", "MFLOP/image", "floor us", "floor / step"):
        shown.add_column(column, justify="left" if column in ("family", "steps run") else "right")
    for name, way, row in lines:
        shown.add_row(name, way, *(["-"] * 6 if "error" in row else _cells(row)))
    console.print(shown)


def _cells(row: dict[str, float]) -> list[str]:
    return [
        f"{row['images_per_second']:,.0f}", f"{row['step_us']:.0f}", f"{row['busy']:.0f}", f"{row['mflop_image']:.1f}",
        f"{row['floor_us']:.1f}", f"{row['floor_us'] / row['step_us']:.3f}",
    ]  # fmt: skip


def _ways(name: str) -> Iterator[tuple[str, Precision, bool, bool]]:
    yield "one by one", "fp32", False, False
    yield "graphs", "fp32", True, False
    yield "graphs, bf16", "bf16", True, False
    if name in COMPILE:
        yield "graphs, compiled", "fp32", True, True
        yield "graphs, bf16, compiled", "bf16", True, True


def _measure(
    name: str, device: torch.device, precision: Precision, peaks: dict[str, float], *, graphs: bool, compiling: bool
) -> dict[str, float]:
    torch.manual_seed(0)
    family = families.build(name, families.options(name, {"batch_size": BATCH}), MNIST)
    family = family.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    family.horizon = 10**9 if name == "vqgan" else 1  # vqgan's first stage; the others' whole nets
    ema = Ema(family.generator, family.options.ema_half_life)
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (8192, 1, 28, 28), np.uint8), random.integers(0, 10, 8192)
    data = DeviceBatches(images, labels, BATCH, 0, device, ranks=random.random((8192, 3), np.float32))
    flops = _flops(family, data)
    if compiling:
        compile_nets(family)
    take = Step(family, data, ALONE, precision=precision, graphs=graphs)
    done = 0

    def step() -> None:
        nonlocal done
        torch.manual_seed(done)
        take(10_000 + done)
        done += 1
        ema.update(family.generator, batch=BATCH, images_seen=10**9)

    for _ in range(4 * _CYCLE if graphs else _CYCLE):
        step()
    torch.cuda.synchronize()
    first, begun = done, time.monotonic()
    with _busy() as busy:
        while time.monotonic() - begun < SECONDS:
            for _ in range(_CYCLE):
                step()
            torch.cuda.synchronize()
    seconds = (time.monotonic() - begun) / (done - first)
    parameters = sum(p.numel() for p in family.parameters())
    traffic = 28 * parameters + 12 * sum(p.numel() for p in family.generator.parameters()) + 784 * BATCH
    floor = max(flops / peaks[f"{precision}_flops"], traffic / peaks["bytes"])
    return {
        "images_per_second": BATCH / seconds, "step_us": 1e6 * seconds, "busy": mean(busy) if busy else 0.0,
        "mflop_image": flops / BATCH / 1e6, "floor_us": 1e6 * floor,
    }  # fmt: skip


def _flops(family: Family, data: DeviceBatches) -> float:
    """Of a step, on average over one cycle, counted operator by operator."""
    take = Step(family, data, ALONE, graphs=False)
    with _Counter() as counter:
        for step in range(10_000, 10_000 + _CYCLE):
            take(step)
    return counter.total / _CYCLE


class _Counter(TorchDispatchMode):
    """torch's own formulas; its FlopCounterMode cannot be around a gradient's gradient."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if formula := flop_registry.get(func._overloadpacket):  # noqa: SLF001  (torch has no other word for an overload's operator)
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


@contextmanager
def _busy() -> Iterator[list[int]]:
    """Inside, the share of the time in which a kernel ran, in percent, as the driver says it ten times a second."""
    found: list[int] = []
    end = threading.Event()

    def look() -> None:
        while not end.wait(0.1):
            found.append(torch.cuda.utilization())

    try:
        torch.cuda.utilization()
    except Exception:
        yield found
        return
    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        end.set()
        thread.join()


def _peaks(device: torch.device) -> dict[str, float]:
    """Operations a second of a large matrix product, and bytes a second of a large copy, read and written."""

    def product(dtype: torch.dtype) -> float:
        left, right = (torch.randn(8192, 8192, device=device, dtype=dtype) for _ in range(2))
        return 2 * 8192**3 / _seconds(lambda: left @ right)

    source = torch.randn(2**28, device=device)
    return {
        "fp32_flops": product(torch.float32),
        "bf16_flops": product(torch.bfloat16),
        "bytes": 2 * source.nbytes / _seconds(lambda: source.clone()),
    }


def _seconds(work: Callable[[], Tensor], times: int = 10) -> float:
    for _ in range(3):
        work()
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(times):
        work()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000 / times


if __name__ == "__main__":
    main()
