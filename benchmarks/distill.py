"""How much faster a student can be and still be as good as its teacher (docs/distillation.md).

    python -m benchmarks.distill champion                          # students 2, 3, 4 and 8 times as fast
    python -m benchmarks.distill 1 4 7 --speeds 3 --budget demo    # of a dcgan, an r3gan and a cgan

In a project with these versions: `ganlib distill` makes each student, which becomes a version, and times it beside its
teacher, in turns, on one and on two threads. Limits, of those that are to be 3 times as fast: the rounds' median is at
least that on either number of threads; the FID's upper bound (paired bootstrap, `gate.level` as a first challenger
spends it) is higher by less than 5% of the teacher's plus what real images have; and all of it takes 20 minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from benchmarks.rounds import run
from ganlib.cli.app import open_project
from ganlib.config import Params
from ganlib.core import progress
from ganlib.core.project import Project
from ganlib.jobs.promotion.distill import distill
from ganlib.jobs.promotion.distillation import Distillation
from ganlib.registry.registry import Registry
from ganlib.registry.resolve import resolve_version
from ganlib.registry.rivals import improvement, margin
from ganlib.tracking.store import connect

PROMISED, SECONDS = 3.0, 1200.0


def main(words: Sequence[str]) -> int:
    """Print a row for each student. 1 if a limit is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distill", description="See docs/distillation.md.")
    parser.add_argument("versions", nargs="+", metavar="VERSION")
    parser.add_argument("--speeds", type=float, nargs="+", default=[2.0, PROMISED, 4.0, 8.0])
    parser.add_argument("--budget", help="a row of `budgets`; default: train.budget")
    parser.add_argument("--rounds", type=int, default=9, help="of the timings")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args(words)
    project, params = open_project(args.overrides)
    print(
        "| teacher | times | width | images/s, one thread | two threads | FID | teacher's | higher by at most | limit |"
        " seconds, all | |\n|---|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    misses, last = 0, None
    for version in args.versions:
        for speed in args.speeds:
            start = time.perf_counter()
            with progress.console(as_json=False) as report:
                last = distill(
                    project, params, version, speed=speed, budget=args.budget, overrides=args.overrides,
                    rounds=args.rounds, report=report,
                )  # fmt: skip
            misses |= _row(project, params, last, time.perf_counter() - start)
    if last:
        after = last.after
        print(
            f"\n{after.n:,} images of seed {after.seed}, real images' FID {after.floor_fid}, judge "
            f"{after.judge_sha256[:12]}, data {after.data_version[:12]}; {last.speedups[0].machine}"
        )
    return misses


def _row(project: Project, params: Params, found: Distillation, seconds: float) -> int:
    """Print what came of one; 1 if a limit is missed."""
    student, teacher = (
        resolve_version(Registry(connect(project), params.registry.model), reference)
        for reference in (str(found.version), found.teacher)
    )
    change = improvement(student, teacher, params.gate.level, 0)
    limit = margin(found.before, found.before.deciding, params.gate)
    good = change is not None and -change.bound < limit
    words = ""
    if found.speed == PROMISED:
        words = "kept" if found.fast and good and seconds <= SECONDS else "MISSED"
    width = f"{found.width} of {found.teacher_width}"
    one, two = (f"{each.value:.2f} [{each.least:.2f}, {each.most:.2f}]" for each in found.speedups)
    print(
        f"| {found.teacher} ({found.family}) | {found.speed:g} | {width} | {one} | {two} "
        f"| {found.after.fid} | {found.before.fid} | {-change.bound if change else float('nan'):.3g} | {limit:.3g} | "
        f"{seconds:.0f} | {words} |",
        flush=True,
    )
    return int(words == "MISSED")


if __name__ == "__main__":
    run(main)
