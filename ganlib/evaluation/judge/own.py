"""Train the judge of a data version: what the DVC stage ``own-judge`` runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, silent
from ganlib.data.spec import DatasetSpec
from ganlib.data.splits import SPLITS, Split, load_split
from ganlib.evaluation.judge.card import CARD, JudgeCard, JudgeSettings, examine, graph_path, kind_of
from ganlib.evaluation.judge.classifier import fit_classifier
from ganlib.evaluation.judge.encoder import fit_encoder
from ganlib.evaluation.judge.onnx_judge import DATASET_KEY, OnnxJudge
from ganlib.evaluation.judge.own_net import to_onnx
from ganlib.evaluation.judge.schedule import steps_for


def train_own(
    folder: Path,
    out: Path,
    spec: DatasetSpec,
    data_version: str,
    settings: JudgeSettings,
    report: Report = silent,
) -> JudgeCard:
    """Train a judge on the train split and write ``out/judge-<sha256>.onnx``, then its card ``out/judge.json``.

    It is a classifier where the images have labels, and an encoder that learns without any where they have none. The
    same splits and settings give the same bytes, on one machine with the same versions: one thread trains, however many
    there are. The card is written last, and a graph without one does not count, so that a training which ended early
    has left nothing.

    Raises:
        BadInput: a split is missing, or ``out`` cannot be written.
    """
    splits = {name: load_split(folder, name) for name in SPLITS}
    train, kind = splits["train"], kind_of(spec)
    steps = settings.steps or steps_for(len(train.images))
    with _one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        layers, head = _fit(train, spec, steps, report)
    metadata = {
        DATASET_KEY: spec.model_dump_json(),
        "data_version": data_version,
        "settings": settings.model_dump_json(),
    }
    data = to_onnx(layers, head, spec.image, settings.opset, metadata)
    judge = OnnxJudge(data, spec, f"{spec.name} {kind}")
    card = examine(
        judge, kind, splits, spec, data_version, settings=settings, steps=steps, report=report
    )  # fmt: skip
    write_bytes(graph_path(out, judge.sha256), data)
    write_bytes(out / CARD, (card.model_dump_json(indent=2) + "\n").encode())
    return card


def _fit(train: Split, spec: DatasetSpec, steps: int, report: Report) -> tuple[nn.Sequential, nn.Linear | None]:
    if spec.class_names:
        return fit_classifier(train.images, train.labels, spec.image, spec.num_classes, steps, report)
    return fit_encoder(train.images, spec.image, steps, report), None


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums are taken in another order by another number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
