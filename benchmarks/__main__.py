"""`make bench`: run all benchmarks, or those named, and print the figures (median, and the range over the rounds)."""

from __future__ import annotations

import statistics
import sys

from benchmarks import generation, startup, training
from ganlib.cli.app import settle_environment


def main() -> None:
    """Rounds alternate between the two sides, so that a busy moment of the machine hits both."""
    settle_environment()
    modules = {"startup": startup, "training": training, "generation": generation}
    for name in sys.argv[1:] or modules:
        for title, ratios in modules[name].run():
            median, low, high = statistics.median(ratios), min(ratios), max(ratios)
            print(f"{title:78} {median:5.2f}  [{low:.2f}, {high:.2f}] over {len(ratios)} rounds", flush=True)


main()
