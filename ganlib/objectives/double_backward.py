"""A critic's gradient by its images, to be differentiated again by its weights, without work that comes to nothing.

Between its kinks a critic of convolutions and leaky ReLUs is linear in its images, so their gradient depends on the
weights alone. torch's own second derivatives hand zeros on to the images' side all the same, and the whole critic is
gone through backwards for them; and a convolution's weights get their part by one that takes the batch for channels,
with the oddest of shapes. Here the zeros are left out and that part is what it is, a weight's gradient (the remedy is
StyleGAN2-ADA's, Karras 2020, `conv2d_gradfix`): a quarter of wgan_gp's penalty on two CPU cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from ganlib.nets.conv import minibatch_deviation


class DoubleBackward(TorchFunctionMode):
    """What is called inside is the same function of the same numbers, and its second derivatives are cheap.

    But for one: the minibatch deviation goes in by its tangent, so that nothing returns through it either. The gradient
    by the images is exact; the weights' gradient of a penalty on it lacks how the tangent turns as the features move
    (docs/decisions/0007-penalties.md: how much that is, and what a critic does whose deviation is held constant).
    """

    def __init__(self) -> None:
        """To be entered around the critic, and asked for :meth:`gradient` afterwards."""
        super().__init__()
        self.weights_too = True
        """Whether a backward pass that is under way wants the weights' gradients."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called for every function of torch inside."""
        kwargs = kwargs or {}
        if function is torch.conv2d:
            return self._convolution(*args, **kwargs)
        if function is F.leaky_relu:
            return self._leaky(*args, **kwargs)
        if function is minibatch_deviation:
            return tangent(*args, **kwargs)
        return function(*args, **kwargs)

    def gradient(self, logits: Tensor, images: Tensor) -> Tensor:
        """Of the sum of ``logits``, which came of ``images`` inside, by them; it can be differentiated."""
        self.weights_too = False
        try:
            return torch.autograd.grad(logits.sum(), images, create_graph=True)[0]
        finally:
            self.weights_too = True

    def _convolution(
        self, inputs: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
        dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        if isinstance(padding, str):  # "same" and "valid"
            return torch.conv2d(inputs, weight, bias, stride, padding, dilation, groups)
        shape = (_pair(stride), _pair(padding), _pair(dilation), False, [0, 0], groups)
        out: Tensor = _Convolution.apply(self, shape, inputs, weight, bias)  # type: ignore[no-untyped-call]
        return out

    @staticmethod
    def _leaky(inputs: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
        # A product with what is no function of the inputs, as far as derivatives go.
        return inputs * torch.where(inputs > 0, inputs.new_ones(()), inputs.new_full((), negative_slope))


def _pair(value: int | tuple[int, int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


def tangent(features: Tensor, group: int) -> Tensor:
    """The minibatch deviation of ``features``, linear in them from here on: same value and first derivative."""
    here = features.detach().requires_grad_(True)
    with torch.enable_grad():
        deviation = minibatch_deviation(here, group)
        (slope,) = torch.autograd.grad(deviation.sum(), here)
    return deviation.detach() + ((features - here.detach()) * slope).sum(dim=1, keepdim=True)


class _Convolution(Function):
    """``conv(inputs, weight) + bias``."""

    @staticmethod
    def forward(
        ctx: Any, mode: DoubleBackward, shape: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None
    ) -> Tensor:
        ctx.set_materialize_grads(False)  # None is what zeros are left out as
        ctx.save_for_backward(inputs, weight)
        ctx.mode, ctx.shape = mode, shape
        return torch.convolution(inputs, weight, bias, *shape)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor | None) -> tuple[Tensor | None, ...]:
        if gradient is None:
            return (None,) * 5
        inputs, weight = ctx.saved_tensors
        _, _, to_inputs, to_weight, to_bias = ctx.needs_input_grad
        weights_too = ctx.mode.weights_too
        return (
            None,
            None,
            _ByInputs.apply(ctx.mode, ctx.shape, inputs.detach(), gradient, weight) if to_inputs else None,  # type: ignore[no-untyped-call]
            _by_weight(ctx.shape, inputs, gradient, weight) if to_weight and weights_too else None,
            gradient.sum((0, 2, 3)) if to_bias and weights_too else None,
        )


class _ByInputs(Function):
    """A convolution's gradient by its inputs: linear in ``gradient`` and in ``weight``, the same for all inputs."""

    @staticmethod
    def forward(ctx: Any, mode: DoubleBackward, shape: Any, inputs: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(gradient, weight)
        ctx.mode, ctx.shape = mode, shape
        return _backward(gradient, inputs, weight, None, *shape, [True, False, False])[0]

    @staticmethod
    def backward(ctx: Any, direction: Tensor) -> tuple[Tensor | None, ...]:
        gradient, weight = ctx.saved_tensors
        *_, to_gradient, to_weight = ctx.needs_input_grad
        return (
            None,
            None,
            None,
            _Convolution.apply(ctx.mode, ctx.shape, direction, weight, None) if to_gradient else None,  # type: ignore[no-untyped-call]
            _by_weight(ctx.shape, direction, gradient, weight) if to_weight else None,
        )


def _by_weight(shape: Any, inputs: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    return _backward(gradient, inputs, weight, None, *shape, [False, True, False])[1]


def _backward(*args: Any) -> tuple[Tensor, Tensor, Tensor]:
    gradients: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(*args)
    return gradients
