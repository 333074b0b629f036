"""Whether a graph draws the same images in other runtimes than onnxruntime for Python, and how fast."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ganlib.core import tables
from ganlib.core.errors import BadInput, unknown
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.export import runtimes as probes
from ganlib.generation.session import OnnxModel

if TYPE_CHECKING:
    import numpy as np

IMAGES, SECONDS = 256, 2.0
"""Images that are compared; seconds over which a call is timed."""
_LIMIT = 600  # seconds until a runtime is given up
_OURS = "onnxruntime"


class _Runtime(NamedTuple):
    install: str
    module: str = ""
    """What Python imports."""
    package: str = ""
    """Of npm."""
    program: str = ""
    """That has to be there as well."""


RUNTIMES: Mapping[str, _Runtime] = {
    _OURS: _Runtime("pip install onnxruntime", "onnxruntime"),
    "openvino": _Runtime("pip install openvino", "openvino"),
    "iree": _Runtime("pip install iree-base-compiler iree-base-runtime", "iree.compiler"),
    "tinygrad": _Runtime("pip install tinygrad; clang", "tinygrad", program="clang"),
    "onnxruntime-node": _Runtime("npm install onnxruntime-node", package="onnxruntime-node", program="node"),
    "onnxruntime-web": _Runtime("npm install onnxruntime-web", package="onnxruntime-web", program="node"),
    "webgpu": _Runtime(
        "npm install onnxruntime-web; pip install playwright; chromium",
        *("playwright", "onnxruntime-web", "chromium"),
    ),
}
"""By name, and how each is installed. ``webgpu`` is onnxruntime-web on a GPU, or on what Chromium has in its place."""


class RuntimeResult(Record):
    """What one runtime made of the graph, on one thread."""

    runtime: str
    version: str | None = None
    absent: bool = False
    """Whether the runtime is not installed."""
    fault: str | None = None
    """Why there are no images; None: there are."""
    max_pixel_difference: int | None = None
    """Levels, from onnxruntime's."""
    differing: float | None = None
    """Pixels of a million that are off by any level."""
    images_per_second: float | None = None
    speed: float | None = None
    """Images a second, onnxruntime's being 1."""

    @property
    def ok(self) -> bool:
        """Whether the images are onnxruntime's, but for rounding: no pixel is off by more than one level."""
        return self.max_pixel_difference is not None and self.max_pixel_difference <= 1


class RuntimeCheck(Record):
    """One graph in several runtimes."""

    model: str
    sha256: str
    images: int
    results: tuple[RuntimeResult, ...]

    @property
    def ok(self) -> bool:
        """Whether every runtime that is there draws onnxruntime's images."""
        return all(result.ok for result in self.results if not result.absent)

    def summary(self) -> str:
        """Return a table for people, a row a runtime."""
        from rich.table import Table

        table = Table(
            "runtime", "version", "images", "largest difference", "off, a million pixels", "images/s", "speed"
        )
        for result in self.results:
            if result.fault is not None:
                table.add_row(result.runtime, result.version or "", result.fault)
                continue
            table.add_row(
                result.runtime,
                result.version,
                "the same" if result.ok else "OTHERS",
                str(result.max_pixel_difference),
                f"{result.differing:.0f}",
                f"{result.images_per_second:,.0f}",
                f"{result.speed:.2f}",
            )
        return f"{self.model}: {self.images} images of seed 0, one thread\n{tables.text(table)}"


def check_runtimes(
    path: Path,
    reference: str,
    *,
    python: Path | None = None,
    node: Path | None = None,
    names: Sequence[str] = tuple(RUNTIMES),
    report: Report = silent,
) -> RuntimeCheck:
    """Draw the same images of the graph at ``path`` in every runtime that is there, each in a process of its own.

    Args:
        path: the ONNX file.
        reference: what a user calls it.
        python: the interpreter of an environment that has the runtimes of PyPI; None: this one.
        node: the folder whose ``node_modules`` has those of npm; None: the working folder.
        names: of :data:`RUNTIMES`; onnxruntime itself, which the others are held against, always comes first.
        report: told of each runtime.

    Raises:
        BadInput: no such interpreter, folder or runtime, or the file is no model of ours.
    """
    model = OnnxModel(path)
    interpreter, modules = str(python or sys.executable), node or Path.cwd()
    if shutil.which(interpreter) is None:
        raise BadInput(f"{interpreter} is no program; --python takes an environment's, such as VENV/bin/python.")
    if node is not None and not (node / "node_modules").is_dir():
        raise BadInput(f"{node} has no folder node_modules; there: npm install onnxruntime-node onnxruntime-web")
    for name in names:
        if name not in RUNTIMES:
            raise unknown("runtime", name, RUNTIMES)
    order = [_OURS, *(name for name in names if name != _OURS)]
    with tempfile.TemporaryDirectory(prefix="ganlib-runtimes-") as name:
        folder = Path(name)
        _write(model, folder)
        ours, results = model.draw(model.request(0), 0, IMAGES), []
        for number, runtime in enumerate(order):
            report.advance("runtimes", number, len(order))
            results.append(_result(runtime, _words(runtime, interpreter, modules), folder, ours, modules))
        report.advance("runtimes", len(order), len(order))
    speed = results[0].images_per_second
    return RuntimeCheck(
        model=reference,
        sha256=model.sha256,
        images=IMAGES,
        results=tuple(
            result.model_copy(update={"speed": result.images_per_second / speed})
            if speed and result.images_per_second
            else result
            for result in results
        ),
    )


def _write(model: OnnxModel, folder: Path) -> None:
    """The files that the probes read: the graph, and the inputs of the images 0 to IMAGES - 1 of seed 0."""
    inputs = model.request(0).rows(model.noise_dim, 0, IMAGES)
    kinds = {name: {"dtype": str(values.dtype), "shape": values.shape} for name, values in inputs.items()}
    shutil.copy(model.path, folder / "model.onnx")
    (folder / "inputs.json").write_text(json.dumps(kinds))
    for name, values in inputs.items():
        (folder / f"{name}.bin").write_bytes(values.tobytes())


def _words(runtime: str, interpreter: str, modules: Path) -> list[str] | str:
    """The command of the runtime's probe, or why it is not to be had."""
    wants, here = RUNTIMES[runtime], Path(probes.__file__).parent
    absent = (
        (wants.program and shutil.which(wants.program) is None)
        or (wants.package and not (modules / "node_modules" / wants.package).is_dir())
        or (
            wants.module
            and subprocess.run([interpreter, "-c", f"import {wants.module}"], capture_output=True).returncode
        )
    )
    if absent:
        return f"not here ({wants.install})"
    return (
        [interpreter, str(here / "probe.py"), runtime] if wants.module else ["node", str(here / "probe.cjs"), runtime]
    )


def _result(runtime: str, words: list[str] | str, folder: Path, ours: np.ndarray, modules: Path) -> RuntimeResult:
    import numpy as np

    if isinstance(words, str):
        return RuntimeResult(runtime=runtime, fault=words, absent=True)
    images = folder / "image.bin"
    images.unlink(missing_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            [*words, str(folder), str(SECONDS)],
            capture_output=True, text=True, errors="replace", check=False, timeout=_LIMIT, env=environment, cwd=modules,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return RuntimeResult(runtime=runtime, fault=f"no images after {_LIMIT} s")
    if done.returncode or not images.exists():
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"ended with {done.returncode}"]
        cause = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1])
        return RuntimeResult(runtime=runtime, fault=f"fails: {cause.strip()[:200]}")
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    rate = IMAGES / facts["call"]
    if tuple(facts["shape"]) != ours.shape:
        return RuntimeResult(runtime=runtime, version=facts["version"], fault=f"gives {facts['shape']}")
    gaps = np.abs(np.fromfile(images, np.uint8).reshape(ours.shape).astype(np.int16) - ours.astype(np.int16))
    return RuntimeResult(
        runtime=runtime,
        version=facts["version"],
        max_pixel_difference=int(gaps.max()),
        differing=1e6 * float(np.count_nonzero(gaps)) / gaps.size,
        images_per_second=rate,
    )
