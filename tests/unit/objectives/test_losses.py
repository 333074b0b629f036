"""Losses against values computed by hand."""

from __future__ import annotations

import math

import pytest
import torch

from ganlib.objectives import losses

REAL = torch.zeros(1)
"""Logits that the generator's loss does not look at."""


def test_bce_discriminator_is_minus_log_of_the_right_probabilities() -> None:
    real, fake = torch.tensor([math.log(3.0)]), torch.tensor([0.0])  # D = 0.75 and 0.5
    expected = -math.log(0.75) - math.log(0.5)
    assert losses.bce_discriminator(real, fake).item() == pytest.approx(expected, rel=1e-6)


def test_bce_generator_is_minus_log_of_the_discriminators_probability() -> None:
    assert losses.bce_generator(REAL, torch.tensor([math.log(3.0)])).item() == pytest.approx(-math.log(0.75), rel=1e-6)


def test_bce_stays_finite_and_exact_where_log_sigmoid_would_not() -> None:
    assert losses.bce_generator(REAL, torch.tensor([-1000.0])).item() == pytest.approx(1000.0)
    assert losses.bce_discriminator(torch.tensor([1000.0]), torch.tensor([1000.0])).item() == pytest.approx(1000.0)


def test_generator_gains_by_raising_its_logits_and_discriminator_by_parting_them() -> None:
    real, fake = torch.zeros(4, requires_grad=True), torch.zeros(4, requires_grad=True)
    losses.bce_discriminator(real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    logits = torch.zeros(4, requires_grad=True)
    losses.bce_generator(REAL, logits).backward()
    assert logits.grad is not None
    assert (logits.grad < 0).all()


def test_kl_is_zero_for_the_prior_itself_and_known_elsewhere() -> None:
    assert losses.gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)).tolist() == [0.0, 0.0]
    # N(1, 4) in one dimension: (1 + 4 - 1 - ln 4) / 2
    got = losses.gaussian_kl(torch.tensor([[1.0]]), torch.tensor([[math.log(4.0)]]))
    assert got.item() == pytest.approx((4 - math.log(4.0)) / 2, rel=1e-6)


def test_kl_agrees_with_torch_distributions() -> None:
    mean, log_variance = torch.randn(5, 7), torch.randn(5, 7)
    theirs = torch.distributions.kl_divergence(
        torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
    ).sum(1)
    assert torch.allclose(losses.gaussian_kl(mean, log_variance), theirs, rtol=1e-5)


def test_optimal_variance_nll_equals_the_density_at_that_variance() -> None:
    target, mean = torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4)
    nll, mse = losses.gaussian_nll_optimal(target, mean)
    density = torch.distributions.Normal(mean, mse.sqrt()).log_prob(target).flatten(1).sum(1)
    assert nll.item() == pytest.approx(-density.mean().item(), rel=1e-5)


def test_no_other_variance_gives_a_lower_nll() -> None:
    target, mean = torch.randn(6, 1, 4, 4), torch.randn(6, 1, 4, 4)
    nll, mse = losses.gaussian_nll_optimal(target, mean)
    for factor in (0.8, 1.25):
        other = torch.distributions.Normal(mean, (mse * factor).sqrt()).log_prob(target).flatten(1).sum(1)
        assert -other.mean() > nll


def test_a_perfect_reconstruction_has_a_finite_loss() -> None:
    image = torch.ones(2, 1, 4, 4)
    assert torch.isfinite(losses.gaussian_nll_optimal(image, image.clone())[0])


def logits(*values: float) -> torch.Tensor:
    return torch.tensor(values, requires_grad=True)


@pytest.mark.parametrize(
    ("loss", "real", "fake", "discriminator", "generator"),
    [
        # D: ((3-1)^2 + (1-1)^2) / 2 / 2 + (2^2 + 0^2) / 2 / 2;  G: ((2-1)^2 + (0-1)^2) / 2 / 2
        (losses.LEAST_SQUARES, (3.0, 1.0), (2.0, 0.0), 0.5 + 5.0, 1.0),
        # D: (2 + 0) / 2 - (3 + 1) / 2;  G: -(2 + 0) / 2
        (losses.WASSERSTEIN, (3.0, 1.0), (2.0, 0.0), -1.0, -1.0),
        # D: (0 + max(0, 1 - 0.5)) / 2 + (max(0, 1 + 2) + 0) / 2;  G: -(2 - 3) / 2
        (losses.HINGE, (3.0, 0.5), (2.0, -3.0), 0.25 + 1.5, 0.5),
        # pairs 3 - 2 = 1 and 0 - 0 = 0: D: (ln(1 + 1/e) + ln 2) / 2;  G: (ln(1 + e) + ln 2) / 2
        (
            losses.RELATIVISTIC,
            (3.0, 0.0),
            (2.0, 0.0),
            (math.log(1 + math.exp(-1)) + math.log(2)) / 2,
            (math.log(1 + math.e) + math.log(2)) / 2,
        ),
    ],
)
def test_each_game_has_the_values_computed_by_hand(
    loss: losses.AdversarialLoss,
    real: tuple[float, ...],
    fake: tuple[float, ...],
    discriminator: float,
    generator: float,
) -> None:
    assert loss.discriminator(logits(*real), logits(*fake)).item() == pytest.approx(discriminator, rel=1e-6)
    assert loss.generator(logits(*real), logits(*fake)).item() == pytest.approx(generator, rel=1e-6)


@pytest.mark.parametrize("name", ["BCE", "LEAST_SQUARES", "WASSERSTEIN", "HINGE", "RELATIVISTIC"])
def test_the_players_pull_a_fake_logit_in_opposite_directions(name: str) -> None:
    loss: losses.AdversarialLoss = getattr(losses, name)
    real, fake = logits(0.5), logits(0.25)
    loss.discriminator(real, fake).backward()
    assert real.grad is not None
    assert fake.grad is not None
    assert real.grad.item() < 0 < fake.grad.item()
    fake = logits(0.25)
    loss.generator(real.detach(), fake).backward()
    assert fake.grad is not None
    assert fake.grad.item() < 0
