"""Every family's graph in other runtimes than onnxruntime for Python: the same images, and how fast (docs/runtimes.md).

    python -m benchmarks.runtimes --python VENV/bin/python --node FOLDER
    python -m benchmarks.runtimes champion model.onnx

The first trains every family for a few steps in this project. Limit: no pixel of any of them is off by more than one
level in any runtime that is there and opens the graph.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganlib import families
from ganlib.cli.app import perhaps_project
from ganlib.export import contract
from ganlib.jobs.measuring.runtimes import RUNTIMES, RuntimeResult, check_runtimes
from ganlib.jobs.models import fetch


def main(words: Sequence[str]) -> int:
    """Print a row for each graph and runtime. 1 if a runtime draws other images."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.runtimes", description="See docs/runtimes.md.")
    parser.add_argument("models", nargs="*", help="as `ganlib export` takes them; none: every family, trained briefly")
    parser.add_argument("--python", type=Path, help="the interpreter that has the runtimes of PyPI")
    parser.add_argument("--node", type=Path, help="the folder whose node_modules has those of npm")
    parser.add_argument("--runtimes", nargs="+", default=list(RUNTIMES), help="which; default: all")
    args = parser.parse_args(words)
    others, seen = 0, set()
    print("| graph | nodes | runtime | largest difference | off, a million pixels | images/s | onnxruntime's = 1 |")
    print("|---|---|---|---|---|---|---|")
    for name, path in _models(args.models):
        content = path.read_bytes()
        family = contract.describe(content, name).metadata.get("family", name)
        nodes = len(contract.parse(content, name).graph.node)
        check = check_runtimes(path, name, python=args.python, node=args.node, names=args.runtimes)
        for result in check.results:
            print(f"| {family} | {nodes} | {_row(result)} |", flush=True)
            others += result.fault is None and not result.ok
            seen |= {(result.runtime, result.version)} if result.version else set()
    print(", ".join(f"{runtime} {version}" for runtime, version in sorted(seen)))
    print(f"limit, one level: {'MISSED' if others else 'kept'}")
    return int(others > 0)


def _row(result: RuntimeResult) -> str:
    if result.fault is not None:
        return f"{result.runtime} | {result.fault} | | |"
    return (
        f"{result.runtime} | {result.max_pixel_difference} | {result.differing:.0f} | "
        f"{result.images_per_second:,.0f} | {result.speed:.2f}"
    )


def _models(references: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for reference in references:
        yield reference, fetch(*perhaps_project(reference), reference).path
    for family in () if references else families.names():
        command = [sys.executable, "-m", "ganlib", "train", family, "--budget", "smoke", "--json"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        yield family, Path(json.loads(done.stdout)["onnx"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
