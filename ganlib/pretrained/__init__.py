"""Trained graphs that ship with the package: images at once, with nothing to train, no project and no network.

Each is a pair of files in this folder, ``NAME.onnx`` and its card ``NAME.json``, written by `python -m
benchmarks.pretrained`.
"""

from __future__ import annotations

import datetime
import json
from importlib.resources import files
from pathlib import Path

from ganlib.config import parse
from ganlib.core.errors import BadInput, Corrupt, unknown
from ganlib.core.files import sha256_file
from ganlib.core.project import SourceRevision
from ganlib.core.record import Record
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.evaluate import Evaluation

PREFIX = "pretrained:"
EXAMPLE = f"{PREFIX}cgan"
"""For messages to those who have no model yet."""
FOLDER = Path(str(files("ganlib"))) / "pretrained"
MOST_BYTES = 12_000_000
"""Of all graphs together: everybody who installs the package downloads them."""


class Float32Graph(Record):
    """The graph that came out of the training, of one that ships in fewer bits."""

    sha256: str
    bytes: int
    evaluation: Evaluation
    fid_change: Interval
    """The FID of what ships less that of this graph, by a paired bootstrap."""


class PretrainedCard(Record):
    """What a graph is, how it was trained, how good it is, and what may be done with it."""

    family: str
    sha256: str
    """Of the graph that ships."""
    bytes: int
    parameters: int
    precision: str
    """``fp32``, or ``fp16``."""
    float32: Float32Graph | None = None
    """None: it ships as it came out of the training."""
    evaluation: Evaluation
    """Of the graph that ships, without the bootstrap's replicates."""
    data: DataVersion
    """What it was trained on, and measured against the test split of."""
    budget: str
    overrides: str
    """What the command line changed of params.yaml; ``none``."""
    steps: int
    seed: int
    training_images: int
    """How many its training has read, repetitions counted."""
    train_seconds: float
    hardware: str
    """What it was trained on, in words."""
    date: datetime.date
    """When training ended, UTC."""
    source: SourceRevision
    """What it was trained with."""
    run_id: str
    """Of its training, in whose MLflow it was."""
    licence: str
    """Of the graph."""
    data_licence: str
    command: str
    """Draws some images."""

    def summary(self) -> str:
        """Return two lines for people: what it is, and how to draw from it."""
        change = f" (FID {self.float32.fid_change.value:+.2g} by that)" if self.float32 else ""
        return (
            f"ships with ganlib: {PREFIX}{self.family}, {self.precision}{change}, {self.bytes / 1000:,.0f} kB, FID "
            f"{self.evaluation.fid}, sha256 {self.sha256[:12]}\n"
            f"draw from it: {self.command}"
        )


class PretrainedModel(Record):
    """A graph that ships with the package, its bytes checked."""

    name: str
    path: Path
    card: PretrainedCard

    @property
    def sha256(self) -> str:
        """Of the graph."""
        return self.card.sha256


def names() -> list[str]:
    """Return what there is, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def cards() -> dict[str, PretrainedCard]:
    """Return the card of each by its name; no graph is read."""
    return {name: _card(name) for name in names()}


def find(name: str) -> PretrainedModel:
    """Return the graph ``name``, with or without :data:`PREFIX`, once its bytes are those of its card.

    Raises:
        BadInput: there is none of that name; the nearest is offered.
        Corrupt: the file in the package is not what was put there.
    """
    name = name.removeprefix(PREFIX)
    if name not in names():
        raise unknown("pretrained model", name, names())
    card, path = _card(name), FOLDER / f"{name}.onnx"
    if (actual := sha256_file(path) if path.is_file() else "no file") != card.sha256:
        raise Corrupt(path, expected=card.sha256, actual=actual, hint="Nothing was loaded. Install ganlib again.")
    return PretrainedModel(name=name, path=path, card=card)


def _card(name: str) -> PretrainedCard:
    path = FOLDER / f"{name}.json"
    try:
        return parse(PretrainedCard, json.loads(path.read_bytes()), where=path.name)
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}. Install ganlib again.") from error
