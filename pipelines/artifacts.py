"""What flow runs show in Prefect's UI: metrics, contact sheets, the gate's report, links to MLflow."""

from __future__ import annotations

import base64
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs.measuring.evaluate import SAMPLES
from ganlib.registry.gate import Decision
from ganlib.tracking.store import Absent


def metrics(runs: list[dict[str, Any]], evaluations: list[dict[str, Any]]) -> None:
    """A row a trained family, best first."""
    rows = []
    for run, figures in zip(runs, evaluations, strict=True):
        evaluation = Evaluation.model_validate(figures)
        rows.append(
            {
                "family": run["family"],
                "FID": str(evaluation.fid),
                "x floor": f"{evaluation.fid_over_floor:.1f}",
                "KID": str(evaluation.kid),
                "classes": evaluation.classes() if evaluation.class_names else "none",
                "steps": run["steps"],
                "run": run["run_id"],
                "value": evaluation.fid.value,
            }
        )
    rows.sort(key=lambda row: row.pop("value"))
    create_table_artifact(key="metrics", table=rows, description="FID and KID with intervals; lower is better")


def gate(decision: dict[str, Any]) -> None:
    """The gate's report."""
    verdict = Decision.model_validate(decision)
    create_markdown_artifact(
        key="gate", markdown=verdict.markdown(), description=f"The gate's report: {verdict.summary().splitlines()[0]}"
    )


def approval(root: str, question: dict[str, Any]) -> None:
    """What there is to see of a version that awaits approval: the gate's report, images, a link to its page."""
    if question["decision"]:
        gate(question["decision"])
    runs = [{"run_id": question["run_id"], "family": question["family"]}] if question["run_id"] else []
    with suppress(Absent):  # a run that was purged has no images
        samples(root, runs)
        mlflow_links(root, runs, {"name": question["model"], "version": question["version"]})


def sheet(png: bytes, title: str, key: str = "contact-sheet") -> None:
    """A picture of images, inside the artifact itself: it shows with no other server running."""
    data = base64.b64encode(png).decode()
    picture = f"## {title}\n\n![{title}](data:image/png;base64,{data})"
    create_markdown_artifact(key=key, markdown=picture, description=f"A sheet of images: {title}")


def data(root: str) -> None:
    """Show the report of the data version, and a sheet of its images."""
    from ganlib.core.project import Project
    from ganlib.jobs.data import report

    project = Project(Path(root))
    create_markdown_artifact(
        key="data-report", markdown=report.page(project), description="What the data version holds"
    )
    sheet(report.contact_sheet(project), "training images, a row a class", key="data-sheet")


def quality(summary: str) -> None:
    """What the judge says of a batch."""
    create_markdown_artifact(
        key="batch-quality", markdown=summary, description="What the judge says of a sample of the batch"
    )


def samples(root: str, runs: list[dict[str, Any]]) -> None:
    """A contact sheet a run: the images that its evaluation kept."""
    from ganlib.core.project import Project
    from ganlib.tracking.store import connect

    store = connect(Project(Path(root)))
    with tempfile.TemporaryDirectory() as folder:
        for run in runs:
            png = store.download(run["run_id"], SAMPLES, Path(folder)).read_bytes()
            sheet(png, f"the first images of {run['family']}, run {run['run_id']}", key=f"samples-{run['family']}")


def mlflow_links(root: str, runs: list[dict[str, Any]], version: dict[str, Any]) -> None:
    """Links to the runs and the version, if an MLflow server is known that a browser can open."""
    from ganlib.core.project import Project
    from ganlib.tracking.store import connect

    store = connect(Project(Path(root)))
    if not store.uri.startswith("http"):
        return
    for run in runs:
        experiment = store.client.get_run(run["run_id"]).info.experiment_id
        link = f"{store.uri}/#/experiments/{experiment}/runs/{run['run_id']}"
        text = f"MLflow run of {run['family']}"
        create_link_artifact(
            key=f"mlflow-{run['family']}", link=link, link_text=text, description=f"{text}: curves, figures, files"
        )
    link = f"{store.uri}/#/models/{version['name']}/versions/{version['version']}"
    text = f"version {version['version']} in MLflow"
    create_link_artifact(
        key="mlflow-version", link=link, link_text=text, description=f"{text}: where a person may promote it"
    )
