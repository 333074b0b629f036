"""``ganlib judge``: the frozen classifier that all metrics use."""

from __future__ import annotations

import typer

from ganlib.cli.app import Json, open_project, reporting, show

app = typer.Typer(no_args_is_help=True)


@app.command()
def train(as_json: Json = False) -> None:
    """Train a new judge (the DVC stage `judge`). Every figure of before becomes incomparable."""
    project, params = open_project()
    from ganlib.evaluation.judge import judge_path
    from ganlib.evaluation.train_judge import train_judge
    from ganlib.jobs.version_data import prepared_md5

    with reporting(as_json=as_json) as report:
        path = train_judge(
            project.prepared, judge_path().parent, params.judge, prepared_md5(project), report=report
        )
    show({"judge": str(path)}, as_json=as_json, text=lambda: f"judge {path}")


@app.command("show")
def show_judge(as_json: Json = False) -> None:
    """Measure the judge's accuracy on the test split now, beside what was recorded at its training."""
    project, _ = open_project()
    from ganlib.data.splits import load_split
    from ganlib.evaluation.judge import load_judge

    judge, test = load_judge(), load_split(project.prepared, "test")
    with reporting(as_json=as_json) as report:
        judged = judge.judge(test.images, report=report)
    accuracy = float((judged.probabilities.argmax(axis=1) == test.labels).mean())
    found = {"sha256": judge.sha256, "test_accuracy": accuracy, "recorded": judge.facts}
    show(
        found,
        as_json=as_json,
        text=lambda: (
            f"judge {judge.sha256}\naccuracy on {len(test.labels):,} test images: {accuracy:.4f}\n"
            f"recorded: {judge.facts}"
        ),
    )
