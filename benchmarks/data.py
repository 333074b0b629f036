"""Memory and speed of bringing images in: `python -m benchmarks.data [COUNT]` versions as many PNGs of 64x64x3."""

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
"""Peak memory of versioning over the bytes of the array."""
_MEASURE = """
import json, resource, sys
from pathlib import Path
from ganlib.core.project import Project
from ganlib.jobs.data.version_data import version_data
data = version_data(Project(Path(sys.argv[1])), source=Path(sys.argv[2]))
kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
print(json.dumps({"counts": data.counts, "kib": [resource.getrusage(kind).ru_maxrss for kind in kinds]}))
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
    """Print pictures a second and the peak of memory; exit with 1 if that is more than it may be."""
    from tests.unit.data.builders import dvc_project

    count = int(float(sys.argv[1])) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as name:
        project = dvc_project(Path(name) / "project")
        write_pictures(Path(name) / "pictures", count)
        begun = time.monotonic()
        command = [sys.executable, "-c", _MEASURE, str(project.root), f"{name}/pictures"]
        done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - begun
    if done.returncode:
        sys.exit(done.stderr)
    found = json.loads(done.stdout)
    array, peak = count * 3 * SIDE**2, max(found["kib"]) * 1024
    print(f"{count:,} pictures of {SIDE}x{SIDE}x3 ({array / 1e6:,.0f} MB as an array): {found['counts']}")
    print(f"{count / seconds:,.0f} pictures a second; peak memory of a process {peak / 1e6:,.0f} MB")
    print(f"{peak / array:.2f} of the array (limit {MOST} at 100,000)")
    sys.exit(int(count >= 100_000 and peak > MOST * array))


if __name__ == "__main__":
    main()
