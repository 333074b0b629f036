"""A student's generator learns from its teacher, and its discriminator is that of any training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganlib import families
from ganlib.config import DistillConfig
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.adversarial import Adversarial
from ganlib.families.parts.base import TrainingBatch
from ganlib.families.parts.lesson import Lesson
from ganlib.jobs.training.teacher import with_students

ROW = {"channels": 8, "batch_size": 16, "generator_channels": 2}


def build(name: str) -> Adversarial:
    torch.manual_seed(0)
    made = families.build(name, families.options(name, ROW), MNIST)
    assert isinstance(made, Adversarial)
    return made


def batch() -> TrainingBatch:
    return TrainingBatch(torch.rand(16, 1, 28, 28) * 2 - 1, torch.arange(16) % 10)


def test_a_lesson_is_the_weighted_sum_of_what_the_pixels_and_the_features_lack() -> None:
    images, noise = torch.full((2, 1, 2, 2), 0.5, requires_grad=True), torch.zeros(2, 3)
    lesson = Lesson(
        lambda noise: torch.zeros(2, 1, 2, 2),
        lambda images: [images + 1.0],
        DistillConfig(pixels=2.0, features=10.0, adversarial=0.0),
    )
    loss, terms = lesson(images, noise)
    assert terms["teacher_pixels"].item() == pytest.approx(0.5)
    assert terms["teacher_features"].item() == pytest.approx(0.5, abs=1e-6), "0.5 of features that are 1"
    assert loss.item() == pytest.approx(2 * 0.5 + 10 * 0.5, rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None
    without = Lesson(lesson.teacher, lesson.levels, DistillConfig(features=0.0))(images, noise)[1]
    assert set(without) == {"teacher_pixels"}


@pytest.mark.parametrize("name", ["cgan", "dcgan", "r3gan"])
def test_a_student_s_generator_is_narrower_and_its_loss_is_the_family_s_and_the_lesson(name: str) -> None:
    family, heard = build(name), []
    wide = families.build(name, families.options(name, {**ROW, "generator_channels": None}), MNIST)
    size = {net: sum(p.numel() for p in net.generator.parameters()) for net in (family, wide)}
    assert size[family] < size[wide] / 3
    assert family.discriminator.state_dict().keys() == wide.get_submodule("discriminator").state_dict().keys()

    def teacher(noise: Tensor, *conditions: Tensor) -> Tensor:
        heard.append((noise.clone(), *conditions))
        return torch.zeros(16, 1, 28, 28)

    given = batch()

    def losses() -> dict[str, Tensor]:
        torch.manual_seed(7)
        discriminator, generator = family.phases(0)
        discriminator.loss(given, 0)
        value, terms = generator.loss(given, 0)
        return {"value": value.detach(), **terms}

    before = losses()
    family.lesson = Lesson(teacher, lambda images: [images.flatten(1) + 2.0], DistillConfig(adversarial=0.25))
    after = losses()
    assert after["generator_loss"].item() == pytest.approx(before["generator_loss"].item(), rel=1e-4)
    expected = 0.25 * after["generator_loss"] + after["teacher_pixels"] + after["teacher_features"]
    assert after["value"].item() == pytest.approx(expected.item(), rel=1e-5)
    ((noise, *conditions),) = heard
    torch.manual_seed(7)
    assert torch.equal(noise, torch.randn(16, family.noise_dim)), "the noise that the student drew from"
    assert [*map(torch.Tensor.tolist, conditions)] == ([given.labels.tolist()] if name == "cgan" else [])
    assert family.variant(0) is None, "a teacher on the host is in no recording of a step"


def test_only_families_with_a_generator_of_its_own_width_have_students() -> None:
    assert {"cgan", "dcgan", "r3gan"} <= set(with_students())
    assert not {"vae", "vqgan", "pggan", "gan"} & set(with_students())


def test_the_levels_of_a_discriminator_end_in_what_its_logit_is_linear_in() -> None:
    discriminator = build("dcgan").discriminator
    images = batch().images
    levels = discriminator.levels(images)  # type: ignore[operator]
    assert [len(each) for each in levels] == [16] * len(levels)
    assert torch.equal(levels[-1], discriminator.features(images))  # type: ignore[operator]
