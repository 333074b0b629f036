"""Scan nodes as Loop nodes, which more runtimes know: OpenVINO 2026.4 refuses the Scan of a large prior. In onnxruntime
both take the same time."""

from __future__ import annotations

from typing import Any


def scans_to_loops(model: Any) -> None:
    """Replace every Scan of the main graph of ``model``, an ``onnx.ModelProto``, by a Loop that does the same.

    Scans go forwards along the first axis, as torch exports them; one that does not is left as it is.
    """
    for number, node in enumerate([node for node in model.graph.node if node.op_type == "Scan"]):
        attributes = {attribute.name: attribute for attribute in node.attribute}
        body, names = attributes.pop("body").g, f"loop_{number}"
        inputs = attributes.pop("num_scan_inputs").i
        if any(value for attribute in attributes.values() for value in attribute.ints):
            continue
        parts = _loop(node, body, inputs, names)
        at = next(place for place, other in enumerate(model.graph.node) if other == node)
        del model.graph.node[at]
        for offset, part in enumerate(parts):
            model.graph.node.insert(at + offset, part)


def _loop(node: Any, body: Any, inputs: int, names: str) -> list[Any]:
    """The nodes that stand for a Scan: how many rows there are, and the loop, which takes one of each at each turn."""
    import onnx
    from onnx import TensorProto, helper

    states = len(node.input) - inputs
    rows, count, index, go_on, still = (f"{names}_{part}" for part in ("rows", "count", "index", "condition", "still"))
    turn = onnx.GraphProto()
    turn.CopyFrom(body)
    del turn.input[:], turn.output[:], turn.node[:]
    turn.input.extend(
        [
            helper.make_tensor_value_info(index, TensorProto.INT64, []),
            helper.make_tensor_value_info(go_on, TensorProto.BOOL, []),
            *body.input[:states],
        ]
    )
    turn.output.extend([helper.make_tensor_value_info(still, TensorProto.BOOL, []), *body.output])
    turn.node.append(helper.make_node("Identity", [go_on], [still]))
    for sequence, row in zip(node.input[states:], body.input[states:], strict=True):
        turn.node.append(helper.make_node("Gather", [sequence, index], [row.name], axis=0))
    turn.node.extend(body.node)
    return [
        helper.make_node("Shape", [node.input[states]], [rows], start=0, end=1),
        helper.make_node("Squeeze", [rows], [count]),
        helper.make_node("Loop", [count, "", *node.input[:states]], node.output, name=node.name, body=turn),
    ]
