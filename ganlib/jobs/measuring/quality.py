"""The judge's opinion of a batch, from a sample that is read back from its shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganlib.config import Params
from ganlib.core.errors import Corrupt, GanlibError
from ganlib.core.files import json_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from ganlib.evaluation.drift import Drift, drift
from ganlib.evaluation.evaluate import METRIC_VERSION, Evaluation, load_reference
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.evaluation.needs import fitted
from ganlib.generation.batch import card as cards
from ganlib.generation.batch import read_back
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.condition_record import Choice
from ganlib.generation.conditions import GraphDescription, choose
from ganlib.generation.sampling import SamplingRequest
from ganlib.generation.storage.base import Storage
from ganlib.jobs.data.judge import judge_for, judge_sha256_for
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.models import Model

if TYPE_CHECKING:
    from ganlib.evaluation.distances import Moments

SAMPLE = 2000


def judge_of(project: Project | None, params: Params | None, spec: DatasetSpec) -> Judge | str:
    """Return the judge of a model's images, or why there is none here. None is trained for it.

    Args:
        project: whose data version's judge is asked for, if the model draws its data.
        params: of that project.
        spec: what the model draws.
    """
    if project is not None and params is not None:
        try:
            data = current_data(project)
            if data.spec == spec:
                if judge_sha256_for(project, params, data) is None:
                    return f"{spec.name} has no judge yet (ganlib judge train)"
                return judge_for(project, params, data)
        except GanlibError as error:
            if spec != MNIST:
                return str(error)
    if spec == MNIST:
        return load_judge()
    return f"the judge of {spec.name}, which this model draws, belongs to its data version, and that is not here"


def inspect(
    project: Project | None,
    params: Params | None,
    judge: Judge,
    model: Model,
    graph: GraphDescription,
    manifest: Manifest,
    storage: Storage,
    request: SamplingRequest,
    report: Report = silent,
) -> Drift:
    """Score about :data:`SAMPLE` images of a finished job, and write the result to ``quality.json`` and the card.

    They are compared to the evaluation of the model's version (or of its run, where that is kept), if the images
    were asked for as those of an evaluation are.

    Raises:
        Corrupt: an image that was written cannot be read back.
    """
    try:
        numbers, images = read_back.read(
            storage, manifest, SAMPLE, lambda done, total: report.advance("read a sample back", done, total)
        )
    except (OSError, ValueError, KeyError) as error:
        raise Corrupt(storage, expected="images that can be read back", actual=str(error), algorithm="file") from error
    output = judge.features(images, report=report)
    evaluation, why_not = _comparable(model, graph, manifest, judge)
    reference = _reference(project, params, evaluation, judge, report) if evaluation else None
    codes = request.codes(numbers)
    labels = None if codes is None else codes[:, 0]
    result = drift(output, judge.sha256, evaluation, codes=labels, reference=reference, why_not=why_not)
    record = {**result.model_dump(mode="json"), "drifted": list(result.drifted), "summary": result.summary}
    storage.write(cards.QUALITY, json_bytes(record))
    card = cards.read(storage)
    if card:
        cards.put(storage, card.model_copy(update={"quality": record}))
    return result


def _comparable(
    model: Model, graph: GraphDescription, manifest: Manifest, judge: Judge
) -> tuple[Evaluation | None, str | None]:
    """The evaluation that the images can be held against, or why there is none."""
    evaluation = model.evaluation
    if evaluation is None:
        return None, f"no evaluation of {model.reference} is known"
    if (evaluation.judge_sha256, evaluation.metric_version) != (judge.sha256, METRIC_VERSION):
        return None, "the evaluation was made by another judge"
    if manifest.truncation != 1:
        return None, f"truncation {manifest.truncation} is meant to change the images"
    if manifest.condition.kind != "none" and not _as_evaluated(manifest.condition.choice, graph):
        return None, f"{manifest.condition} is not what an evaluation asks for"
    return evaluation, None


def _as_evaluated(choice: Choice | None, graph: GraphDescription) -> bool:
    """Whether a batch of ``choice`` has the classes as often as an evaluation, which asks for nothing in particular."""
    return choice is not None and (choice == "data") == (choose(graph).record.choice == "data")


def _reference(
    project: Project | None, params: Params | None, evaluation: Evaluation, judge: Judge, report: Report
) -> Moments | None:
    """Moments of the test split that the evaluation was made against; None if that data is not here."""
    if project is None or params is None:
        return None
    try:
        data = current_data(project)
        if data.md5 != evaluation.data_version:
            return None
        return load_reference(
            project.prepared, data.md5, judge, fitted(params.evaluate, data.counts), cache=project.state / "cache",
            report=report,
        ).real.moments  # fmt: skip
    except GanlibError:  # no data, or not whole: the other tests need none
        return None
