"""The frozen judge: loaded by hash, the same for every figure ever reported."""

from __future__ import annotations

from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ganlib.errors import BadInput, Corrupt
from ganlib.files import sha256_bytes
from ganlib.progress import Report, silent


class Judged(NamedTuple):
    """What the judge says of n images."""

    features: np.ndarray
    """float32 [n, 128], after ReLU."""
    probabilities: np.ndarray
    """float32 [n, 10]."""


class Judge:
    """A classifier in evaluation mode, on the CPU."""

    def __init__(self, path: Path) -> None:
        """Read ``path``, a ``judge-<sha256>.safetensors``, and check it against its own name.

        Raises:
            BadInput: there is no such file, or it is of another architecture.
            Corrupt: its bytes are not those that its name promises.
        """
        self.sha256 = path.stem.removeprefix("judge-")
        try:
            self._data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"cannot read the judge {path}: {error.strerror}.") from error
        if (actual := sha256_bytes(self._data)) != self.sha256:
            raise Corrupt(
                path,
                expected=self.sha256,
                actual=actual,
                hint="Restore it: git checkout ganlib/evaluation/weights",
            )

    @cached_property
    def facts(self) -> dict[str, str]:
        """What was recorded when it was trained: accuracies, seed, data version, architecture."""
        import json

        # safetensors: eight bytes of header length, then the header as JSON
        length = int.from_bytes(self._data[:8], "little")
        facts: dict[str, str] = json.loads(self._data[8 : 8 + length])["__metadata__"]
        return facts

    def judge(self, images: np.ndarray, *, batch: int = 500, report: Report = silent) -> Judged:
        """Features and class probabilities of uint8 images [n, 28, 28] or [n, 1, 28, 28], in the same order.

        Raises:
            BadInput: another type or shape.
        """
        import torch

        if images.dtype != np.uint8 or images.shape[-2:] != (28, 28) or images.size != len(images) * 784:
            raise BadInput(
                f"the judge takes uint8 images [n, 28, 28], not {images.dtype} {list(images.shape)}."
            )
        pixels = torch.from_numpy(np.ascontiguousarray(images)).view(-1, 1, 28, 28)
        features, probabilities = [], []
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                part, logits = self._net(pixels[start : start + batch])
                features.append(part)
                probabilities.append(logits.softmax(dim=1))
                report("judge", min(start + batch, len(pixels)), len(pixels))
        return Judged(torch.cat(features).numpy(), torch.cat(probabilities).numpy())

    @cached_property
    def _net(self):  # type: ignore[no-untyped-def]  # torch is imported where it is used
        import torch
        from safetensors.torch import load

        from ganlib.evaluation.judge_net import ARCHITECTURE, JudgeNet

        if self.facts.get("architecture") != ARCHITECTURE:
            raise BadInput(
                f"judge {self.sha256[:12]} is of architecture {self.facts.get('architecture')}, not {ARCHITECTURE}."
            )
        net = JudgeNet()
        net.load_state_dict(load(self._data))
        return net.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def judge_path() -> Path:
    """The one committed judge.

    Raises:
        BadInput: there is none, or more than one.
    """
    folder = Path(str(resources.files("ganlib.evaluation"))) / "weights"
    found = sorted(folder.glob("judge-*.safetensors"))
    if len(found) != 1:
        raise BadInput(
            f"{folder} must hold exactly one judge, found {len(found)}: git checkout ganlib/evaluation/weights"
        )
    return found[0]


def judge_sha256() -> str:
    """The committed judge's hash, from its name."""
    return judge_path().stem.removeprefix("judge-")


def load_judge(path: Path | None = None) -> Judge:
    """The judge at ``path``, or the committed one."""
    return Judge(path or judge_path())
