"""The measured rows of the families: figures at budgets ``standard`` and ``best`` that ship with the package."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path

from ganlib import config as configs
from ganlib import families
from ganlib.config import Params, parse
from ganlib.core.errors import BadInput
from ganlib.core.files import write_json
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs.measuring.comparison import ComparisonRow
from ganlib.jobs.measuring.selection import SelectedModel
from ganlib.tracking import history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.store import MlflowStore

BUDGET = "standard"
"""What every family has a row of."""
BEST = "best"
"""What those have a row of that were also trained for longer, on a GPU."""
_FOLDER = Path(str(files("ganlib"))) / "results"
_PATHS = {BUDGET: _FOLDER / "measured.json", BEST: _FOLDER / "measured-best.json"}
_DIRTY = "-dirty"


class FamilyResult(Record):
    """One family."""

    evaluation: Evaluation
    held_out: dict[str, float]
    train_seconds: float
    images_seen: int
    hardware: str
    """What it was trained on, in words."""
    date: date
    """When training ended, UTC."""
    commit: str
    """Of the source that it was trained with; ``-dirty`` where files differed from it."""
    overrides: str
    """What the command line changed of params.yaml; ``none``."""
    images_per_second: float
    """In onnxruntime on one thread of ``machine``."""
    machine: str
    onnx_bytes: int
    parameters: int
    sha256: str
    """Of the graph."""
    run_id: str

    def summary(self, budget: str = BUDGET) -> str:
        """Return two lines for people."""
        evaluation, options = self.evaluation, "" if self.overrides == "none" else f" --set {self.overrides}"
        agreement = "".join(f", {name} as asked {share}" for name, share in evaluation.agreement.items())
        return (
            f"FID {evaluation.fid} = {evaluation.fid_over_floor:.1f} x F at budget {budget}{options}{agreement}; "
            f"n {evaluation.n:,}, seed {evaluation.seed}, judge {evaluation.judge_sha256[:12]}, data "
            f"{evaluation.data_version[:12]}\n"
            f"{self.images_seen:,} images in {self.train_seconds / 60:.1f} minutes on {self.hardware}; {self.date}, "
            f"commit {self.commit[:12]}{_DIRTY * self.commit.endswith(_DIRTY)}"
        )


def load(path: Path | None = None, *, budget: str = BUDGET) -> dict[str, FamilyResult]:
    """Return the rows of ``budget`` by family.

    Raises:
        BadInput: the file cannot be read, or is not what :func:`record` writes.
    """
    path = path or _PATHS[budget]
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except ValueError as error:
        raise BadInput(f"{path} is not JSON: {error}.") from error
    if not isinstance(rows, dict):
        raise BadInput(f"{path} must be a mapping of families.")
    return {family: parse(FamilyResult, row, where=f"{path.name}: {family}") for family, row in rows.items()}


def record(rows: Mapping[str, FamilyResult], path: Path | None = None, *, budget: str = BUDGET) -> None:
    """Put ``rows`` in place of those of the same families; the others stay."""
    path = path or _PATHS[budget]
    all_rows = {**load(path), **rows}
    write_json(path, {family: all_rows[family].model_dump(mode="json") for family in sorted(all_rows)})


def require_as_committed(project: Project, params: Params, budget: str = BUDGET) -> None:
    """Raise :class:`BadInput` unless figures are made the way that ``params.yaml`` says, at a budget that has rows.

    The seconds of budgets may differ: on a busy machine the same steps take longer.
    """
    if budget not in _PATHS:
        raise BadInput(f"--record takes runs of budget {' or '.join(_PATHS)}, not {budget}.")
    saved_params = configs.load(project.params_file)
    if params.evaluate != saved_params.evaluate or _steps(params, budget) != _steps(saved_params, budget):
        raise BadInput(
            "--record takes `evaluate` and the steps of `budgets` as params.yaml has them: leave those out of --set."
        )


def _steps(params: Params, budget: str) -> dict[str, int]:
    return {family: params.limits(family, budget).steps for family in families.names()}


def require_finished(project: Project, selection: Sequence[SelectedModel], budget: str = BUDGET) -> None:
    """Raise :class:`BadInput` unless each of ``selection`` is of another family, with the steps of ``budget``."""
    steps = _steps(configs.load(project.params_file), budget)
    for each in selection:
        if each.run is None or each.run.status != "FINISHED" or each.family not in steps:
            raise BadInput(f"--record takes families' finished runs, and {each.name} is none.")
        if each.run.params.get("steps") != str(steps[each.family]):
            raise BadInput(
                f"--record takes runs of budget {budget}, and run {each.run.id} of {each.family} is of another "
                f"({each.run.params.get('steps')} steps): add --budget {budget} to choose one that is."
            )
    several = [family for family, count in Counter(each.family for each in selection).items() if count > 1]
    if several:
        raise BadInput(f"--record takes one row a family, and there are several of {several[0]}.")


def record_all(
    store: MlflowStore,
    rows: Sequence[ComparisonRow],
    selection: Sequence[SelectedModel],
    hardware: str | None,
    machine: str,
    budget: str,
) -> tuple[str, ...]:
    """Record what was measured of the models that :func:`require_finished` let pass; their families.

    Raises:
        BadInput: a run does not say how long it trained or on how many images.
    """
    measurements = {
        row.family: _measured(store, row, each.run, hardware, machine)
        for row, each in zip(rows, selection, strict=True)
        if each.run
    }
    record(measurements, budget=budget)
    return tuple(measurements)


def _measured(
    store: MlflowStore, row: ComparisonRow, run: RunRecord, hardware: str | None, machine: str
) -> FamilyResult:
    if row.train_seconds is None or row.images_seen is None or run.end is None:
        raise BadInput(f"run {run.id} does not say how long it trained: its row cannot be recorded.")
    commit = run.tags.get("mlflow.source.git.commit", "unknown")
    return FamilyResult(
        evaluation=row.evaluation.without_replicates(),
        held_out=row.held_out,
        train_seconds=row.train_seconds,
        images_seen=row.images_seen,
        hardware=hardware or hardware_of(store, run),
        date=run.end.date(),
        commit=commit + _DIRTY * (run.tags.get("ganlib.source_dirty") == "true"),
        overrides=run.tags.get("ganlib.overrides", "none"),
        images_per_second=row.images_per_second,
        machine=machine,
        onnx_bytes=row.onnx_bytes,
        parameters=row.parameters,
        sha256=row.sha256,
        run_id=run.id,
    )


def hardware_of(store: MlflowStore, run: RunRecord) -> str:
    """Return what the run says of the machine that it was trained on."""
    device = run.tags.get("ganlib.device", "unknown device")
    try:
        environment = json.loads(history.text(store, run.id, "environment.json") or "")
        return f"{device}, {environment['cores']} cores, {environment['processor']}"
    except (ValueError, KeyError, TypeError):
        return device
