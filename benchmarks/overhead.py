"""Where the seconds around the work go: the flow beside plain library calls, one image, imports, and `make demo`.

    python -m benchmarks.overhead [--only flow|one|imports|demo]      # GANLIB_BENCH_ROUNDS=3 changes the rounds

`flow` retrains a family for a few steps, from the data version to the gate, once as `python -m pipelines retrain` with
a Prefect server of its own, MLflow and DVC, and once by the library's functions alone in one process; both start as new
processes, in turns, and the limit is on the difference. `one` is `ganlib generate --count 1` of a file. `imports` are
seconds until a command's modules are there, by package. `demo` runs `make demo`'s flow once, in a project without
anything made (about six minutes), and says what of its seconds is training, and what its other seconds are, by stage.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.rounds import Figure, at_most, show
from tests.services import project as projects

ROUNDS = int(os.environ.get("GANLIB_BENCH_ROUNDS", "3"))
ADDED, ONE = 15.0, 1.5
"""The limits in seconds: what Prefect, MLflow and DVC add to a retraining, and one image of a file."""
FAMILY = "vae"


def main(words: Sequence[str]) -> int:
    """Print the figures that ``words`` ask for; 1 if a limit is missed."""
    parts = {"flow": flow, "one": one, "imports": imports, "demo": demo}
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description="See docs/performance.md.")
    parser.add_argument("--only", choices=[*parts, "plain"], action="append", help="a part (default: all but demo)")
    wanted = parser.parse_args(words).only or ["flow", "one", "imports"]
    if wanted == ["plain"]:
        plain()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return max([show(parts[name](Path(folder) / name)) for name in wanted])


def flow(folder: Path) -> Iterator[Figure]:
    """A retraining by the flow and by plain calls, in turns."""
    project = projects.make(folder)
    sides = {
        "a retraining by the flow": ["pipelines", "retrain", "--families", FAMILY, "--json"],
        "the same by the library's functions alone": ["benchmarks.overhead", "--only", "plain"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    _run(project, *sides["a retraining by the flow"])  # which makes the databases
    for number in range(ROUNDS):
        for name in sorted(sides, reverse=bool(number % 2)):
            seconds[name].append(_run(project, *sides[name]))
    for name, values in seconds.items():
        yield Figure(f"seconds of {name}", values)
    added = [whole - bare for whole, bare in zip(*seconds.values(), strict=True)]
    yield at_most("seconds that Prefect, MLflow and DVC add", added, ADDED)


def plain() -> None:
    """Train, export, draw and measure as the flow does, without a run, a data version to make, or a server."""
    from ganlib import families
    from ganlib.config import load
    from ganlib.core import project as found
    from ganlib.core.progress import silent
    from ganlib.evaluation.evaluate import load_reference, score_images
    from ganlib.evaluation.needs import fitted
    from ganlib.export.onnx import export
    from ganlib.generation.session import OnnxModel
    from ganlib.jobs.data.judge import judge_for
    from ganlib.jobs.data.version_data import current_data
    from ganlib.jobs.training.fit import fit
    from ganlib.jobs.training.session import Session, shape
    from ganlib.tracking.runs import NullRun
    from ganlib.training import device as devices
    from ganlib.training import distributed

    project = found.find()
    params = load(project.params_file)
    device = devices.prepare(params.train.device, params.train.threads, allow_cpu=True)
    data, limits = current_data(project), params.limits(FAMILY, None)
    options = families.for_data(params, FAMILY, data.spec, data.counts["train"])
    config = shape(params, FAMILY, limits, options, data, None)
    judge = judge_for(project, params, data)
    with distributed.join(device.type) as team:
        run = Session(NullRun(), lambda: False, team, device, limits, config, data, options, None, lambda: judge)
        model, ema, _, _ = fit(project, params, FAMILY, run, silent)
    path = project.root / "plain.onnx"
    net = ema.module.cpu().eval()
    export(net, model.noise_dim, path, params.export, {"family": FAMILY}, data.spec, model.condition)
    settings = fitted(params.evaluate, data.counts)
    graph = OnnxModel(path)
    images = graph.draw(graph.request(settings.seed), 0, settings.samples)
    reference = load_reference(project.prepared, data.md5, judge, settings, cache=project.state / "cache")
    score_images(images, reference, judge, settings)


def one(folder: Path) -> Iterator[Figure]:
    """One image of a file."""
    from tests import factories

    project = projects.bare(folder)
    factories.graph(project / "g.onnx")
    words = ("ganlib", "generate", "--model", "g.onnx", "--count", "1", "--json", "--out")
    _run(project, *words, "first")
    values = [_run(project, *words, f"out{number}") for number in range(ROUNDS * 3)]
    yield at_most("seconds of `ganlib generate --count 1` of a file", values, ONE)


def imports(folder: Path) -> Iterator[Figure]:
    """Seconds until the modules of commands are there, and of which packages they are, in a new process each."""
    del folder
    for what, code in {
        "ganlib --help": "import ganlib.cli.app",
        "generate": "import ganlib.generation.batch.batch, ganlib.generation.session",
        "train": "import ganlib.jobs.training.fit, ganlib.training.loop, torch",
        "MLflow": "import mlflow",
        "a flow": "import pipelines.retrain",
    }.items():
        tables = [_import_seconds(code) for _ in range(ROUNDS)]
        largest = Counter(tables[0]).most_common(4)
        parts = ", ".join(f"{name} {seconds:.2f}" for name, seconds in largest)
        yield Figure(f"seconds of imports of {what} ({parts})", [sum(table.values()) for table in tables])


def _import_seconds(code: str) -> dict[str, float]:
    """Seconds that each package's own modules took."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    seconds: Counter[str] = Counter()
    for line in done.stderr.splitlines():
        own, _, name = (part.strip() for part in line.removeprefix("import time:").split("|"))
        if own.isdecimal():
            seconds[name.partition(".")[0]] += int(own) / 1e6
    return seconds


def demo(folder: Path) -> Iterator[Figure]:
    """One run of the demo, and its seconds by stage."""
    project = folder / "project"
    shutil.copytree(projects.bare(folder / "small"), project, ignore=shutil.ignore_patterns("params.yaml", "data"))
    shutil.copy(projects.ROOT / "params.yaml", project)
    shutil.copytree(projects.ROOT / "data", project / "data")
    stages: Counter[str] = Counter()
    result = _demo(project, lambda stage, seconds: stages.update({stage: seconds}))  # type: ignore[arg-type]
    training = max(run["seconds"] for run in result["runs"])
    yield Figure("seconds of `make demo`", [result["seconds"]])
    yield Figure("seconds of its longest training", [training])
    yield Figure("seconds of all the rest", [result["seconds"] - training])
    for stage, seconds in stages.most_common(12):
        yield Figure(f"seconds until the next word after `{stage}`", [seconds])


def _demo(project: Path, spent: Callable[[str, float], object]) -> dict[str, Any]:
    """Run it; ``spent`` is told of the seconds that passed after each event's stage."""
    words = [sys.executable, "-m", "pipelines", "demo", "--json"]
    with subprocess.Popen(
        words, cwd=project, env=projects.environment(project), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        stage, since = "start", time.monotonic()
        for line in process.stderr:
            now = time.monotonic()
            spent(stage, now - since)
            since = now
            if line.startswith("{"):
                stage = str(json.loads(line).get("stage", stage))
        result: dict[str, Any] = json.loads(process.stdout.read())
    return result


def _run(project: Path, *words: str) -> float:
    """Seconds of ``python -m WORDS`` in the project."""
    environment = projects.environment(project)
    environment["PYTHONPATH"] += os.pathsep + str(projects.ROOT)  # where the benchmarks are
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):  # 1: the gate says no
        raise RuntimeError(done.stderr)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
