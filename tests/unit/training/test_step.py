"""One step: what CUDA graphs may rely on, in what precision it runs, and what is compiled."""

from __future__ import annotations

import shutil
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ganlib import families
from ganlib.data.batches import DeviceBatches
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.base import Family
from ganlib.training import device
from ganlib.training.distributed import ALONE
from ganlib.training.step import Precision, Step, compile_nets

EVERY = families.names()
CPU = torch.device("cpu")
HORIZON = 24
SIZE = 16


def build(name: str, where: torch.device = CPU, **row: object) -> Family:
    torch.manual_seed(3)
    small: dict[str, object] = {"channels": 8, "batch_size": SIZE}
    small |= {"width": 32, "layers": 1, "heads": 2} if name == "vqgan" else {}  # of its prior
    family = families.build(name, families.options(name, {**small, **row}), MNIST).to(where)
    family.horizon = HORIZON
    return family


def steps(family: Family, *, precision: Precision = "fp32", graphs: bool = True) -> Step:
    draw, where = np.random.default_rng(0), next(family.parameters()).device
    images, labels = draw.integers(0, 256, (64, 1, 28, 28), dtype=np.uint8), draw.integers(0, 10, 64)
    data = DeviceBatches(images, labels, SIZE, 7, where, ranks=draw.random((64, 3), np.float32))
    return Step(family, data, ALONE, precision=precision, graphs=graphs)


def weights(family: Family) -> torch.Tensor:
    return torch.cat([parameter.detach().float().flatten() for parameter in family.parameters()])


class Work(TorchDispatchMode):
    """Every operator that is called, with all of its arguments but the tensors' values."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def shown(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return "tensor", tuple(value.shape), value.dtype
            if isinstance(value, list | tuple):
                return [shown(each) for each in value]
            return value

        if "profiler" in str(func):  # optimisers mark their steps
            return func(*args, **(kwargs or {}))
        self.done.append(repr((str(func), shown(args), shown(list((kwargs or {}).items())))))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", EVERY)
def test_steps_of_the_same_variant_do_the_same_work(name: str) -> None:
    family = build(name)
    take = steps(family)
    for step in range(HORIZON):  # optimisers make their moments at their first step
        take(step)
    work: dict[Any, set[tuple[str, ...]]] = defaultdict(set)

    def record(variant: Any, chosen: torch.Tensor, run: Any) -> Any:
        with Work() as seen:
            turns = run(chosen)
        work[variant].add(tuple(seen.done))
        return turns

    take.recorder = record  # type: ignore[assignment]
    for step in range(HORIZON):
        torch.manual_seed(step)
        take(step)
    assert work, "no step of it could be recorded"
    assert {variant: len(kinds) for variant, kinds in work.items()} == dict.fromkeys(work, 1)


def test_a_step_whose_learning_rate_or_resolution_changes_is_not_recorded() -> None:
    pggan, tcgan = build("pggan"), build("tcgan")
    assert pggan.variant(HORIZON - 1) is not None
    assert any(pggan.variant(step) is None for step in range(HORIZON))
    assert tcgan.variant(0) is None
    assert tcgan.variant(HORIZON - 1) is not None


@pytest.mark.parametrize("name", EVERY)
def test_bf16_trains_float32_weights_to_about_the_same_losses(name: str) -> None:
    found = {}
    for precision in ("fp32", "bf16"):
        family = build(name)
        take = steps(family, precision=precision)  # type: ignore[arg-type]
        for step in range(3):
            torch.manual_seed(step)
            turns = take(step)
            if step == 0:
                found[precision] = turns.values
        assert turns.values.dtype == torch.float32
        assert {parameter.dtype for parameter in family.parameters()} == {torch.float32}
        assert torch.isfinite(weights(family)).all()
        assert torch.isfinite(turns.values).all()
    assert not torch.equal(found["bf16"], found["fp32"]), "bf16 changed nothing"
    torch.testing.assert_close(found["bf16"], found["fp32"], rtol=0.1, atol=0.1)


def test_penalties_are_float32_in_a_bf16_step() -> None:
    seen = []
    family = build("dcgan", r1_gamma=1.0, penalty_every=1)
    first = family.discriminator.trunk.layers[0]
    first.register_forward_hook(lambda module, inputs, out: seen.append(out.dtype))
    steps(family, precision="bf16")(0)
    assert seen == [torch.float32, torch.float32, torch.bfloat16]  # penalised: real, fake; the generator's turn


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("g++") is None, reason="no C++ compiler, which torch.compile needs: apt-get install g++"
)
def test_compiled_nets_train_to_the_same_weights_and_leave_them_where_they_are() -> None:
    family, other = build("vae"), build("vae")
    names = list(family.state_dict())
    compile_nets(family)
    assert list(family.state_dict()) == names
    for each in (family, other):
        take = steps(each)
        for step in range(2):
            torch.manual_seed(step)
            take(step)
    torch.testing.assert_close(weights(family), weights(other), rtol=1e-3, atol=1e-4)


def test_no_net_is_compiled_that_a_penalty_differentiates_twice() -> None:
    assert build("dcgan").discriminator not in build("dcgan").compilable()
    plain = build("dcgan", r1_gamma=0.0)
    assert plain.discriminator in plain.compilable()
    assert plain.generator in plain.compilable()


def test_a_step_draws_what_torch_would_draw_from_that_seed() -> None:
    family = families.build("dcgan", families.options("dcgan", {"channels": 8, "batch_size": 16}), MNIST)
    take = Step(family, DeviceBatches(np.zeros((16, 1, 28, 28), np.uint8), np.zeros(16, np.int64), 16, 0, CPU), ALONE)
    take.seed(2**62 + 5)
    drawn = torch.randn(8)
    torch.manual_seed(2**62 + 5)
    assert torch.equal(drawn, torch.randn(8))


@pytest.mark.parametrize(
    ("said", "asked", "beside", "threads"),
    [("1", 0, "1", 1), ("", 0, "1", 6), ("1", 3, "1", 3), ("1", 0, "2", 3), ("0x2", 0, "1", 6), ("0", 0, "1", 6)],
)
def test_threads_are_those_asked_for_or_those_of_openmp_or_all_cores_shared(
    monkeypatch: pytest.MonkeyPatch, said: str, asked: int, beside: str, threads: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", beside)
    monkeypatch.setattr(device, "usable_cores", lambda: 6)
    before = torch.get_num_threads()
    try:
        device.prepare("cpu", asked)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_device_called_cuda_is_a_card_with_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    before = torch.get_float32_matmul_precision()
    try:
        for name, index in (("auto", 0), ("cuda", 0), ("cuda:1", 1)):
            assert device.prepare(name, 1) == torch.device("cuda", index)
    finally:
        torch.set_float32_matmul_precision(before)
    assert [each.index for each in chosen] == [0, 0, 1]  # torch refuses one without a number


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no CUDA device: run the tests on a machine with an NVIDIA GPU"
)
@pytest.mark.parametrize("name", EVERY)
def test_replayed_steps_are_those_that_they_stand_for(name: str) -> None:
    ends = []
    for graphs in (False, False, True):
        family = build(name, torch.device("cuda", 0))
        take = steps(family, graphs=graphs)
        for step in range(HORIZON):
            torch.manual_seed(step)
            take(step)
        ends.append(weights(family))
    apart = (ends[1] - ends[0]).norm()  # kernels add up in no fixed order
    assert (ends[2] - ends[0]).norm() <= 3 * apart + 1e-5 * ends[0].norm()
