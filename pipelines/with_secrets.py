"""Run any command with the secrets of files in its environment, as a container's entry point does."""

from __future__ import annotations

import os
import sys

from ganlib.cli.app import fail


def main() -> None:
    """Become the command that the command line names: :func:`pipelines.environment.prepare` has read the files."""
    words = sys.argv[1:]
    if not words:
        fail("with_secrets takes a command, as in: python -m pipelines with_secrets mlflow server", 2)
    try:
        os.execvp(words[0], words)  # noqa: S606  (no shell is wanted)
    except OSError as error:
        fail(f"cannot run {words[0]}: {error.strerror}", 2)
