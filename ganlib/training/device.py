"""Which device, how many threads, in what precision."""

from __future__ import annotations

import ctypes
import os
import sys

import torch

from ganlib.core.errors import BadInput
from ganlib.core.processes import usable_cores

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def prepare(name: str, threads: int, *, allow_cpu: bool = False) -> torch.device:
    """Return the device called ``name`` (auto, cpu, cuda, cuda:N), with torch's threads set.

    Of several processes on this machine (torchrun), each takes its own card and its share of the cores.

    Args:
        name: see above.
        threads: of this process; 0: what OMP_NUM_THREADS says, or else all usable cores.
        allow_cpu: take the CPU where CUDA is asked for and there is none.

    Raises:
        BadInput: CUDA is asked for and there is none, or the card has no such number.
    """
    local, beside = int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    setting = os.environ.get("OMP_NUM_THREADS", "")
    if not threads and beside == 1 and setting.isdecimal():  # torchrun says 1 to each of several
        threads = int(setting)
    torch.set_num_threads(threads or max(1, usable_cores() // beside))
    available = torch.cuda.is_available()
    if name == "auto" or (allow_cpu and not available):
        name = "cuda" if available else "cpu"
    device = torch.device(name)
    if device.type == "cpu":
        _keep_memory()
    if device.type == "cuda":
        if not available:
            raise BadInput(f"no CUDA device here for --device {name}: use --device cpu, or auto, or --allow-cpu.")
        if device.index is None:
            device = torch.device("cuda", local if beside > 1 else 0)
        if device.index >= torch.cuda.device_count():
            raise BadInput(f"--device {device}: this machine has {torch.cuda.device_count()} CUDA device(s).")
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")  # TF32: ample for these nets, and several times as fast
        torch.backends.cudnn.allow_tf32 = True  # the default, and stated: convolutions too
    return device


def _keep_memory() -> None:
    """Have glibc keep what is freed, up to half a gigabyte, for the next step's tensors.

    By default it gives large blocks back, and gets them again with every page zeroed at its first touch, which took a
    sixth of dcgan's step (docs/decisions/0006-threads.md).
    """
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
        mallopt(_M_TRIM_THRESHOLD, 512 << 20)
