"""The jobs as Prefect tasks. They take and give plain data: a project's path, names, numbers, dictionaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from prefect import task
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from ganlib.cli.app import set_environment_defaults
from ganlib.config import Params, load
from ganlib.core.errors import Unavailable
from ganlib.core.files import write_bytes
from ganlib.core.project import Project
from pipelines.progress import reporter

_RETRY: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [5, 30]}


def worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Say whether to try again: after what waiting cures, a service or a file that was away, and nothing else."""
    try:
        state.result()
    except BaseException as error:
        return isinstance(error, Unavailable | OSError)
    return False


def opened(root: str, overrides: list[str]) -> tuple[Project, Params]:
    """Open the project at ``root`` and its configuration, in a process that Prefect or Dask may have started."""
    set_environment_defaults()
    project = Project(Path(root))
    return project, load(project.params_file, overrides)


@task(name="version-data", **_RETRY, retry_condition_fn=worth_retrying, timeout_seconds=1800)
def version_data(root: str, overrides: list[str], source: str | None = None) -> dict[str, Any]:
    """Return the data version, and whether it changed."""
    from ganlib.jobs.data.version_data import recorded_md5
    from ganlib.jobs.data.version_data import version_data as job

    project, _ = opened(root, overrides)
    # A version that came by `git pull` is in dvc.lock already, but no flow here has seen it yet.
    marker = project.state / "data-version-seen"
    before = marker.read_text() if marker.is_file() else recorded_md5(project)
    data = job(project, source=Path(source) if source else None, report=reporter())
    write_bytes(marker, data.md5.encode())
    return {**data.model_dump(mode="json"), "id": data.id, "changed": data.md5 != before}


@task(name="prepare", **_RETRY, retry_condition_fn=worth_retrying, timeout_seconds=1800)
def prepare(root: str, overrides: list[str], causes: list[str]) -> dict[str, Any]:
    """Return the causes that there are, ``causes`` with them, and what became of the inbox."""
    from ganlib.jobs.triggers.look import parse
    from ganlib.jobs.triggers.run import prepare as job

    return job(*opened(root, overrides), parse(causes), reporter()).model_dump(mode="json")


@task(name="judge", retries=1, retry_delay_seconds=10, retry_condition_fn=worth_retrying)
def judge(root: str, overrides: list[str]) -> str:
    """Have the judge of the data version ready, which is trained if there is none yet; its sha256."""
    from ganlib.jobs.data.judge import judge_for
    from ganlib.jobs.data.version_data import current_data

    project, params = opened(root, overrides)
    return judge_for(project, params, current_data(project), reporter()).sha256


@task(
    name="train",
    task_run_name="train {family} ({budget})",
    retries=1,
    retry_delay_seconds=10,
    retry_condition_fn=worth_retrying,
)
def train(
    root: str,
    overrides: list[str],
    family: str,
    budget: str,
    concurrent: int,
    serves: Literal["evaluation", "registration"] = "registration",
) -> dict[str, Any]:
    """Train one family in a process of its own, which has its own time limit: Prefect's would not stop it.

    A finished training that did not serve its purpose yet is taken instead.
    """
    from ganlib.jobs.training.launch import train_once as job

    project, params = opened(root, overrides)
    result = job(
        project, params, family,
        budget=budget, concurrent=concurrent, overrides=overrides, serves=serves, report=reporter(),
    )  # fmt: skip
    return result.model_dump(mode="json")


@task(
    name="evaluate",
    task_run_name="evaluate {model}",
    **_RETRY,
    retry_condition_fn=worth_retrying,
    timeout_seconds=1800,
)
def evaluate(root: str, overrides: list[str], model: str) -> dict[str, Any]:
    """Measure the model's ONNX file."""
    from ganlib.jobs.measuring.evaluate import evaluate as job

    return job(*opened(root, overrides), model, report=reporter()).model_dump(mode="json")


@task(
    name="register",
    task_run_name="register run {run_id}",
    **_RETRY,
    retry_condition_fn=worth_retrying,
    timeout_seconds=600,
)
def register(
    root: str, overrides: list[str], run_id: str, evaluation: dict[str, Any], candidates: int = 1
) -> dict[str, Any]:
    """Register a new version of the model, the best of ``candidates`` runs."""
    from ganlib.evaluation.evaluate import Evaluation
    from ganlib.jobs.promotion.promote import register as job

    project, params = opened(root, overrides)
    figures = Evaluation.model_validate(evaluation)
    return job(project, params, run_id, figures, candidates=candidates, report=reporter()).model_dump(mode="json")


@task(
    name="promote",
    task_run_name="gate for version {version}",
    **_RETRY,
    retry_condition_fn=worth_retrying,
    timeout_seconds=300,
)
def promote(root: str, overrides: list[str], version: str, *, dry_run: bool = False) -> dict[str, Any]:
    """Have the gate decide, and carry the decision out."""
    from ganlib.jobs.promotion.promote import promote as job

    return job(*opened(root, overrides), version, dry_run=dry_run).model_dump(mode="json")


@task(name="reconcile", **_RETRY, retry_condition_fn=worth_retrying, timeout_seconds=300)
def reconcile(root: str, overrides: list[str]) -> dict[str, Any]:
    """Record and answer what people did in MLflow's page."""
    from ganlib.jobs.promotion.reconcile import reconcile as job

    return job(*opened(root, overrides)).model_dump(mode="json")


@task(name="question", task_run_name="what to ask (entry {entry})", **_RETRY, retry_condition_fn=worth_retrying)
def question(root: str, overrides: list[str], model: str, entry: int) -> dict[str, Any]:
    """Say what a person should know of the version that waits for approval by ``entry`` of the ledger of ``model``."""
    from ganlib.jobs.promotion.approval import question as job

    return job(*opened(root, overrides), model, entry).model_dump(mode="json")


@task(
    name="answer",
    task_run_name="answer (entry {entry})",
    **_RETRY,
    retry_condition_fn=worth_retrying,
    timeout_seconds=300,
)
def answer(root: str, overrides: list[str], model: str, entry: int, reply: dict[str, Any]) -> dict[str, Any]:
    """Do what a person said about that version; ``reply`` is a :class:`ganlib.registry.approval.Answer`."""
    from ganlib.jobs.promotion.approval import answer as job
    from ganlib.registry.approval import Answer

    return job(*opened(root, overrides), model, entry, Answer(**reply)).model_dump(mode="json")


@task(name="resolve", task_run_name="resolve {model}", **_RETRY, retry_condition_fn=worth_retrying, timeout_seconds=300)
def resolve(root: str, overrides: list[str], model: str) -> dict[str, Any]:
    """Say what ``model`` names now: its name (or its run's, or its file's), its version, and a URI that stays."""
    from ganlib.jobs.models import fetch

    source = fetch(*opened(root, overrides), model)
    if version := source.version:
        return {"name": version.name, "version": str(version.version), "uri": version.uri}
    return {"name": source.run_id or source.path.stem, "version": source.sha256[:12], "uri": model}


@task(
    name="generate",
    task_run_name="generate images of {model}",
    **_RETRY,
    retry_condition_fn=worth_retrying,
)
def generate(root: str, overrides: list[str], model: str, request: dict[str, Any]) -> dict[str, Any]:
    """Make a batch; what an earlier, interrupted try made is kept. ``request`` is a :class:`GenerateRequest`."""
    from ganlib.jobs.images.generate import generate as job
    from ganlib.jobs.images.request import GenerateRequest

    project, params = opened(root, overrides)
    return job(project, params, model, GenerateRequest(**request), report=reporter()).model_dump(mode="json")


@task(
    name="make-shards",
    task_run_name="shards {shards}",
    retries=3,
    retry_delay_seconds=[1, 5, 30],
    retry_condition_fn=worth_retrying,
)
def make_shards(model: str, request: dict[str, Any], shards: list[int], threads: int | None) -> float:
    """Make some shards of a batch that has begun, wherever a worker is; the CPU seconds that it took."""
    set_environment_defaults()
    from ganlib.jobs.images.generate import make_shards as job
    from ganlib.jobs.images.request import GenerateRequest

    return job(Path(model), GenerateRequest(**request), shards, threads, report=reporter())
