"""What a student learns from: its teacher's images of the same noise and condition, in pixels and in features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganlib.config import DistillConfig
from ganlib.objectives.distillation import feature_distance, pixel_distance

Draw = Callable[..., Tensor]
"""Noise, and the condition if any, to a teacher's images: float [batch, channels, height, width] in [-1, 1]."""
Levels = Callable[[Tensor], Sequence[Tensor]]
"""Images to features of several levels, by a net that is not the judge."""


class Lesson:
    """Terms of a student's loss: how far its images are from its teacher's."""

    def __init__(self, teacher: Draw, levels: Levels, weights: DistillConfig) -> None:
        """``levels`` may be those of a net that learns, such as the family's discriminator."""
        self.teacher, self.levels, self.weights = teacher, levels, weights

    def __call__(self, images: Tensor, noise: Tensor, *conditions: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the terms for ``images``, which were drawn from ``noise``; and each, detached."""
        targets = self.teacher(noise, *conditions)
        pixels = pixel_distance(images, targets)
        terms, loss = {"teacher_pixels": pixels.detach()}, self.weights.pixels * pixels
        if self.weights.features:
            with torch.no_grad():
                theirs = self.levels(targets)
            features = feature_distance(self.levels(images), theirs)
            terms["teacher_features"], loss = features.detach(), loss + self.weights.features * features
        return loss, terms
