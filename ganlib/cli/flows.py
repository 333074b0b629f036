"""Start a Prefect flow: ganlib knows no orchestrator, so it becomes ``python -m pipelines.NAME``."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def start(
    flow: str, *, families: str | None, budget: str | None, overrides: list[str] | None, as_json: bool
) -> NoReturn:
    """Replace this process by the flow, so that signals, output and exit code are the flow's own."""
    words = [sys.executable, "-m", f"pipelines.{flow}"]
    words += [f"--{name}={value}" for name, value in (("families", families), ("budget", budget)) if value]
    words += [f"--set={override}" for override in overrides or []]
    words += ["--json"] if as_json else []
    sys.stdout.flush()
    os.execv(sys.executable, words)  # noqa: S606
