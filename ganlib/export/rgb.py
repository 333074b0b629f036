"""A graph of grey images as one of colour, for tools that take no other: torch-fidelity, and most nets behind FIDs."""

from __future__ import annotations

from typing import Any

from ganlib.export import contract
from ganlib.export.precision import with_metadata

_GREY = "image_in_grey"


def rgb(data: bytes, name: str) -> bytes:
    """Return a graph that draws what ``data`` draws in three channels: grey repeated, colour as it is, byte for byte.

    Weights, inputs and metadata stay, but for the channels of the data set that the metadata name.

    Args:
        data: bytes of a graph of the contract.
        name: names it in messages.

    Raises:
        BadInput: it is no graph of the contract.
        Corrupt: its weights are not those that were exported.
    """
    description = contract.describe(data, name)
    promise, image = description.contract, description.contract.spec.image
    if image.channels == 3:
        return data
    spec = promise.spec.model_copy(update={"image": image.model_copy(update={"channels": 3})})
    facts = {contract.VERSION_KEY: str(contract.VERSION), contract.DATASET_KEY: spec.model_dump_json()}
    model = contract.parse(data, name)
    _repeat(model.graph)
    wide = promise.model_copy(update={"version": contract.VERSION, "spec": spec})
    return with_metadata(model, description.metadata | facts, wide, f"the graph of {name} in three channels")


def _repeat(graph: Any) -> None:
    """Let ``image`` be three times what it was."""
    from onnx import helper

    for node in contract.nodes(graph):
        for names in (node.input, node.output):
            names[:] = [_GREY if name == "image" else name for name in names]
    graph.node.append(helper.make_node("Concat", [_GREY] * 3, ["image"], axis=1))
    (output,) = (each for each in graph.output if each.name == "image")
    output.type.tensor_type.shape.dim[1].dim_value = 3
