"""The frozen judge: loaded by hash, the same for every figure ever reported."""

from __future__ import annotations

import json
import re
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes
from ganlib.core.progress import Report, doing, silent
from ganlib.data.mnist.dataset import MNIST

if TYPE_CHECKING:
    from ganlib.data.spec import DatasetSpec
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


def knows(spec: DatasetSpec) -> bool:
    """Whether the committed judge was trained on images and classes such as those of ``spec``."""
    return (spec.image, spec.class_names) == (MNIST.image, MNIST.class_names)


class JudgeOutput(NamedTuple):
    """What the judge says of n images."""

    features: np.ndarray
    """float32 [n, 128], >= 0."""
    probabilities: np.ndarray
    """float32 [n, 10]."""


class Judge:
    """A classifier in evaluation mode, on the CPU."""

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

    def features(self, images: np.ndarray, *, batch: int = 100, report: Report = silent) -> JudgeOutput:
        """Features and class probabilities of uint8 ``images`` [n, 28, 28] or [n, 1, 28, 28], in the same
        order.

        Nothing depends on ``batch`` but time: what a hundred images take fits the processor's cache.

        Raises:
            BadInput: another type or shape, or no images.
        """
        import torch

        pixels = torch.from_numpy(np.ascontiguousarray(_checked(images))).view(-1, 1, 28, 28)
        features, probabilities = [], []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                part = self._net.features(pixels[start : start + batch])
                features.append(part)
                probabilities.append(self._net.head(part).softmax(dim=1))
                report("judge", min(start + batch, len(pixels)), len(pixels))
        return JudgeOutput(torch.cat(features).numpy(), torch.cat(probabilities).numpy())

    def classify(self, features: np.ndarray) -> np.ndarray:
        """Class probabilities float32 [n, 10] of ``features`` [n, 128] that were read before."""
        import torch

        with torch.inference_mode():
            probabilities: np.ndarray = self._net.head(torch.from_numpy(features)).softmax(dim=1).numpy()
        return probabilities

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
def load_judge(path: Path | None = None) -> Judge:
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
    return Judge(expected, weights)


def _digest_in(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    if not match:
        raise BadInput(f"{path.name} is not a judge: judge-<sha256>.safetensors is.")
    return match[1]


def _checked(images: np.ndarray) -> np.ndarray:
    given = f"{images.dtype} {list(images.shape)}"
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise BadInput(f"the images ({given}) hold NaN or infinity: the generator that made them is broken.")
    if images.dtype != np.uint8 or images.shape[1:] not in ((28, 28), (1, 28, 28)) or not len(images):
        raise BadInput(f"the judge takes uint8 images [n, 1, 28, 28] or [n, 28, 28], not {given}.")
    return images
