"""Why a source did not give what was wanted."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence


class SourceFailure(Exception):
    """The reason, in one line."""

    def __init__(self, reason: str) -> None:
        """Whitespace and line ends in ``reason`` become single blanks; the end of a long one is kept."""
        line = " ".join(reason.split())
        super().__init__(line if len(line) <= 200 else f"... {line[-200:]}")


def run(command: Sequence[str], *, seconds: float) -> None:
    """Run a package client; :class:`SourceFailure` with its last words if it fails or takes too long."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
        )
    except OSError as error:
        raise SourceFailure(f"{command[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceFailure(f"no answer within {seconds:.0f} s") from error
    if done.returncode:
        raise SourceFailure(f"exit code {done.returncode}: {done.stderr or done.stdout}")
