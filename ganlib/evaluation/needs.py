"""What figures need of the splits: settings that follow a smaller set, and what is too small for any figure."""

from __future__ import annotations

from collections.abc import Mapping

from ganlib.config import EvaluateConfig
from ganlib.core.errors import BadInput

LEAST: Mapping[str, int] = {"train": 100, "validation": 10, "test": 20}
"""Images of each split that figures are made of: 200 images give as many. Against 40 test images real ones of MNIST
score a FID of 14 +- 3, blurred ones 200: coarse, but not blind."""


def fitted(config: EvaluateConfig, counts: Mapping[str, int]) -> EvaluateConfig:
    """``config`` with no figure asked for more images than there are; equal to it for a set as large as MNIST.

    The rule: no more samples than training images (the floor is scored by as many real ones), no larger KID subsets
    than there are samples or test images, no more neighbours than a test image has others.

    Args:
        config: what was asked for.
        counts: images of train, validation and test.

    Raises:
        BadInput: a split has fewer images than :data:`LEAST`.
    """
    for name, least in LEAST.items():
        if counts[name] < least:
            minimum = ", ".join(f"{name} {images}" for name, images in LEAST.items())
            raise BadInput(
                f"the {name} split has {counts[name]:,} images, too few for any figure; at least {minimum} are needed, "
                "which 200 images in all give. Add images, then run: ganlib data version --from DIR"
            )
    samples = min(config.samples, counts["train"])
    return config.model_copy(
        update={
            "samples": samples,
            "kid_subset_size": min(config.kid_subset_size, samples, counts["test"]),
            "neighbours": min(config.neighbours, samples - 1, counts["test"] - 1),
        }
    )


def changes(config: EvaluateConfig, smaller: EvaluateConfig) -> str | None:
    """What :func:`fitted` changed, in words; None if nothing."""
    before, after = config.model_dump(), smaller.model_dump()
    differences = [
        f"{name} {after[name]:,} instead of {before[name]:,}" for name in before if after[name] != before[name]
    ]
    return f"a small data set: evaluate.{', evaluate.'.join(differences)}" if differences else None
