"""One batch over several processes: `torchrun --nproc-per-node N -m ganlib train FAMILY` (nccl on CUDA, gloo on CPUs).

Every process holds the same nets and takes its own slice of every batch; gradients are averaged before each optimiser
step, so all stay the same, and the same as one process's with the whole batch up to the order of summation:

- A random draw for the batch is made for the whole batch, from the state that (seed, step) gives everywhere, and
  sliced. Families draw as ever: :class:`_Shard` sees to it.
- BatchNorm normalises by the whole batch's statistics, also on CPUs and under penalties that differentiate twice,
  neither of which ``torch.nn.SyncBatchNorm`` can.
- What else ties a batch together goes through :mod:`ganlib.nets.collectives`; groups of a minibatch deviation stay
  whole, because a process takes a multiple of :data:`GROUP` images.

``DistributedDataParallel`` is not used: it wraps one module's ``forward``, and players call each other's parts, some
of them twice a step. Averaging the gradients of the player whose turn it is needs one all-reduce, as it does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ganlib.core.errors import BadInput
from ganlib.nets import collectives

GROUP = 8
"""Images that a process takes are a multiple of it."""
Value = TypeVar("Value")


class Team:
    """The processes of one training. This class is a process alone, for which everything is itself."""

    rank, size = 0, 1

    @property
    def leads(self) -> bool:
        """Whether this process logs, checks and writes checkpoints; one does."""
        return self.rank == 0

    def tell(self, value: Value) -> Value:
        """Return the leader's ``value``, everywhere."""
        return value

    def agree(self, flag: bool) -> bool:
        """Return the leader's ``flag``, everywhere: clocks and signals differ between processes."""
        return flag

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Put the mean over all processes into ``tensors``, in place."""

    @contextmanager
    def step(self, local: int) -> Iterator[None]:
        """Around a step on this process's ``local`` images."""
        yield

    def require_shares(self, batch_size: int) -> None:
        """Raise :class:`BadInput` unless every process can have an equal share of whole groups."""
        if self.size > 1 and batch_size % (GROUP * self.size):
            raise BadInput(
                f"batch size {batch_size} cannot be shared by {self.size} processes: each takes a multiple of {GROUP} "
                f"images. Nothing was trained; set batch_size to a multiple of {GROUP * self.size}."
            )


ALONE = Team()


@contextmanager
def join(device: str) -> Iterator[Team]:
    """Inside, the team that torchrun's environment describes; a process alone without it.

    Args:
        device: the type of the devices; CUDA devices talk by nccl, and flags go by gloo all the same.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or "RANK" not in os.environ:
        yield ALONE
        return
    torch.distributed.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    try:
        yield _Processes()
    finally:
        torch.distributed.destroy_process_group()


class _Processes(Team):
    """Several."""

    def __init__(self) -> None:
        self.rank, self.size = torch.distributed.get_rank(), torch.distributed.get_world_size()

    def tell(self, value: Value) -> Value:
        message: list[Any] = [value]
        torch.distributed.broadcast_object_list(message, src=0, device=torch.device("cpu"))
        answer: Value = message[0]
        return answer

    def agree(self, flag: bool) -> bool:
        votes = torch.tensor(flag, dtype=torch.uint8)
        torch.distributed.broadcast(votes, src=0)
        return bool(votes)

    def average(self, tensors: Iterable[Tensor]) -> None:
        tensors = list(tensors)
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        torch.distributed.all_reduce(flat)
        flat /= self.size
        for tensor, part in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view(tensor.shape))

    @contextmanager
    def step(self, local: int) -> Iterator[None]:
        with collectives.processes(self), _Shard(self.rank, self.size, local):
            yield

    def mean(self, tensor: Tensor) -> Tensor:
        mean: Tensor = _Mean.apply(tensor)  # type: ignore[no-untyped-call]
        return mean

    def gather(self, tensor: Tensor) -> Tensor:
        parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(self.size)]
        torch.distributed.all_gather(parts, tensor.detach().contiguous())
        return torch.cat(parts)

    def rows(self, tensor: Tensor) -> Tensor:
        nothing = torch.zeros_like(tensor)
        return self.mean(torch.cat([tensor if rank == self.rank else nothing for rank in range(self.size)])) * self.size


class _Mean(torch.autograd.Function):
    """Mean over processes; it is its own adjoint, so its derivative can be taken as often as one likes."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        out = tensor.detach().clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(out)
        return out / torch.distributed.get_world_size()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        mean: Tensor = _Mean.apply(gradient)  # type: ignore[no-untyped-call]
        return mean


class _Shard(TorchFunctionMode):
    """Inside, draws and batch statistics are of the whole batch.

    A draw is for the batch if its first dimension is as long as this process's slice, or half as long: then it is made
    for all processes, whose random states are equal, and sliced. Any other draw is the same everywhere.
    """

    def __init__(self, rank: int, size: int, local: int) -> None:
        super().__init__()
        self._rank, self._size, self._local = rank, size, local

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (torch.randn, torch.rand):
            shape = args[0] if isinstance(args[0], Sequence) else args
            return self._sliced(shape, lambda whole: func(whole, **kwargs))
        if func is torch.randint:
            *bounds, shape = args
            return self._sliced(shape, lambda whole: func(*bounds, whole, **kwargs))  # type: ignore[call-overload]
        if func in (torch.randn_like, torch.rand_like) and not kwargs:
            (like,) = args
            plain = torch.randn if func is torch.randn_like else torch.rand
            return self._sliced(like.shape, lambda whole: plain(whole, dtype=like.dtype, device=like.device))
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        if func is F.batch_norm:
            return self._batch_norm(*args, **kwargs)
        return func(*args, **kwargs)

    def _sliced(self, shape: Sequence[int], draw: Any) -> Tensor:
        length = shape[0] if shape else 0
        if length not in (self._local, self._local // 2):
            return draw(tuple(shape))  # type: ignore[no-any-return]
        whole: Tensor = draw((length * self._size, *shape[1:]))
        return whole[self._rank * length : (self._rank + 1) * length]

    def _dropout(self, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training:
            return input
        ones = torch.ones_like(input, requires_grad=False)
        return input * self._sliced(input.shape, lambda whole: F.dropout(ones.new_ones(whole), p))

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not training:
            return F.batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
        axes = [0, *range(2, input.dim())]
        shape = [1, -1, *[1] * (input.dim() - 2)]
        mean = collectives.mean(input.mean(axes))
        deviation = input - mean.view(shape)
        variance = collectives.mean(deviation.square().mean(axes))
        if running_mean is not None and running_var is not None:
            count = input.numel() // input.shape[1] * self._size
            running_mean.lerp_(mean.detach(), momentum)
            running_var.lerp_(variance.detach() * (count / (count - 1)), momentum)
        out = deviation * torch.rsqrt(variance + eps).view(shape)
        if weight is not None:
            out = out * weight.view(shape)
        return out if bias is None else out + bias.view(shape)
