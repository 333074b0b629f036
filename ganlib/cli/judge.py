"""``ganlib judge``: the frozen classifier that all metrics use."""

from __future__ import annotations

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.help import Verbs
from ganlib.cli.options import Json, Set

app = Verbs(no_args_is_help=True)


@app.command()
def train(overrides: Set = None, as_json: Json = False) -> None:
    """Train a new judge (the DVC stage `judge`). Figures of two judges are not comparable."""
    project, params = open_project(overrides)
    from ganlib.core.errors import BadInput
    from ganlib.evaluation.judge.judge import weights_folder
    from ganlib.evaluation.judge.train import train_judge
    from ganlib.jobs.data.version_data import recorded_md5

    version = recorded_md5(project)
    if version is None:
        raise BadInput("there is no data version to train the judge on; run: ganlib data version")
    with reporting(as_json=as_json) as report:
        path = train_judge(project.prepared, weights_folder(), params.judge, version, report=report)
    show({"judge": str(path)}, as_json=as_json, text=lambda: f"judge {path}")


@app.command("show")
def show_judge(as_json: Json = False) -> None:
    """Measure the judge's accuracy on the test split now, beside what was recorded at its training."""
    project, _ = open_project()
    from ganlib.data.splits import load_split
    from ganlib.evaluation.judge.judge import load_judge

    judge, test = load_judge(), load_split(project.prepared, "test")
    with reporting(as_json=as_json) as report:
        said = judge.features(test.images, report=report).probabilities.argmax(axis=1)
    accuracy = float((said == test.labels).mean())
    recorded = "\n".join(f"  {name} {value}" for name, value in sorted(judge.facts.items()))
    show(
        {"sha256": judge.sha256, "test_accuracy": accuracy, "recorded": judge.facts},
        as_json=as_json,
        text=lambda: (
            f"judge {judge.sha256}\naccuracy on {len(test.labels):,} test images: {accuracy:.4f}\n"
            f"recorded when it was trained:\n{recorded}"
        ),
    )
