"""The net of a judge that is trained for a data version, for any shape of images, and its ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from ganlib.data.spec import ImageShape

FEATURES = 128


def body(image: ImageShape) -> nn.Sequential:
    """Return the layers from float32 images [n, channels, height, width] in 0..1 to float32 features [n, 128], >= 0.

    The features keep where things are (no global pooling), so that a shifted or deformed thing is another one to every
    metric. Images of more than 32 pixels are halved until they have no more than that, which bounds the arithmetic at
    about 15 million multiply-adds an image.
    """
    channels: int = image.channels
    side: int = max(image.height, image.width)
    layers: list[nn.Module] = []
    while side > 32:
        layers += _convolution(channels, 16, stride=2)
        channels, side = 16, -(-side // 2)
    layers += _convolution(channels, 16)
    layers += _convolution(16, 16)
    layers += _convolution(16, 32, stride=2)
    layers += _convolution(32, 32)
    layers += _convolution(32, 64, stride=2)
    layers += _convolution(64, 64, padding=0 if side > 16 else 1)
    layers.append(nn.Flatten())
    with torch.no_grad():
        width = nn.Sequential(*layers).eval()(torch.zeros(1, *image.dims)).shape[1]
    layers += [nn.Linear(width, FEATURES, bias=False), nn.BatchNorm1d(FEATURES), nn.ReLU()]
    return nn.Sequential(*layers)


def _convolution(inward: int, outward: int, *, stride: int = 1, padding: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(inward, outward, 3, stride, padding, bias=False), nn.BatchNorm2d(outward), nn.ReLU()]


@torch.no_grad()
def fold(layers: nn.Sequential) -> nn.Sequential:
    """Return the same function as ``layers`` in eval mode, with batch normalisation folded into the weights."""
    parts: list[nn.Module] = []
    for layer in layers.eval():
        if isinstance(layer, nn.BatchNorm2d) and isinstance(parts[-1], nn.Conv2d):
            parts[-1] = fuse_conv_bn_eval(parts[-1], layer)
        elif isinstance(layer, nn.BatchNorm1d) and isinstance(parts[-1], nn.Linear):
            parts[-1] = fuse_linear_bn_eval(parts[-1], layer)
        else:
            parts.append(layer)
    return nn.Sequential(*parts).eval()


def to_onnx(
    layers: nn.Sequential, head: nn.Linear | None, image: ImageShape, opset: int, metadata: Mapping[str, str]
) -> bytes:
    """Return the ONNX file of :func:`fold`-ed ``layers`` and, for logits, their ``head``.

    The graph is written node by node: it takes no time, it holds nothing of this machine, and the same weights give the
    same bytes.
    """
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["cast", "white"], ["scaled"]),
    ]
    weights = [numpy_helper.from_array(np.float32(255), "white")]

    def apply(kind: str, value: str, result: str, layer: nn.Module, **attributes: object) -> None:
        names = [f"{result}.{name}" for name, _ in layer.named_parameters()]
        weights.extend(
            numpy_helper.from_array(parameter.detach().numpy(), name)
            for name, parameter in zip(names, layer.parameters(), strict=True)
        )
        nodes.append(helper.make_node(kind, [value, *names], [result], **attributes))

    value = "scaled"
    for place, layer in enumerate(layers):
        result = "features" if place == len(layers) - 1 else f"layer{place}"
        if isinstance(layer, nn.Conv2d):
            pads = [int(each) for each in layer.padding] * 2
            apply("Conv", value, result, layer, strides=list(layer.stride), pads=pads)
        elif isinstance(layer, nn.Linear):
            apply("Gemm", value, result, layer, transB=1)
        else:
            apply({nn.ReLU: "Relu", nn.Flatten: "Flatten"}[type(layer)], value, result, layer)
        value = result
    outputs = [("features", FEATURES)]
    if head is not None:
        apply("Gemm", value, "logits", head, transB=1)
        outputs.append(("logits", head.out_features))
    graph = helper.make_graph(
        nodes,
        "judge",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", *image.dims])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width]) for name, width in outputs],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="ganlib")
    model.ir_version = 10  # onnxruntime reads it; newer ones only as it grows
    helper.set_model_props(model, dict(sorted(metadata.items())))
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def see(layers: nn.Sequential, images: np.ndarray, batch: int = 200) -> Tensor:
    """Return what ``layers`` make of uint8 ``images`` [n, channels, height, width]."""
    with torch.inference_mode():
        return torch.cat([layers(part.float() / 255) for part in torch.split(torch.from_numpy(images), batch)])
