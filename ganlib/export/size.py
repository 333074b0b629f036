"""How much a graph holds."""

from __future__ import annotations

import math

from ganlib.export.contract import parse


def parameters(data: bytes, name: str) -> int:
    """Numbers stored in the ONNX file's bytes, floating-point ones or int8: weights, and tables such as a codebook.

    What only training needs is not among them; BatchNorm's running statistics are, and what a quantised graph has of
    scales and zero points.

    Raises:
        BadInput: not an ONNX file; ``name`` names it.
    """
    from onnx import TensorProto

    kinds = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.INT8}
    graph = parse(data, name).graph
    return sum(math.prod(tensor.dims) for tensor in graph.initializer if tensor.data_type in kinds)
