"""What a judge is, and the committed one of MNIST's digits: loaded by hash, the same for every figure ever reported."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes
from ganlib.core.progress import Report, doing, silent
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import ImageShape

if TYPE_CHECKING:
    from ganlib.evaluation.judge.net import JudgeNet

_NAME = re.compile(r"judge-([0-9a-f]{64})\.safetensors")
_RESTORE = "Restore it: git checkout ganlib/evaluation/weights"

LEAST_KNOWN = 0.9
"""Share of the labels of real images that the judge agrees with, below which it does not know such images. MNIST:
0.997; turned by 30 degrees 0.97, by 45 0.85; printed digits in sixty fonts 0.73; Fashion-MNIST 0.11."""


def doubt(share: float) -> str | None:
    """What figures mean where the judge agrees with ``share`` of the labels of real images; None if it knows them."""
    if share >= LEAST_KNOWN:
        return None
    return (
        f"the judge agrees with {100 * share:.1f}% of the labels of the real test images (MNIST: 99.7%, at least "
        f"{100 * LEAST_KNOWN:.0f}% is wanted): it does not know such images, or labels are wrong. FID, KID and the "
        "figures by digit are distances in its view alone: hold them against the real-data floor, not against those "
        "of MNIST, and look at the images"
    )


class JudgeOutput(NamedTuple):
    """What a judge says of n images."""

    features: np.ndarray
    """float32 [n, d]; d is the judge's own."""
    probabilities: np.ndarray
    """float32 [n, k], of the judge's classes; k is 0 where it has none."""


class Judge(ABC):
    """What figures are made with: a function from images to features and, if it knows classes, their probabilities.

    It belongs to one data set: it takes images of one shape, and its classes are that set's.
    """

    sha256: str
    """Of its file. Figures of two judges are not comparable, so each figure names it."""
    name: str
    """For people."""
    image: ImageShape
    """The one shape of images that it takes."""
    class_names: tuple[str, ...]
    """The data set's, in the order of the probabilities; empty where the judge knows no classes."""

    def features(self, images: np.ndarray, *, batch: int = 100, report: Report = silent) -> JudgeOutput:
        """Return what the judge says of uint8 ``images`` [n, channels, height, width], in the same order.

        Nothing depends on ``batch`` but time: what a hundred images take fits the processor's cache.

        Raises:
            BadInput: another type or shape, no images, or what it says of them is not finite.
        """
        self._require_images(images)
        parts = []
        for part in self._parts(images, batch):
            parts.append(part)
            report.advance("judge", min(len(parts) * batch, len(images)), len(images))
        return JudgeOutput(*map(np.concatenate, zip(*parts, strict=True)))

    def _parts(self, images: np.ndarray, batch: int) -> Iterator[JudgeOutput]:
        """What is said of one batch of images after another, each as it is ready."""
        return (self._batch(images[start : start + batch]) for start in range(0, len(images), batch))

    @abstractmethod
    def _batch(self, images: np.ndarray) -> JudgeOutput:
        """What is said of some images, uint8 [n, channels, height, width]."""

    def _require_images(self, images: np.ndarray) -> None:
        given = f"{images.dtype} {list(images.shape)}"
        if images.dtype.kind == "f" and not np.isfinite(images).all():
            raise BadInput(f"the images ({given}) hold NaN or infinity: the generator that made them is broken.")
        if images.dtype != np.uint8 or images.shape[1:] != self.image.dims or not len(images):
            expected = ", ".join(map(str, self.image.dims))
            raise BadInput(f"judge {self.name} takes uint8 images [n, {expected}], not {given}.")


class DigitsJudge(Judge):
    """The committed judge: a classifier of MNIST's digits, by torch, on the CPU."""

    name, image, class_names = "mnist digits", MNIST.image, MNIST.class_names

    class_names = tuple("0123456789")

    def __init__(self, sha256: str, weights: bytes) -> None:
        """``weights`` is a whole safetensors file and ``sha256`` its verified digest; see
        :func:`load_judge`."""
        self.sha256, self._weights = sha256, weights

    @cached_property
    def facts(self) -> dict[str, str]:
        """What was recorded when it was trained: accuracies, seed, data version, architecture."""
        # safetensors: eight bytes of header length, then the header as JSON
        length = int.from_bytes(self._weights[:8], "little")
        facts: dict[str, str] = json.loads(self._weights[8 : 8 + length])["__metadata__"]
        return facts

    def _batch(self, images: np.ndarray) -> JudgeOutput:
        import torch

        with torch.inference_mode():
            features = self._net.features(torch.from_numpy(np.ascontiguousarray(images)))
            return JudgeOutput(features.numpy(), self._net.head(features).softmax(dim=1).numpy())

    @cached_property
    def _net(self) -> JudgeNet:
        from safetensors.torch import load

        from ganlib.evaluation.judge.net import ARCHITECTURE, JudgeNet

        if self.facts.get("architecture") != str(ARCHITECTURE):
            raise BadInput(
                f"judge {self.sha256[:12]} is of architecture {self.facts.get('architecture')}, not {ARCHITECTURE}."
            )
        net = JudgeNet(folded=True)
        net.load_state_dict(load(self._weights))
        return net.eval().requires_grad_(False)


def weights_folder() -> Path:
    """Where the committed judge lies."""
    return Path(str(resources.files("ganlib.evaluation"))) / "weights"


def judge_path() -> Path:
    """The one committed judge.

    Raises:
        BadInput: there is none, or more than one.
    """
    found = sorted(weights_folder().glob("judge-*.safetensors"))
    if len(found) != 1:
        raise BadInput(f"{weights_folder()} must hold exactly one judge, found {len(found)}. {_RESTORE}")
    return found[0]


def judge_sha256() -> str:
    """The committed judge's digest, from its name; the file is not read.

    Raises:
        BadInput: as :func:`judge_path`, or the name holds no digest.
    """
    return _digest_in(judge_path())


@doing("load the judge")
def load_judge(path: Path | None = None) -> DigitsJudge:
    """The judge at ``path``, a ``judge-<sha256>.safetensors``, or the committed one, checked against its
    name.

    Raises:
        BadInput: there is no such file, or its name holds no digest.
        Corrupt: its bytes are not those that its name promises.
    """
    path = path or judge_path()
    expected = _digest_in(path)
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the judge {path}: {error.strerror}. {_RESTORE}") from error
    if (actual := sha256_bytes(weights)) != expected:
        raise Corrupt(path, expected=expected, actual=actual, hint=_RESTORE)
    return DigitsJudge(expected, weights)


def _digest_in(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    if not match:
        raise BadInput(f"{path.name} is not a judge: judge-<sha256>.safetensors is.")
    return match[1]
