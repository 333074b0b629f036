"""Put trained graphs into the package (docs/pretrained.md): ``ganlib/pretrained/FAMILY.onnx`` and its card.

``python -m benchmarks.pretrained RUN_ID...`` in a project with these finished runs, or with GANLIB_ROOT set to it: each
run's graph and its float16 sibling are measured on the test split, by the judge and by `evaluate` of the project's
``params.yaml``. The sibling ships where it is as good as its parent, by the rule of `ganlib export --siblings`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pages import put
from benchmarks.rounds import run
from ganlib import config, pretrained
from ganlib.config import Params
from ganlib.core import progress
from ganlib.core import project as projects
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes, write_bytes, write_json
from ganlib.core.progress import Report
from ganlib.core.project import Project, SourceRevision
from ganlib.data.mnist.dataset import CREDIT
from ganlib.evaluation.evaluate import Evaluation
from ganlib.export import precision
from ganlib.export.size import parameters
from ganlib.generation.session import OnnxModel
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.measuring.results import hardware_of
from ganlib.jobs.models import fetch
from ganlib.jobs.promotion.sibling_table import as_good, fid_change
from ganlib.jobs.promotion.siblings import PARITY_IMAGES, blocks
from ganlib.pretrained import Float32Graph, PretrainedCard
from ganlib.tracking import history
from ganlib.tracking.reap import open_store

LICENCE = "Apache-2.0, as ganlib"
DATA_LICENCE = f"{CREDIT} No image of it is in the graph's file."
PAGE = Path(__file__).resolve().parents[1] / "docs" / "pretrained.md"
MARK = "<!-- what ships: by python -m benchmarks.pretrained -->"
OPTIONS = {None: "", "label": "--labels 7 ", "caption": "--caption 'a thin seven leaning left' "}


def main(words: Sequence[str]) -> int:
    """Write the files of each run, and the table of what ships."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pretrained", description="See docs/pretrained.md.")
    parser.add_argument("runs", nargs="+", metavar="RUN_ID")
    parser.add_argument("--hardware", help="what they were trained on, in words; default: what the runs say of it")
    args = parser.parse_args(words)
    project = projects.find()
    params = config.load(project.params_file)
    with progress.console(as_json=False) as report:
        for run_id in args.runs:
            card = ship(project, params, run_id, args.hardware, report)
            print(f"{run_id}: {card.summary()}")
    write_table(PAGE)
    return 0


def write_table(page: Path) -> None:
    """Put a row for each graph that ships between the two marks of ``page``."""
    head = ("", "FID", "times real images'", "n", "seed", "judge", "precision", "kB", "sha256", "draw from it")
    rows = [head, ("---",) * len(head), *map(_row, pretrained.cards().values())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    put(page, MARK, table)


def _row(card: PretrainedCard) -> tuple[str, ...]:
    figures = card.evaluation
    return (
        f"[{card.family}](families/{card.family}.md)",
        str(figures.fid),
        f"{figures.fid_over_floor:.1f}",
        f"{figures.n:,}",
        str(figures.seed),
        figures.judge_sha256[:12],
        card.precision,
        f"{card.bytes / 1000:,.0f}",
        card.sha256[:12],
        f"`{card.command}`",
    )


def ship(project: Project, params: Params, run_id: str, hardware: str | None, report: Report) -> PretrainedCard:
    """Write graph and card of the run into the package.

    Raises:
        BadInput: the run has not finished, or all graphs together would be too large; nothing was written.
    """
    source = fetch(project, params, f"runs:/{run_id}")
    graph = OnnxModel(source.path, sha256=source.sha256)
    with tempfile.TemporaryDirectory() as folder:
        half = Path(folder) / "half.onnx"
        precision.write(
            source.path, "fp16", half,
            calibration=(), calibration_text="", batches=blocks(graph, params.evaluate.seed, PARITY_IMAGES),
        )  # fmt: skip
        whole, small = (evaluate(project, params, str(path), report=report) for path in (source.path, half))
        change = fid_change(whole, small)
        float32 = None
        if change is not None and as_good(change, whole):
            float32 = Float32Graph(
                sha256=source.sha256,
                bytes=source.path.stat().st_size,
                evaluation=whole.without_replicates(),
                fid_change=change,
            )
        content = (half if float32 else source.path).read_bytes()
        card = _card(project, params, run_id, hardware, graph, content, small if float32 else whole, float32)
    others = sum(each.bytes for name, each in pretrained.cards().items() if name != card.family)
    if others + len(content) > pretrained.MOST_BYTES:
        raise BadInput(f"{others + len(content):,} bytes of graphs: at most {pretrained.MOST_BYTES:,} ship.")
    write_bytes(pretrained.FOLDER / f"{card.family}.onnx", content)
    write_json(pretrained.FOLDER / f"{card.family}.json", card.model_dump(mode="json"))
    return card


def _card(
    project: Project,
    params: Params,
    run_id: str,
    hardware: str | None,
    graph: OnnxModel,
    content: bytes,
    evaluation: Evaluation,
    float32: Float32Graph | None,
) -> PretrainedCard:
    """What the run says, and what was measured now."""
    store = open_store(project)
    run, data = history.read(store, run_id), history.data_version(store, run_id)
    family = run.family or ""
    if run.status != "FINISHED" or run.end is None or data is None:
        raise BadInput(f"run {run_id} has not finished, or says nothing of its data.")
    # By the steps alone, as of the rows of `ganlib families`: on a busy machine the same steps take longer.
    budgets = [name for name in params.budgets if str(params.limits(family, name).steps) == run.params["steps"]]
    steps = history.last_step(store, run_id, "train_seconds") or 0
    condition = next((name for name in graph.contract.inputs if name != "noise"), None)
    return PretrainedCard(
        family=family,
        sha256=sha256_bytes(content),
        bytes=len(content),
        parameters=parameters(content, family),
        precision="fp16" if float32 else "fp32",
        float32=float32,
        evaluation=evaluation.without_replicates(),
        data=data,
        budget=budgets[0] if budgets else "none",
        overrides=run.tags.get("ganlib.overrides", "none"),
        steps=steps,
        seed=int(run.params["seed"]),
        training_images=steps * int(run.params["batch_size"]),
        train_seconds=run.metrics["train_seconds"],
        hardware=hardware or hardware_of(store, run),
        date=run.end.date(),
        source=SourceRevision(run.tags.get("mlflow.source.git.commit"), run.tags.get("ganlib.source_dirty") == "true"),
        run_id=run_id,
        licence=LICENCE,
        data_licence=DATA_LICENCE,
        command=f"ganlib generate --model pretrained:{family} {OPTIONS[condition]}--count 64 --out out/{family}",
    )


if __name__ == "__main__":
    run(main)
