"""A Scan as a Loop: the same sums and rows, however many there are."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ganlib.export.loops import scans_to_loops
from ganlib.export.runtime import open_session


def running_sums(direction: int = 0) -> Any:
    """A model that adds up the rows of ``x`` from ``start`` on: the last sum, and all of them."""
    row, total = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("row", "total"))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("sum", "each")]
    nodes = [helper.make_node("Add", ["total", "row"], ["sum"]), helper.make_node("Identity", ["sum"], ["each"])]
    scan = helper.make_node(
        "Scan", ["start", "x"], ["last", "all"], name="sums", num_scan_inputs=1, scan_input_directions=[direction],
        body=helper.make_graph(nodes, "turn", [total, row], outputs),
    )  # fmt: skip
    places = {"start": [2], "x": ["rows", 2], "last": [2], "all": ["rows", 2]}
    start, x, last, every = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims) for name, dims in places.items()
    )
    graph = helper.make_graph([scan], "graph", [start, x], [last, every])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize("rows", [1, 5])
def test_a_loop_gives_what_the_scan_gave(rows: int) -> None:
    model = running_sums()
    inputs = {"start": np.float32([1, -1]), "x": np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)}
    sums = inputs["start"] + inputs["x"].cumsum(axis=0)
    scans_to_loops(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node] == ["Shape", "Squeeze", "Loop"]
    last, every = open_session(model.SerializeToString(), "sums").run(None, inputs)
    assert np.array_equal(last, sums[-1])
    assert np.array_equal(every, sums)


def test_a_scan_backwards_is_left_as_it_is() -> None:
    model = running_sums(direction=1)
    scans_to_loops(model)
    assert [node.op_type for node in model.graph.node] == ["Scan"]
