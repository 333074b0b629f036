"""What is known of a judge: how right it is, and whether FID by it grows with what is wrong with images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import ValidationError

from ganlib.core import tables
from ganlib.core.progress import Report, silent
from ganlib.core.record import Record
from ganlib.data.spec import DatasetSpec
from ganlib.data.splits import Split, SplitName
from ganlib.evaluation.judge.degradations import IMAGES, DegradationCurve, graded
from ganlib.evaluation.judge.judge import Judge

if TYPE_CHECKING:
    from rich.table import Table

JudgeKind = Literal["classifier", "encoder", "file"]
RECIPE = 1
"""Raised with any change to a judge's net or training: a data version then gets a new one."""
CARD = "judge.json"
_MOST_IMAGES = 2000  # images of a split that accuracy is measured on, at most
_NEIGHBOURS = 5


class JudgeSettings(Record):
    """What decides a trained judge's bytes, besides the data and the versions of libraries."""

    recipe: int
    """Of the net and its training: :data:`RECIPE`."""
    seed: int
    steps: int
    """As ``judge.steps`` has it; 0: by the number of images."""
    opset: int


class JudgeCard(Record):
    """A judge's figures on the images of one data version."""

    sha256: str
    name: str
    kind: JudgeKind
    dataset: str
    data_version: str
    settings: JudgeSettings | None = None
    """None of a judge that was not trained for the data version."""
    steps: int | None = None
    """Of training, as they came out."""
    accuracy: dict[str, float]
    """Share of the images of a split that is labelled right; empty without labels. ``nearest neighbours``: of the test
    images, by the labels of the five nearest training images in the judge's features."""
    balanced_accuracy: float | None = None
    """Mean over the classes of the share of their test images that is labelled right; None without such labels."""
    images: int
    """In each of the two sets whose FID the table has."""
    table: dict[str, DegradationCurve]
    """By degradation."""

    @property
    def warnings(self) -> list[str]:
        """Lines on what this judge does not see; empty of a good one."""
        return [
            f"FID by this judge does not grow with {name} from {less:g} to {more:g} ({row.unit}; "
            f"{', '.join(f'{fid:.4g}' for fid in row.fids)}): do not go by it there"
            for name, row in self.table.items()
            for less, more in row.flat
        ]

    def text(self) -> str:
        """Lines for people."""
        right = [f"  accuracy, {name}: {share:.4f}" for name, share in self.accuracy.items()]
        if self.balanced_accuracy is not None:
            right.append(f"  accuracy, test, mean over classes: {self.balanced_accuracy:.4f}")
        article = "an" if self.kind == "encoder" else "a"
        return "\n".join([
            f"judge {self.sha256}",
            f"{self.name}: {article} {self.kind}, examined on {self.dataset} (data {self.data_version[:12]})",
            *right,
            f"FID of {self.images:,} real images to as many others, by how they were spoilt (grade: FID):",
            tables.text(self._rows()),
            *(f"warning: {line}" for line in self.warnings),
        ])  # fmt: skip

    def _rows(self) -> Table:
        from rich.table import Table

        rows = Table("", "grade", box=None)
        for name, row in self.table.items():
            rows.add_row(
                name, row.unit, *(f"{grade:g}: {fid:.4g}" for grade, fid in zip(row.grades, row.fids, strict=True))
            )
        return rows


def examine(
    judge: Judge,
    kind: JudgeKind,
    splits: dict[SplitName, Split],
    spec: DatasetSpec,
    data_version: str,
    *,
    settings: JudgeSettings | None = None,
    steps: int | None = None,
    report: Report = silent,
) -> JudgeCard:
    """Return the card of ``judge`` on the images of ``splits``: some thousand images at most, seconds.

    Raises:
        BadInput: as :meth:`Judge.features` does.
    """
    accuracy, balanced_accuracy = _accuracy(judge, splits) if spec.class_names else ({}, None)
    images, ranks = _spread(splits, spec)
    return JudgeCard(
        sha256=judge.sha256,
        name=judge.name,
        kind=kind,
        dataset=spec.name,
        data_version=data_version,
        settings=settings,
        steps=steps,
        accuracy=accuracy,
        balanced_accuracy=balanced_accuracy,
        images=len(images) // 2,
        table=graded(judge, images, ranks, report),
    )


def _accuracy(judge: Judge, splits: dict[SplitName, Split]) -> tuple[dict[str, float], float | None]:
    shares, balanced_accuracy, features = {}, None, {}
    for name in ("validation", "test"):
        split = some(splits[name], _MOST_IMAGES)
        output = judge.features(split.images)
        features[name] = output.features
        if judge.class_names:
            right = output.probabilities.argmax(axis=1) == split.labels
            shares[name] = _share(right)
            if name == "test":
                balanced_accuracy = _share(
                    np.array([right[split.labels == each].mean() for each in np.unique(split.labels)])
                )
    train, test = some(splits["train"], _MOST_IMAGES), some(splits["test"], _MOST_IMAGES)
    near = _vote(judge.features(train.images).features, train.labels, features["test"])
    return {**shares, "nearest neighbours": _share(near == test.labels)}, balanced_accuracy


def _vote(reference: np.ndarray, labels: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """The commonest label among those of the nearest of ``reference``."""
    apart = (reference**2).sum(axis=1) - 2 * queries @ reference.T
    near = labels[np.argsort(apart, axis=1, kind="stable")[:, :_NEIGHBOURS]]
    return np.array([np.bincount(each).argmax() for each in near])


def some(split: Split, count: int) -> Split:
    """Return at most ``count`` images of ``split``, evenly spread over it."""
    places = np.linspace(0, len(split.images) - 1, min(count, len(split.images))).round().astype(int)
    return Split(split.images[places], split.labels[places])


def _spread(splits: dict[SplitName, Split], spec: DatasetSpec) -> tuple[np.ndarray, np.ndarray]:
    """Images of all splits, and for each a number that sorts like to like: its label, or else where it lies along the
    images' first principal component."""
    parts = [some(split, IMAGES) for split in splits.values()]
    images, labels = (
        np.concatenate(each) for each in zip(*((part.images, part.labels) for part in parts), strict=True)
    )
    places = np.random.Generator(np.random.Philox(key=0)).permutation(len(images))[:IMAGES]
    images, labels = images[places], labels[places]
    if spec.class_names:
        return images, labels
    flat = images.reshape(len(images), -1).astype(np.float64)
    flat -= flat.mean(axis=0)
    _, vectors = np.linalg.eigh(flat @ flat.T)
    return images, vectors[:, -1]


def _share(right: np.ndarray) -> float:
    return round(float(right.mean()), 4)


def graph_path(folder: Path, sha256: str) -> Path:
    """Return where in ``folder`` the graph with that digest lies."""
    return folder / f"judge-{sha256}.onnx"


def read_card(folder: Path) -> JudgeCard | None:
    """Return the card in ``folder``; None if there is none that can be read."""
    try:
        return JudgeCard.model_validate_json((folder / CARD).read_bytes())
    except (OSError, ValidationError):
        return None


def kind_of(spec: DatasetSpec) -> JudgeKind:
    """Return what kind of judge is trained for such images."""
    return "classifier" if spec.class_names else "encoder"
