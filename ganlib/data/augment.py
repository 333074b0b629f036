"""Augmentation on the device. All draws come from torch's global generator, which the loop reseeds at every step."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def shift_and_rotate(images: Tensor, pixels: float, degrees: float) -> Tensor:
    """Move and turn every image by its own uniform draw; what comes in from outside is black.

    Args:
        images: float [batch, channels, height, width] in [-1, 1], -1 is black.
        pixels: largest shift in either direction.
        degrees: largest turn.
    """
    count, device = len(images), images.device
    angle = (torch.rand(count, device=device) * 2 - 1) * math.radians(degrees)
    shift = (torch.rand(count, 2, device=device) * 2 - 1) * (2 * pixels / images.shape[-1])
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(count, 2, 2)
    grid = F.affine_grid(torch.cat([turn, shift.unsqueeze(2)], dim=2), list(images.shape), align_corners=False)
    # What comes in is zero to grid_sample, so black is made zero.
    return F.grid_sample(images + 1, grid, align_corners=False) - 1


def flip(images: Tensor) -> Tensor:
    """Mirror each image left for right with a chance of one half; float [batch, channels, height, width]."""
    flips = torch.rand(len(images), device=images.device) < 0.5
    return torch.where(flips.view(-1, 1, 1, 1), images.flip(3), images)


def translate_and_cut(images: Tensor, pixels: int, cut: int) -> Tensor:
    """DiffAugment's translation and cutout, differentiable in ``images`` (Zhao 2020).

    Args:
        images: float [batch, channels, height, width] in [-1, 1].
        pixels: largest translation, whole pixels in either direction; what comes in from outside is black.
        cut: side of the square that becomes black.
    """
    count, _, height, width = images.shape
    device = images.device
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    move = torch.randint(-pixels, pixels + 1, (count, 2, 1), device=device).unbind(1)
    canvas = F.pad(images, [pixels] * 4, value=-1.0)
    sample = torch.arange(count, device=device).view(-1, 1, 1)
    down, right = rows + pixels + move[0], columns + pixels + move[1]
    crop = canvas[sample, :, down.unsqueeze(2), right.unsqueeze(1)].permute(0, 3, 1, 2)
    if not cut:
        return crop
    corner = torch.stack([torch.randint(0, size + 1, (count, 1), device=device) for size in (height, width)]) - cut // 2
    inside_rows = (rows >= corner[0]) & (rows < corner[0] + cut)
    inside_columns = (columns >= corner[1]) & (columns < corner[1] + cut)
    hole = (inside_rows.unsqueeze(2) & inside_columns.unsqueeze(1)).unsqueeze(1)
    return crop.masked_fill(hole, -1.0)


def recolour(images: Tensor) -> Tensor:
    """DiffAugment's colour, differentiable in ``images`` (Zhao 2020): brightness, saturation, contrast.

    Every image has draws of its own: it becomes lighter or darker by up to a quarter of the range; its distance from
    grey, then that from its own mean, is multiplied by up to 2, and by 0.5 to 1.5. Values may leave [-1, 1].

    Args:
        images: float [batch, channels, height, width] in [-1, 1]; of one channel there is no saturation.
    """

    def draw() -> Tensor:
        return torch.rand(len(images), device=images.device).view(-1, 1, 1, 1)

    images = images + (draw() - 0.5)
    if images.shape[1] > 1:
        grey = images.mean(dim=1, keepdim=True)
        images = (images - grey) * (2 * draw()) + grey
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * (draw() + 0.5) + mean
