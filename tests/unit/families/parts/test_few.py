"""What the number of training images decides where nobody does."""

from __future__ import annotations

import pytest
import torch

from ganlib import families
from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.families.parts.base import TrainingBatch
from ganlib.families.parts.few import FEW, MANY, for_few
from tests.conftest import ROOT

COLOURED = DatasetSpec(name="things", image=ImageShape(channels=3, height=32, width=32))
PARAMS = load(ROOT / "params.yaml")


def test_many_images_are_left_as_they_are() -> None:
    for spec in (MNIST, COLOURED):
        options = families.for_data(PARAMS, "dcgan", spec, MANY)
        assert (options.r1_scale, options.diffaugment_shift, options.diffaugment_cut) == (1.0, 0, 0)
        assert not options.augmented


def test_few_images_are_augmented_for_the_discriminator_and_very_few_hold_it_back() -> None:
    few, very_few = (families.for_data(PARAMS, "dcgan", COLOURED, images) for images in (MANY - 1, 300))
    assert few.augmented
    assert few.diffaugment_colour
    assert (few.diffaugment_shift, few.diffaugment_cut) == (4, 16)
    assert few.r1_scale == 1
    assert very_few.r1_scale > 1


def test_grey_images_are_moved_only_where_that_was_seen_to_help() -> None:
    assert for_few(FEW - 1, MNIST.image).diffaugment_shift == 3
    assert for_few(FEW, MNIST.image).diffaugment_shift == 0


def test_there_is_no_colour_to_change_in_grey_images() -> None:
    assert not for_few(300, MNIST.image).diffaugment_colour


def test_what_somebody_has_set_is_kept() -> None:
    changed = load(ROOT / "params.yaml", ["families.dcgan.diffaugment_shift=0", "families.dcgan.r1_scale=2"])
    options = families.for_data(changed, "dcgan", COLOURED, 300)
    assert (options.diffaugment_shift, options.r1_scale) == (0, 2)
    assert options.diffaugment_cut == 16


def test_what_is_left_to_the_number_of_images_is_a_number_in_the_runs_record() -> None:
    for name in families.names():
        options = families.for_data(PARAMS, name, MNIST, 500)
        left = {option for option, value in options.model_dump().items() if value is None}
        assert left <= {"generator_channels"}, name  # which is no matter of how many there are


def test_a_family_that_does_not_fit_is_refused_before_anything_is_filled_in() -> None:
    with pytest.raises(BadInput, match="cgan does not fit things"):
        families.for_data(PARAMS, "cgan", COLOURED, 300)


def test_the_scale_multiplies_the_penalty() -> None:
    losses = []
    for scale in (1.0, 4.0):
        torch.manual_seed(0)
        options = families.options("dcgan", {"channels": 4, "r1_gamma": 1e9, "penalty_every": 1, "r1_scale": scale})
        family = families.build("dcgan", options, MNIST)
        batch = torch.rand(8, 1, 28, 28)
        (phase, *_) = family.phases(0)
        loss, told = phase.loss(TrainingBatch(batch, torch.zeros(8, dtype=torch.int64)), 0)
        losses.append((loss.item(), told["r1"].item()))
    (first, penalty), (second, _) = losses
    assert second - first == pytest.approx(3e9 * penalty, rel=1e-3)  # an untrained net's is tiny
