"""Memory and speed with many images: `python -m benchmarks.data [COUNT]` versions as many PNGs of 64x64x3, and trains.

The training is of `dcgan` for some steps, in a process of its own, with all that a run does up to its exported graph.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, FOLDERS = 64, 10
MOST = 1.5
"""Peak memory of versioning, and of training, over the bytes of the array."""
_MEASURE = """
import json, resource, sys
from pathlib import Path
from ganlib.core.project import Project
from ganlib.config import load
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.training.train import train
project = Project(Path(sys.argv[1]))
if len(sys.argv) > 2:
    counts = version_data(project, source=Path(sys.argv[2])).counts
else:
    params = load(project.params_file, ["budgets.smoke={steps: 50, seconds: 190}"])
    counts = {"steps": train(project, params, "dcgan", budget="smoke").steps}
kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(json.dumps({"counts": counts, "kib": [resource.getrusage(kind).ru_maxrss for kind in kinds]}))
"""


def write_pictures(folder: Path, count: int) -> None:
    """Write ``count`` smooth pictures in colour, in ten classes."""
    random = np.random.default_rng(0)
    for place in range(count):
        path = folder / f"class {place % FOLDERS}" / f"{place:06d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        small = Image.fromarray(random.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, compress_level=1)


def main() -> None:
    """Print pictures a second and the peaks of memory; exit with 1 if one is more than it may be."""
    from tests.unit.data.builders import dvc_project

    count = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000
    array = count * 3 * SIDE**2
    print(f"{count:,} pictures of {SIDE}x{SIDE}x3, {array / 1e6:,.0f} MB as an array; limit {MOST} of it at 100,000")
    with tempfile.TemporaryDirectory() as name:
        project = dvc_project(Path(name) / "project")
        write_pictures(Path(name) / "pictures", count)
        shares = [_measure(project.root, array, f"{name}/pictures"), _measure(project.root, array)]
    sys.exit(int(count >= 100_000 and max(shares) > MOST))


def _measure(root: Path, array: int, *source: str) -> float:
    """Version the pictures at ``source``, or train; the largest process's memory as a share of ``array`` bytes."""
    start = time.monotonic()
    command = [sys.executable, "-c", _MEASURE, str(root), *source]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    figures = json.loads(done.stdout.splitlines()[-1])
    peak = max(figures["kib"]) * 1024
    what = "versioned" if source else "trained on"
    print(
        f"{what} in {time.monotonic() - start:,.0f} s: {figures['counts']}; peak memory of a process "
        f"{peak / 1e6:,.0f} MB, {peak / array:.2f} of the array",
        flush=True,
    )
    return peak / array


if __name__ == "__main__":
    main()
