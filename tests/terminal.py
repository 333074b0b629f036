"""A pseudo-terminal to run commands on, and what they showed there, piece by piece."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple


class Shown(NamedTuple):
    """All that a command wrote to its terminal."""

    code: int
    pieces: tuple[tuple[float, str], ...]
    """When each was read, in seconds since the start, and what it was."""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(piece for _, piece in self.pieces)

    @property
    def longest_silence(self) -> tuple[float, str]:
        """Seconds of the longest silence, and what stood last on the screen before it."""
        ends = (*(at for at, _ in self.pieces), self.pieces[-1][0])
        gaps = [(ends[0], "the start"), *((ends[i + 1] - ends[i], self.pieces[i][1]) for i in range(len(self.pieces)))]
        return max(gaps)


def run(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], seen: Callable[[str], None] = lambda text: None
) -> Shown:
    """Run ``command`` on a terminal of 200 columns to its end; ``seen`` is told all that was shown so far."""
    master, slave = pty.openpty()
    began, pieces = time.monotonic(), list[tuple[float, str]]()
    with subprocess.Popen(
        command, cwd=cwd, stdin=slave, stdout=slave, stderr=slave,
        env={**environment, "COLUMNS": "200", "LINES": "50", "TERM": "xterm"},
    ) as child:  # fmt: skip
        os.close(slave)
        text = ""
        try:
            while piece := os.read(master, 65536).decode(errors="replace"):
                pieces.append((time.monotonic() - began, piece))
                text += piece
                seen(text)
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(master)
    return Shown(child.returncode, tuple(pieces))
