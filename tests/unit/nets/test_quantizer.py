"""The vector quantiser: gradients, the codebook's movement, and state that resumes."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor

from ganlib.nets.quantizer import VectorQuantizer, perplexity, use


def features(batch: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(batch, 12, 7, 7, generator=torch.Generator().manual_seed(seed))


def trained(steps: int = 30, codes: int = 32) -> VectorQuantizer:
    torch.manual_seed(0)
    quantizer = VectorQuantizer(codes, 12, code_dim=4)
    for step in range(steps):
        torch.manual_seed(step)
        quantizer(features(seed=step))
    return quantizer


def test_shapes_and_types_are_the_documented_ones() -> None:
    quantised, loss, indices = VectorQuantizer(32, 12)(features(5))
    assert quantised.shape == (5, 12, 7, 7)
    assert loss.shape == ()
    assert indices.shape == (5, 49)
    assert indices.dtype == torch.int64
    assert 0 <= int(indices.min()) <= int(indices.max()) < 32


def test_encode_and_decode_give_what_forward_gives() -> None:
    quantizer = trained().eval()
    quantised, _, indices = quantizer(features())
    assert torch.equal(quantizer.encode(features()), indices)
    assert torch.allclose(quantizer.decode(indices, 7), quantised, atol=1e-5)


def test_each_vector_takes_the_code_of_the_smallest_angle() -> None:
    quantizer = trained().eval()
    vectors = quantizer.project(features()).permute(0, 2, 3, 1).reshape(-1, 4)
    angles = torch.nn.functional.cosine_similarity(vectors.unsqueeze(1), quantizer.codebook.unsqueeze(0), dim=2)
    assert torch.equal(quantizer.encode(features()).flatten(), angles.argmax(1))


def test_the_gradient_passes_straight_through_the_choice() -> None:
    quantizer = trained().eval()
    given = features().requires_grad_()
    weight = torch.randn(16, 12, 7, 7)
    (through,) = torch.autograd.grad((quantizer(given)[0] * weight).sum(), given)
    skipped = quantizer.expand(torch.nn.functional.normalize(quantizer.project(given), dim=1))
    (around,) = torch.autograd.grad((skipped * weight).sum(), given)
    assert torch.allclose(through, around, atol=1e-5)
    assert through.abs().max() > 0


def test_the_commitment_loss_pulls_features_and_not_the_codebook() -> None:
    quantizer = trained().eval()
    given = features().requires_grad_()
    loss = quantizer(given)[1]
    loss.backward()
    assert given.grad is not None
    assert given.grad.abs().max() > 0
    assert 0 < float(loss.detach()) < 4
    assert not quantizer.codebook.requires_grad


def test_the_loss_is_zero_on_the_codes_themselves() -> None:
    quantizer = VectorQuantizer(32, 4, code_dim=4).eval()
    with torch.no_grad():  # a projection that changes nothing
        quantizer.project[0].weight.copy_(torch.eye(4).view(4, 4, 1, 1))
        indices = torch.arange(32).repeat(2, 2)[:, :49]
        codes = quantizer.codebook[indices].transpose(1, 2).reshape(2, 4, 7, 7)
        _, loss, found = quantizer(codes)
    assert float(loss) < 1e-6
    assert torch.equal(found, indices)


def test_the_first_batch_initialises_all_codes_from_its_own_vectors() -> None:
    torch.manual_seed(0)
    quantizer = VectorQuantizer(32, 12, code_dim=4, decay=1.0)  # a decay of 1 leaves the codes where they start
    quantizer(features())
    with torch.no_grad():
        unit = torch.nn.functional.normalize(quantizer.project(features()), dim=1)
    nearest = torch.cdist(quantizer.codebook, unit.permute(0, 2, 3, 1).reshape(-1, 4)).min(1).values
    assert nearest.max() < 1e-3


def test_codes_follow_the_vectors_until_all_are_used() -> None:
    quantizer = trained(60).eval()
    indices = quantizer.encode(features(64, seed=999))
    assert use(indices, 32) == 1
    assert perplexity(indices, 32) > 24
    assert float(quantizer.usage.sum()) == pytest.approx(1, abs=0.05)


def test_a_dead_code_restarts_in_the_batch_and_a_live_one_does_not() -> None:
    quantizer = trained()
    with torch.no_grad():
        quantizer.usage[3] = 0
        quantizer.codebook[3] = torch.full((4,), torch.nan)  # would spoil everything if it stayed
    before = quantizer.codebook.clone()
    quantizer(features(seed=77))
    assert torch.isfinite(quantizer.codebook).all()
    alive = [code for code in range(32) if code != 3]
    assert (quantizer.codebook[alive] * before[alive]).sum(1).median() > 0.95


def test_only_forward_in_training_mode_moves_the_codebook() -> None:
    quantizer = trained()
    before = copy.deepcopy(quantizer.state_dict())
    del before["project.1.running_mean"], before["project.1.running_var"], before["project.1.num_batches_tracked"]
    quantizer.encode(features(seed=5))
    quantizer.decode(quantizer.encode(features(seed=6)), 7)
    quantizer.eval()(features(seed=7))
    after = quantizer.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    quantizer.train()(features(seed=7))
    assert not torch.equal(quantizer.codebook, before["codebook"])


def test_a_loaded_state_goes_on_bit_for_bit() -> None:
    first = trained(10)
    second = VectorQuantizer(32, 12, code_dim=4)
    second.load_state_dict(first.state_dict())
    for step in range(10, 20):
        outputs = []
        for quantizer in (first, second):
            torch.manual_seed(step)
            outputs.append(quantizer(features(seed=step)))
        assert all(torch.equal(a, b) for a, b in zip(*outputs, strict=True))
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_perplexity_and_use_have_their_known_values() -> None:
    assert float(perplexity(torch.zeros(5, 49, dtype=torch.int64), 8)) == pytest.approx(1)
    assert float(perplexity(torch.arange(8), 8)) == pytest.approx(8)
    halves = torch.tensor([0, 0, 1, 2])
    assert float(perplexity(halves, 8)) == pytest.approx(math.exp(1.5 * math.log(2)))
    assert float(use(halves, 8)) == pytest.approx(3 / 8)
