"""The code prior: causal, trained by its likelihood, sampled exactly, and the same in onnxruntime."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from scipy.special import ndtr
from torch import Tensor, nn

from ganlib.config import ExportConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.export.onnx import export
from ganlib.nets.prior import CodePrior, invert_cdf, normal_cdf

CODES = 24


def sharpened(seed: int) -> CodePrior:
    """A prior whose random weights are so large that its choices depend strongly on what it chose before."""
    torch.manual_seed(seed)
    prior = CodePrior(49, CODES, width=32, layers=2, heads=4)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(6)
        prior.head.mul_(6)
    return prior


class ImageBlock(nn.Module):
    """A prior with a small decoder behind it, in which every code matters to the pixels."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.prior = sharpened(seed)
        self.codebook = nn.Parameter(torch.randn(CODES, 4))
        self.grow = nn.Sequential(
            nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Tanh()
        )

    def forward(self, noise: Tensor) -> Tensor:
        codes = self.prior.sample(noise)
        images: Tensor = self.grow(nn.functional.embedding(codes, self.codebook).transpose(1, 2).reshape(-1, 4, 7, 7))
        return images


def test_a_fresh_prior_knows_nothing() -> None:
    torch.manual_seed(0)
    loss = CodePrior(49, CODES, 32, 2, 4).loss(torch.randint(CODES, (8, 49)))
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(math.log(CODES), abs=0.05)


def test_a_code_depends_on_those_before_it_alone() -> None:
    prior, codes = sharpened(0), torch.randint(CODES, (3, 48))
    changed = codes.clone()
    changed[:, 20] = (changed[:, 20] + 1) % CODES
    with torch.no_grad():
        gap = (prior.logits(codes) - prior.logits(changed)).abs().amax((0, 2))
    assert gap[:21].max() == 0
    assert gap[21:].min() > 0


def test_training_learns_a_rule_between_neighbours() -> None:
    torch.manual_seed(0)
    prior = CodePrior(49, CODES, 32, 1, 4)
    optimizer = torch.optim.Adam(prior.parameters(), 1e-2)
    for _ in range(80):
        codes = (torch.randint(CODES, (16, 1)) + torch.arange(49)) % CODES
        optimizer.zero_grad()
        loss = prior.loss(codes)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.3  # log(24) / 49 = 0.065 is what the free first code costs
    drawn = prior.sample(torch.randn(64, 49))
    assert ((drawn[:, 1:] - drawn[:, :-1]) % CODES == 1).float().mean() > 0.9


@pytest.mark.parametrize("seed", range(3))
def test_sampling_step_by_step_inverts_the_distribution_of_the_whole_sequence(seed: int) -> None:
    prior = sharpened(seed)
    noise = torch.randn(32, 49)
    codes = prior.sample(noise)
    with torch.no_grad():
        logits = copy.deepcopy(prior).double().logits(codes[:, :-1])
    expected = invert_cdf(logits.flatten(0, 1), normal_cdf(noise.double()).reshape(-1, 1))
    assert torch.equal(codes.flatten(), expected)
    assert len(codes.unique()) > CODES // 2


def test_samples_are_distributed_as_the_prior_says() -> None:
    prior = sharpened(1)
    first = prior.sample(torch.randn(2000, 49))[:, 0]
    with torch.no_grad():
        share = prior.logits(first.new_zeros(1, 0))[0, 0].softmax(0)
    seen = torch.bincount(first, minlength=CODES) / 2000
    assert (seen - share).abs().max() < 0.045  # four standard deviations of a share of a half


def test_a_sample_does_not_depend_on_its_batch() -> None:
    prior, noise = sharpened(2), torch.randn(9, 49)
    assert torch.equal(prior.sample(noise)[4:5], prior.sample(noise[4:5]))


def test_invert_cdf_has_its_known_values_and_never_leaves_the_classes() -> None:
    logits = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64).log().expand(6, 3)
    uniform = torch.tensor([[0.0], [0.49], [0.51], [0.74], [0.76], [1.0]], dtype=torch.float64)
    assert invert_cdf(logits, uniform).tolist() == [0, 0, 1, 1, 2, 2]


def test_the_normal_distribution_function_is_accurate_in_float64() -> None:
    x = np.linspace(-9, 9, 20001)
    got = normal_cdf(torch.from_numpy(x)).numpy()
    assert np.abs(got - ndtr(x)).max() < 1e-10
    assert np.abs(got / ndtr(x) - 1).max() < 1e-9
    assert (np.diff(got) >= 0).all()


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        CodePrior(49, CODES, 32, 1, 5)


def test_the_exported_graph_is_small_and_takes_the_same_codes(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    certificate = export(ImageBlock(seed=0), 49, file, ExportConfig(parity_batches=(1, 2, 7, 64, 1000)), {}, MNIST)
    assert certificate.max_pixel_difference <= 1
    assert certificate.differing_share < 1e-3  # rounding at a half; another code would change a whole patch
    assert len(onnx.load(file).graph.node) < 120


class Uniform(nn.Module):
    """What the sampler compares with."""

    def forward(self, noise: Tensor) -> Tensor:
        return normal_cdf(noise.double())


@pytest.mark.filterwarnings("ignore")
def test_onnxruntime_computes_phi_in_float64_to_the_last_digits(tmp_path: Path) -> None:
    import onnxruntime

    path = tmp_path / "phi.onnx"
    noise = torch.randn(4096, 49, generator=torch.Generator().manual_seed(0))
    torch.onnx.export(Uniform(), (noise,), path, dynamo=True, input_names=["noise"], external_data=False, verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    [found] = session.run(None, {"noise": noise.numpy()})
    # 1e-8, as from one constant rounded to float32, would change a code in some fifty thousand.
    assert np.abs(found - normal_cdf(noise.double()).numpy()).max() < 1e-14
