"""What each family becomes after four steps from seed 0, in digests: equal where a change changes nothing.

    python -m benchmarks.digests [FAMILY]...    # one thread; the same on one machine with the same packages

Of a family: *state*, every weight and statistic after the steps; *graph*, the exported operators with their attributes;
*weights*, the graph's initializers; *pixels*, 64 images that onnxruntime draws of fixed noise.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from ganlib import families
from ganlib.config import ExportConfig
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.generation.session import OnnxModel
from ganlib.training.distributed import ALONE
from ganlib.training.step import Step

STEPS, IMAGES = 4, 512


def main(names: Sequence[str]) -> int:
    """Print the rows of ``names``, or of all families."""
    torch.set_num_threads(1)
    print("| family | state | graph | weights | pixels |\n|---|---|---|---|---|")
    for name in names or families.names():
        print(f"| {name} |", " | ".join(f"`{digest[:12]}`" for digest in row(name)), "|", flush=True)
    return 0


def row(name: str) -> tuple[str, str, str, str]:
    """Train ``name``, export it and draw from it; the four digests."""
    torch.manual_seed(0)
    family = families.build(name, families.options(name, {}), MNIST)
    take = Step(family, _batches(family.options.batch_size), ALONE)
    for step in range(STEPS):
        take.seed(step)
        take(step)
    state = [value.numpy() for value in family.state_dict().values()]
    with tempfile.TemporaryDirectory() as folder:
        path, net = Path(folder) / "model.onnx", family.generator.eval().requires_grad_(False)
        config = ExportConfig(parity_batches=(2,))
        export(net, family.noise_dim, path, config, {"family": name}, MNIST, family.condition)
        model, graph = onnx.load(path), OnnxModel(path)
        request = graph.request(0)
        pixels = graph.draw(request, 0, 64)
    weights = [numpy_helper.to_array(each) for each in model.graph.initializer]
    operators = [node.SerializeToString(deterministic=True) for node in model.graph.node]
    return _digest(state), hashlib.sha256(b"".join(operators)).hexdigest(), _digest(weights), _digest([pixels])


def _batches(size: int) -> DeviceBatches:
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (IMAGES, *MNIST.image.dims), dtype=np.uint8)
    labels, ranks = draw.integers(0, MNIST.num_classes, IMAGES), draw.random((IMAGES, 3), dtype=np.float32)
    return DeviceBatches(images, labels, size, 0, torch.device("cpu"), ranks)


def _digest(arrays: Iterable[np.ndarray]) -> str:
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype}{array.shape}".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
