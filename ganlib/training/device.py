"""Which device, how many threads."""

from __future__ import annotations

import torch

from ganlib.errors import BadInput
from ganlib.processes import usable_cores


def prepare(name: str, threads: int) -> torch.device:
    """The device called ``name`` (auto, cpu, cuda, cuda:N), with torch's threads set (0: all usable cores).

    Raises:
        BadInput: CUDA is asked for and there is none, or the card has no such number.
    """
    torch.set_num_threads(threads or usable_cores())
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise BadInput(f"no CUDA device here for --device {name}: use --device cpu, or auto.")
        if (device.index or 0) >= torch.cuda.device_count():
            raise BadInput(f"--device {name}: this machine has {torch.cuda.device_count()} CUDA device(s).")
        torch.set_float32_matmul_precision("high")  # TF32: ample for these nets, and several times as fast
    return device
