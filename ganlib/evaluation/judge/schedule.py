"""How long a judge is trained, and how: one cycle of AdamW."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganlib.core.progress import Report

BATCH = 64
_PEAK = 0.003  # learning rate
_IMAGES, _AMONG = 60_000, 5_000  # images seen in training on so many: a minute of 3x32x32 on one thread


def steps_for(images: int) -> int:
    """Return the steps of training on so many images: few are seen more often, which takes less time all the same.

    200 images are seen 32 times each, 5,000 twelve times, 60,000 between five and six times.
    """
    batches = _IMAGES * math.pow(images / _AMONG, 0.7) / BATCH
    return max(1, round(batches))


def one_cycle(net: nn.Module, steps: int, loss: Callable[[int], Tensor], report: Report) -> None:
    """Train ``net`` on ``loss(step)`` with a one-cycle schedule (Smith and Topin 2018), whose rate ends at zero.

    ``report`` is told of the loss and of the seconds that are left.
    """
    optimizer = torch.optim.AdamW(net.parameters(), _PEAK, weight_decay=0.02, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _PEAK, total_steps=steps, pct_start=0.15)
    start = time.monotonic()
    net.train()
    for step in range(steps):
        value = loss(step)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if step % 20 == 19:
            left = (time.monotonic() - start) * (steps - step - 1) / (step + 1)
            report.advance("train judge", step + 1, steps, {"loss": value.item(), "seconds left": round(left)})
    report.advance("train judge", steps, steps)
