"""MNIST's judge: loaded by hash, the same for every figure ever reported."""

from __future__ import annotations

import json
import re
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes
from ganlib.core.progress import doing
from ganlib.data.mnist.dataset import MNIST
from ganlib.evaluation.judge.judge import Judge, JudgeOutput

if TYPE_CHECKING:
    from ganlib.evaluation.judge.mnist.net import JudgeNet

_NAME = re.compile(r"judge-([0-9a-f]{64})\.safetensors")
_RESTORE = "Restore it: git checkout ganlib/evaluation/weights"


class MnistJudge(Judge):
    """The committed judge: a classifier of MNIST's digits, by torch, on the CPU."""

    name, image, class_names = "mnist", MNIST.image, MNIST.class_names

    def __init__(self, sha256: str, weights: bytes) -> None:
        """``weights`` is a whole safetensors file and ``sha256`` its verified digest; see
        :func:`load_judge`."""
        self.sha256, self.weights = sha256, weights

    @cached_property
    def facts(self) -> dict[str, str]:
        """What was recorded when it was trained: accuracies, seed, data version, architecture."""
        # safetensors: eight bytes of header length, then the header as JSON
        length = int.from_bytes(self.weights[:8], "little")
        facts: dict[str, str] = json.loads(self.weights[8 : 8 + length])["__metadata__"]
        return facts

    def _batch(self, images: np.ndarray) -> JudgeOutput:
        import torch

        with torch.inference_mode():
            features = self._net.features(torch.from_numpy(np.ascontiguousarray(images)))
            return JudgeOutput(features.numpy(), self._net.head(features).softmax(dim=1).numpy())

    @cached_property
    def _net(self) -> JudgeNet:
        from safetensors.torch import load

        from ganlib.evaluation.judge.mnist.net import ARCHITECTURE, JudgeNet

        if self.facts.get("architecture") != str(ARCHITECTURE):
            raise BadInput(
                f"judge {self.sha256[:12]} is of architecture {self.facts.get('architecture')}, not {ARCHITECTURE}."
            )
        net = JudgeNet(folded=True)
        net.load_state_dict(load(self.weights))
        return net.eval().requires_grad_(False)


def weights_folder() -> Path:
    """Where the committed judge lies."""
    return Path(str(resources.files("ganlib.evaluation"))) / "weights"


def judge_path() -> Path:
    """The one committed judge.

    Raises:
        BadInput: there is none, or more than one.
    """
    paths = sorted(weights_folder().glob("judge-*.safetensors"))
    if len(paths) != 1:
        raise BadInput(f"{weights_folder()} must hold exactly one judge, found {len(paths)}. {_RESTORE}")
    return paths[0]


def judge_sha256() -> str:
    """The committed judge's digest, from its name; the file is not read.

    Raises:
        BadInput: as :func:`judge_path`, or the name holds no digest.
    """
    return _digest_in(judge_path())


@doing("load the judge")
def load_judge(path: Path | None = None) -> MnistJudge:
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
    return MnistJudge(expected, weights)


def _digest_in(path: Path) -> str:
    match = _NAME.fullmatch(path.name)
    if not match:
        raise BadInput(f"{path.name} is not a judge: judge-<sha256>.safetensors is.")
    return match[1]
