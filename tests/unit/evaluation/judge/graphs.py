"""Small ONNX graphs as users bring them: good judges, and each kind that cannot be one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save


def toy(
    path: Path,
    *,
    dims: tuple[int | str, ...] = ("batch", 3, 32, 32),
    kind: int = TensorProto.UINT8,
    features: str = "features",
    scale: float = 1.0,
    logits: int = 0,
    seed: int = 0,
) -> Path:
    """Write a graph to ``path``: a convolution of random weights, ReLU, its means over space times ``scale``.

    With ``logits`` it has an output of that many. ``features`` names the main output.
    """
    random = np.random.default_rng(seed)
    channels = dims[1] if isinstance(dims[1], int) else 3
    weights = {
        "kernel": random.normal(size=(8, channels, 3, 3)).astype(np.float32),
        "scale": np.float32(scale),
        "head": random.normal(size=(8, max(logits, 1))).astype(np.float32),
        "axes": np.array([2, 3]),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["pixels", "kernel"], ["edges"]),
        helper.make_node("Relu", ["edges"], ["bright"]),
        helper.make_node("ReduceMean", ["bright", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "scale"], [features]),
        helper.make_node("MatMul", [features, "head"], ["logits"]),
    ]
    outputs = [helper.make_tensor_value_info(features, TensorProto.FLOAT, [dims[0], 8])]
    if logits:
        outputs.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [dims[0], logits]))
    graph = helper.make_graph(
        nodes if logits else nodes[:-1],
        "toy",
        [helper.make_tensor_value_info("image", kind, dims)],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path
