"""What the losses tell, and that healthy ones tell nothing."""

from __future__ import annotations

import numpy as np
import pytest

from ganlib.training.health import Watch


def noise(n: int, level: float, spread: float) -> list[float]:
    return list(np.random.default_rng(0).normal(level, spread, n))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_figure_that_is_not_finite_is_named(value: float) -> None:
    assert Watch()({"a_loss": 1.0, "b_loss": value}) == "b_loss is not finite"


def test_an_exploding_gradient_is_named_once_it_is_known_what_is_usual() -> None:
    watch = Watch()
    assert watch({"gradient_norm_generator": 1e9}) is None  # the first one may be anything
    for value in noise(30, 5.0, 1.0):
        assert watch({"gradient_norm_generator": value}) is None
    assert watch({"gradient_norm_generator": 4000.0}) is None
    assert "exploding gradients: gradient_norm_generator" in (watch({"gradient_norm_generator": 6000.0}) or "")


def test_gradients_that_are_nearly_zero_do_not_make_ordinary_ones_explode() -> None:
    watch = Watch()
    for _ in range(30):
        watch({"gradient_norm_discriminator": 0.0})
    assert watch({"gradient_norm_discriminator": 50.0}) is None


@pytest.mark.parametrize("level", [0.0, 1.3863, 2.0])
def test_a_pinned_discriminator_is_named(level: float) -> None:
    watch = Watch()
    found = [watch({"discriminator_loss": value}) for value in noise(10, level, 1e-6)]
    assert found[:-1] == [None] * 9
    assert "discriminator collapse" in (found[-1] or "")


def test_a_strong_discriminator_is_no_collapse() -> None:
    watch = Watch()
    assert not any(watch({"discriminator_loss": value}) for value in noise(100, 0.01, 0.002))
