"""Small graphs of the contract, written by hand in milliseconds: two random layers, and the condition added to one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ganlib.core.files import sha256_file
from ganlib.data.mnist.captions import CAPTION_LEN
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from tests import factories
from tests.support.specs import CAPTIONS, CELLS, ICONS, SHOP

NOISE_DIM = 16


def write(
    path: Path,
    seed: int = 0,
    condition: str | None = None,
    spec: DatasetSpec | None = None,
    captions: Sequence[str] = (),
) -> str:
    """Write a graph to ``path`` that takes ``condition`` (label, caption, None) besides noise; return its sha256.

    Without ``spec`` it keeps version 1 of the contract, which is of MNIST. ``captions`` are those that the file keeps.
    """
    draw, shape = np.random.default_rng(seed), (spec or MNIST).image
    weights = {
        "w1": draw.standard_normal((NOISE_DIM, 32)).astype(np.float32),
        "w2": draw.standard_normal((32, shape.nbytes)).astype(np.float32) / 4,
        "grey": np.float32(255),
        "shape": np.array([-1, *shape.dims]),
    }
    if condition:
        weights["table"] = draw.standard_normal((256, 32)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["noise", "w1"], ["hidden"])]
    inputs = [helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", NOISE_DIM])]
    if condition == "label":
        inputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
        nodes.append(helper.make_node("Gather", ["table", "label"], ["asked"]))
    elif condition == "caption":
        inputs.append(helper.make_tensor_value_info("caption", TensorProto.INT64, ["batch", CAPTION_LEN]))
        nodes.append(helper.make_node("Gather", ["table", "caption"], ["letters"]))
        weights["over"] = np.array([1])
        nodes.append(helper.make_node("ReduceSum", ["letters", "over"], ["asked"], keepdims=0))
    last = "hidden"
    if condition:
        nodes.append(helper.make_node("Add", ["hidden", "asked"], ["told"]))
        last = "told"
    nodes += [
        helper.make_node("Tanh", [last], ["bent"]),
        helper.make_node("MatMul", ["bent", "w2"], ["flat"]),
        helper.make_node("Sigmoid", ["flat"], ["share"]),
        helper.make_node("Mul", ["share", "grey"], ["bright"]),
        helper.make_node("Cast", ["bright"], ["whole"], to=TensorProto.UINT8),
        helper.make_node("Reshape", ["whole", "shape"], ["image"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        inputs,
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", *shape.dims])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(
        model,
        {
            "family": {"label": "cgan", "caption": "tcgan"}.get(condition or "", "dcgan"),
            **({"contract_version": "2", "dataset": spec.model_dump_json()} if spec else {"contract_version": "1"}),
            **({"captions": json.dumps(captions)} if captions else {}),
            "noise_dim": str(NOISE_DIM),
            "parity": factories.certificate().model_dump_json(),
        },
    )
    onnx.save(model, path)
    return sha256_file(path)


def write_all(folder: Path, kinds: Mapping[str, str | None]) -> dict[str, Path]:
    """A graph for each name in ``kinds``, which takes the condition there, of seeds 0, 1, ...; the files by name.

    ``shop``, ``cells`` and ``icons`` are of the data sets of :mod:`tests.support.specs`, the others of MNIST.
    """
    specs = {spec.name: spec for spec in (SHOP, CELLS, ICONS)}
    for seed, (name, condition) in enumerate(kinds.items()):
        captions = CAPTIONS if name == ICONS.name else ()
        write(folder / f"{name}.onnx", seed, condition, specs.get(name), captions)
    return {name: folder / f"{name}.onnx" for name in kinds}
