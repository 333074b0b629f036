"""One GPU for several processes at once.

Without NVIDIA's multi-process service (MPS) the kernels of two processes take turns on a card, of which those of small
nets fill a small part. Those of the service's clients run at once: https://docs.nvidia.com/deploy/mps
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ganlib.core.events import Remark
from ganlib.core.progress import Report, doing

DRIVER = Path("/proc/driver/nvidia/version")
"""Is there where NVIDIA's driver is."""
CONTROL = "nvidia-cuda-mps-control"
_PIPES, _LOGS = "CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"
PROBE = "import torch; torch.zeros(1, device='cuda').item()"
"""Python that a process must be able to run by the service: with ``train.device: auto`` one that cannot would train on
the processor, and nobody would know why."""
_SECONDS = 30


@contextmanager
def shared_gpu(jobs: int, device: str, report: Report) -> Iterator[dict[str, str]]:
    """Provide the environment variables of ``jobs`` processes that use one GPU at once, with the service for them.

    Where there is one job, the processor is to be used, NVIDIA's driver is not here, or its service runs already,
    there are none, and nothing is started. What hinders the service is told, and the processes take turns on the card.

    Args:
        jobs: processes at once.
        device: ``train.device``.
        report: told once whether they run at once or take turns.
    """
    if jobs == 1 or device == "cpu" or not DRIVER.exists() or _answers("get_server_list", os.environ):
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="ganlib-mps-", ignore_cleanup_errors=True) as folder:
        variables = {_PIPES: folder, _LOGS: folder}
        environment = {**os.environ, **variables}
        with doing("start NVIDIA's multi-process service"):
            problem = _start(environment, Path(folder)) or _probe(environment)
        words = (
            f"they take turns, as {problem}" if problem else f"at once, by NVIDIA's multi-process service in {folder}"
        )
        report.event(Remark("gpu", {f"{jobs} processes on one card": words}))
        try:
            yield {} if problem else variables
        finally:
            if not problem:
                _answers("quit", environment)


def _start(environment: Mapping[str, str], folder: Path) -> str | None:
    """Start the service; what hinders it, in words."""
    if not shutil.which(CONTROL):
        return f"{CONTROL}, which comes with NVIDIA's driver, is not on the PATH"
    output = folder / "start.log"  # not a pipe: who stays in the background would hold it open
    try:
        with output.open("w") as file:
            done = subprocess.run(
                [CONTROL, "-d"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                timeout=_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{CONTROL} cannot be started: {error}"
    if done.returncode:
        answer = " ".join(output.read_text(errors="replace").split())
        return f"{CONTROL} ended with {done.returncode}: {answer or 'without a word'}"
    return None


def _probe(environment: Mapping[str, str]) -> str | None:
    """Have a first process use the card by the service; where it cannot, end the service and say why."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            env=environment,
            capture_output=True,
            text=True,
            timeout=4 * _SECONDS,
            check=False,
        )
        if done.returncode == 0:
            return None
        answer = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    except subprocess.TimeoutExpired as error:
        answer = str(error)
    _answers("quit", environment)
    return f"a first process by NVIDIA's multi-process service could not use it: {answer}"


def _answers(word: str, environment: Mapping[str, str]) -> bool:
    """Tell the service where ``environment`` says ``word``; whether there is one."""
    try:
        done = subprocess.run(
            [CONTROL], input=f"{word}\n", env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
