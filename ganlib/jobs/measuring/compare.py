"""Several models side by side: measured alike, in one table, as one MLflow run."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ganlib import families
from ganlib.config import Params
from ganlib.core import project as projects
from ganlib.core.errors import BadInput
from ganlib.core.files import require_writable, write_bytes
from ganlib.core.processes import machine
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.needs import fitted
from ganlib.export.size import parameters
from ganlib.jobs.data.judge import judge_sha256_for
from ganlib.jobs.data.version_data import current_data
from ganlib.jobs.measuring import comparison, results
from ganlib.jobs.measuring.campaign import Campaign
from ganlib.jobs.measuring.comparison import Comparison, ComparisonRow
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.measuring.selection import SelectedModel, of_limits, opened, select
from ganlib.tracking import history, runs
from ganlib.tracking.store import MlflowStore, connect

_HELD_OUT = "held_out_"


def compare(
    project: Project,
    params: Params,
    names: Sequence[str],
    *,
    train: bool = False,
    jobs: int = 1,
    budget: str | None = None,
    out: Path | None = None,
    record: bool = False,
    hardware: str | None = None,
    overrides: Sequence[str] = (),
    report: Report = silent,
) -> Comparison:
    """Measure the models ``names`` on their ONNX files, on this machine, and log the table as a run of its own.

    Args:
        project: the checkout with the data version to compare against.
        params: the configuration, ``overrides`` already applied.
        names: see :func:`ganlib.jobs.measuring.selection.select`.
        train: train those that are families now. After an interruption the same call goes on where it was: what is
            trained is taken, what was stopped is resumed.
        jobs: trainings side by side, each with its share of the cores, all on one GPU.
        budget: to train by; without ``train``, only runs of this budget are taken for families.
        out: a folder for ``table.json``, ``table.md``, ``quality.png`` and ``sheet.png``, which go to MLflow in any
            case.
        record: write these families' rows of ``measured.json`` anew, or at budget ``best`` of ``measured-best.json``.
        hardware: for those rows, what the families were trained on; default: what the runs say of it.
        overrides: what the command line changed.
        report: told of progress.

    Raises:
        BadInput: an unknown name, a family without such a run, nothing to train, or ``record`` of anything but
            families at budget ``standard`` or ``best`` as params.yaml has it, each trained with the machine to itself.
    """
    params.require_budget(budget)
    unique = tuple(dict.fromkeys(names))
    to_train = _to_train(unique, jobs, train=train, record=record)
    if record:
        results.require_as_committed(project, params, rows_of := budget or results.BUDGET)
        if to_train and (budget_name := params.require_budget(budget)) != rows_of:
            raise BadInput(f"--record takes runs of budget {rows_of}, not {budget_name}.")
    store, data = connect(project), current_data(project)
    by_label = {
        name: select(project, params, store, name, budget=budget) for name in unique if name not in to_train
    }  # before hours of training, not after them
    if out:
        require_writable(out)
    campaign = Campaign(project, params, store, data, to_train, budget=budget, jobs=jobs, overrides=overrides)
    for name, run_id in campaign.run(report).items() if to_train else ():
        by_label[name] = opened(project, params, store, f"runs:/{run_id}", name)
    selection = [by_label[name] for name in unique]
    if record:
        results.require_finished(project, selection, rows_of)
    rows = _rows(project, params, store, selection, data, report)
    records = results.record_all(store, rows, selection, hardware, machine(), rows_of) if record else ()
    result = _log(project, params, store, rows, selection, data, records, overrides, out)
    campaign.close()
    return result


def _to_train(names: Sequence[str], jobs: int, *, train: bool, record: bool) -> list[str]:
    """Return those of ``names`` that are families, if families are to be trained."""
    if not train:
        if jobs > 1:
            raise BadInput("--jobs is how many trainings run side by side: add --train.")
        return []
    if jobs > 1 and record:
        raise BadInput("--record writes the seconds of trainings that had the machine to themselves: leave out --jobs.")
    to_train = [name for name in names if name in families.names()]
    if not to_train:
        raise BadInput(f"--train: none of {', '.join(names)} is a family that `ganlib families` lists.")
    return to_train


def _rows(
    project: Project,
    params: Params,
    store: MlflowStore,
    selection: Sequence[SelectedModel],
    data: DataVersion,
    report: Report,
) -> tuple[ComparisonRow, ...]:
    from ganlib.generation.speed.latency import images_per_second

    labels = _labels(selection)
    evaluations = [_recorded_evaluation(project, params, store, each, data) for each in selection]
    complete = [
        evaluation or evaluate(project, params, each.reference, report=report)
        for evaluation, each in zip(evaluations, selection, strict=True)
    ]
    speeds = images_per_second([each.graph for each in selection], report=report)
    return tuple(
        _row(params, store, each, label, evaluation, earlier is not None, speed)
        for each, label, evaluation, earlier, speed in zip(
            selection, labels, complete, evaluations, speeds, strict=True
        )
    )


def _row(
    params: Params,
    store: MlflowStore,
    each: SelectedModel,
    label: str,
    evaluation: Evaluation,
    reused: bool,
    speed: float,
) -> ComparisonRow:
    run, content = each.run, each.model.path.read_bytes()
    steps = history.last_step(store, run.id, "train_seconds") if run else None
    return ComparisonRow(
        label=label,
        family=each.family,
        reference=each.reference,
        sha256=each.model.sha256,
        version=each.model.version.version if each.model.version else None,
        run_id=run.id if run else None,
        budget=next(
            (name for name in params.budgets if run and of_limits(run, params.limits(each.family, name))), None
        ),
        evaluation=evaluation,
        reused=reused,
        held_out={
            name.removeprefix(_HELD_OUT): value
            for name, value in (run.metrics if run else {}).items()
            if name.startswith(_HELD_OUT)
        },
        train_seconds=run.metrics.get("train_seconds") if run else None,
        images_seen=steps * int(run.params["batch_size"]) if run and steps and "batch_size" in run.params else None,
        images_per_second=speed,
        onnx_bytes=len(content),
        parameters=parameters(content, str(each.model.path)),
    )


def _recorded_evaluation(
    project: Project, params: Params, store: MlflowStore, each: SelectedModel, data: DataVersion
) -> Evaluation | None:
    """The evaluation that the model's run already has, if it is of the same images by the same measure."""
    text = history.text(store, each.run.id, "evaluation/evaluation.json") if each.run else None
    try:
        evaluation = Evaluation.model_validate_json(text or "")
    except ValueError:  # none, or one of another version of ganlib
        return None
    whole = bool(evaluation.agreement) or len(each.graph.contract.inputs) == 1
    settings = fitted(params.evaluate, data.counts)
    return (
        evaluation if whole and evaluation.is_by(settings, judge_sha256_for(project, params, data), data.md5) else None
    )


def _labels(selection: Sequence[SelectedModel]) -> list[str]:
    """The family where one row alone has it, else with its version, run or file."""
    count = Counter(each.family for each in selection)

    def label(each: SelectedModel) -> str:
        if count[each.family] == 1 and each.family != "unknown":
            return each.family
        version = each.model.version
        return f"{each.family} {f'v{version.version}' if version else each.run.id[:8] if each.run else each.name}"

    return [label(each) for each in selection]


def _log(
    project: Project,
    params: Params,
    store: MlflowStore,
    rows: tuple[ComparisonRow, ...],
    selection: Sequence[SelectedModel],
    data: DataVersion,
    records: tuple[str, ...],
    overrides: Sequence[str],
    out: Path | None,
) -> Comparison:
    """The comparison as an MLflow run's artifacts and, if asked for, as files."""
    from ganlib.generation.speed.latency import ROUNDS

    with (
        tempfile.TemporaryDirectory() as folder,  # outlives the run, which reads the files in the background
        runs.start(
            store,
            f"compare {', '.join(row.label for row in rows)}"[:200],
            family="compare",
            params={
                "models": " ".join(row.reference for row in rows),
                **fitted(params.evaluate, data.counts).model_dump(),
            },
            tags={"ganlib.overrides": " ".join(overrides) or "none"},
            data=data,
            source=projects.source(project.root),
            experiment=params.registry.experiment,
            prices=params.costs,
        ) as run,
    ):
        result = Comparison(
            rows=rows, data_version=data.md5, machine=machine(), rounds=ROUNDS, run_id=run.id, recorded=records
        )
        files = {
            "table.json": result.model_dump_json(indent=2).encode(),
            "table.md": comparison.markdown(result).encode(),
            "quality.png": comparison.plot(rows),
            "sheet.png": comparison.sheet(rows, [each.graph for each in selection], params.generate.seed, params.mark),
        }
        for name, content in files.items():
            write_bytes(Path(folder) / name, content)
            run.artifact(Path(folder) / name)
    if out:
        for name, content in files.items():
            write_bytes(out / name, content)
    return result
