"""How much a graph holds."""

from __future__ import annotations

import math

from ganlib.export.contract import parse


def parameters(data: bytes, name: str) -> int:
    """Floating-point numbers stored in the ONNX file's bytes: weights, and tables such as a codebook.

    What only training needs is not among them; BatchNorm's running statistics are.

    Raises:
        BadInput: not an ONNX file; ``name`` names it.
    """
    from onnx import TensorProto

    kinds = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
    graph = parse(data, name).graph
    return sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.data_type in kinds)
