"""Augmentation: what moves, how far, and that background comes in."""

from __future__ import annotations

import pytest
import torch

from ganlib.data.augment import flip, recolour, shift_and_rotate, translate_and_cut


def dot(row: int, column: int, count: int = 32) -> torch.Tensor:
    images = torch.full((count, 1, 28, 28), -1.0)
    images[:, 0, row, column] = 1.0
    return images


def test_no_shift_and_no_turn_changes_nothing() -> None:
    images = torch.rand(3, 1, 28, 28) * 2 - 1
    assert torch.allclose(shift_and_rotate(images, 0, 0), images, atol=1e-5)


def test_a_shift_stays_within_its_limit_and_differs_from_image_to_image() -> None:
    torch.manual_seed(0)
    moved = shift_and_rotate(dot(14, 14), 3, 0) + 1
    rows = (moved.sum(3).squeeze(1) * torch.arange(28)).sum(1) / moved.sum((1, 2, 3))
    assert (rows - 14).abs().max() <= 3.01
    assert rows.std() > 0.5


def test_a_turn_keeps_the_distance_from_the_centre() -> None:
    torch.manual_seed(0)
    turned = shift_and_rotate(dot(4, 14), 0, 90) + 1
    weight = turned.sum((1, 2, 3))
    rows = (turned.sum(3).squeeze(1) * torch.arange(28)).sum(1) / weight - 13.5
    columns = (turned.sum(2).squeeze(1) * torch.arange(28)).sum(1) / weight - 13.5
    assert torch.hypot(rows, columns) == pytest.approx(torch.full((32,), 9.5).tolist(), abs=0.8)


def test_translation_moves_whole_pixels_and_what_comes_in_is_background() -> None:
    torch.manual_seed(0)
    moved = translate_and_cut(dot(0, 0), 2, 0)
    assert set(moved.unique().tolist()) == {-1.0, 1.0}
    assert (moved == 1).sum((1, 2, 3)).max() == 1
    assert (moved[:, 0, 3:] == -1).all()
    assert (moved == 1).any()


def test_the_cut_is_a_square_of_background_and_gradients_pass_outside_it() -> None:
    torch.manual_seed(0)
    images = torch.ones(16, 1, 28, 28, requires_grad=True)
    cut = translate_and_cut(images, 0, 8)
    assert ((cut == -1).sum((1, 2, 3)) <= 64).all()
    assert (cut == -1).sum() > 0
    cut.sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad == 0, cut == -1)


def test_all_channels_of_an_image_move_and_are_cut_together() -> None:
    torch.manual_seed(0)
    images = (torch.rand(8, 1, 16, 16) * 2 - 1).repeat(1, 3, 1, 1)
    for changed in (translate_and_cut(images, 3, 5), shift_and_rotate(images, 2, 20), flip(images)):
        assert changed.shape == images.shape
        assert torch.equal(changed[:, 0], changed[:, 2])
        assert not torch.equal(changed, images)


def test_half_of_the_images_are_mirrored_and_the_others_are_as_they_were() -> None:
    torch.manual_seed(0)
    images = torch.rand(400, 3, 4, 4)
    out = flip(images)
    same = (out == images).flatten(1).all(1)
    mirrored = (out == images.flip(3)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 150 < same.sum() < 250


def test_colour_changes_within_its_limits_by_each_images_own_draws_and_gradients_pass() -> None:
    torch.manual_seed(0)
    flat = torch.zeros(200, 3, 4, 4) + torch.tensor([0.4, 0.0, -0.4]).view(3, 1, 1)
    flat.requires_grad_(True)
    out = recolour(flat)
    lighter = out.mean(dim=(1, 2, 3))  # saturation and contrast leave the mean
    assert lighter.abs().max() <= 0.5
    assert lighter.std() > 0.2
    distance = (out[:, 0] - out[:, 2]).mean(dim=(1, 2)) / 0.8
    assert distance.min() >= 0
    assert distance.max() <= 2 * 1.5 + 1e-5
    assert distance.std() > 0.3
    out.sum().backward()
    assert flat.grad is not None
    assert torch.allclose(flat.grad.mean(), torch.ones(()), atol=1e-3)


def test_grey_images_stay_grey_and_have_no_saturation_to_change() -> None:
    torch.manual_seed(0)
    one = torch.rand(16, 1, 4, 4)
    contrast = (recolour(one).amax((1, 2, 3)) - recolour(one).amin((1, 2, 3))) > 0
    assert contrast.all()
    grey = recolour(one.repeat(1, 3, 1, 1))
    assert torch.allclose(grey[:, 0], grey[:, 1], atol=1e-6)
