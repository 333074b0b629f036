"""What can go wrong, in the user's words. The command line prints these in one line, without a traceback.

Exit codes follow sysexits where one fits: 2 for the user's mistake or damaged input, 75 (EX_TEMPFAIL) for a
service that cannot be reached now, 1 for a job that ran and failed.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from ganlib.core.redact import redacted


class GanlibError(Exception):
    """Base of all expected failures: what happened, what was kept, what to do next."""

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        """``message`` is cleared of passwords: much of it is other programs' words."""
        super().__init__(redacted(message))


class BadInput(GanlibError):
    """A value, name or file the user gave cannot be used. Nothing was changed."""

    exit_code = 2


class Corrupt(BadInput):
    """Bytes are not what their checksum says."""

    def __init__(self, what: object, *, expected: str, actual: str, hint: str = "", algorithm: str = "sha256") -> None:
        """``what`` names the file; ``expected`` and ``actual`` are lower-case hex digests by ``algorithm``."""
        end = f" {hint}" if hint else ""
        super().__init__(f"{what} is damaged: expected {algorithm} {expected}, found {actual}.{end}")
        self.expected, self.actual = expected, actual


class NoSpace(BadInput):
    """The file system cannot hold what is about to be written."""

    def __init__(self, path: object, *, need: int | None, free: int, detail: str = "") -> None:
        """``need`` and ``free`` are bytes, ``need`` where it is known; ``detail``: of the program that met it."""
        how_much = f"{need:,} bytes needed, {free:,} free" if need else f"{free:,} bytes free"
        super().__init__(
            f"no space at {path}: {how_much}{f' ({detail})' if detail else ''}. "
            "What is already there was kept; free some space and run the same command again."
        )


class ReadOnly(BadInput):
    """A file or folder may not be written by this process, or its file system is read-only."""


class Unavailable(GanlibError):
    """A service cannot be reached just now: nothing was decided, nothing was changed, try again."""

    exit_code = 75


class Interrupted(GanlibError):
    """The user or the system asked the job to stop; state was saved."""

    exit_code = 130


_MOST_NAMES = 40  # names that still make one line


def unknown(kind: str, name: str, choices: Iterable[str]) -> BadInput:
    """Return the error for a name that is not among ``choices``, with the nearest; of many, the first are listed."""
    names = sorted(choices)
    listing = names if len(names) <= _MOST_NAMES else [*names[:_MOST_NAMES], f"... ({len(names):,} in all)"]
    near = get_close_matches(name, names, n=1, cutoff=0.4) or get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    offer = f" Did you mean {near[0]!r}?" if near else ""
    return BadInput(f"unknown {kind} {name!r}.{offer} Known: {', '.join(listing) or 'none'}.")
