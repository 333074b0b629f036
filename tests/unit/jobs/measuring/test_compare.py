"""`ganlib compare` and the measured rows: which runs are taken, what is measured, what is refused."""

from __future__ import annotations

import io
import json
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from ganlib.config import MarkConfig, Params, load
from ganlib.core import threads
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import SourceRevision
from ganlib.export.size import parameters
from ganlib.generation.session import OnnxModel
from ganlib.generation.speed.latency import images_per_second
from ganlib.jobs.measuring import campaign, compare, comparison, results
from ganlib.jobs.measuring.campaign import Campaign
from ganlib.jobs.measuring.comparison import Comparison, ComparisonRow
from ganlib.jobs.measuring.results import FamilyResult
from ganlib.jobs.measuring.selection import SelectedModel, opened, select
from ganlib.jobs.training.launch import train_in_child
from ganlib.jobs.training.train import TrainResult
from ganlib.tracking import runs
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.services import project as projects

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "generator.onnx"
    factories.graph(path)
    return path


@pytest.fixture
def params(store: MlflowStore) -> Params:
    return load(store.project.params_file)


def trained(
    store: MlflowStore, params: Params, onnx: Path | None, *, budget: str = "smoke", end: str = "FINISHED", **tags: str
) -> str:
    """A run of dcgan as training leaves it."""
    limits = params.limits("dcgan", budget)
    with runs.start(
        store,
        "train dcgan",
        family="dcgan",
        params={"steps": limits.steps, "seconds": limits.seconds, "batch_size": 64},
        tags={"ganlib.overrides": "none", "ganlib.device": "cpu", **tags},
        data=factories.data_version(),
        source=SourceRevision("c" * 40, dirty=False),
        experiment=params.registry.experiment,
    ) as run:
        if onnx:
            run.artifact(onnx, "onnx")
        run.log({"train_seconds": 12.5}, limits.steps)
    store.client.set_terminated(run.id, end)
    return run.id


def row(label: str = "dcgan", **changes: Any) -> ComparisonRow:
    base = ComparisonRow(
        label=label, family="dcgan", reference=f"runs:/{label}", sha256="a" * 64, version=None, run_id="b" * 32,
        budget="standard", evaluation=factories.evaluation(), reused=False, held_out={}, train_seconds=60.0,
        images_seen=6400, images_per_second=1000.0, onnx_bytes=5000, parameters=1234,
    )  # fmt: skip
    return base.model_copy(update=changes)


def found(*rows: ComparisonRow) -> Comparison:
    return Comparison(rows=rows, data_version="d" * 32, machine="a machine", rounds=5, run_id="e" * 32)


def test_a_family_is_its_newest_finished_run_that_has_a_graph(store: MlflowStore, params: Params, onnx: Path) -> None:
    trained(store, params, onnx)
    newest = trained(store, params, onnx)
    standard = trained(store, params, onnx, budget="standard")
    trained(store, params, onnx, end="KILLED")
    trained(store, params, None)
    assert select(store.project, params, store, "dcgan").model.run_id == standard
    smoke = select(store.project, params, store, "dcgan", budget="smoke")
    assert (smoke.model.run_id, smoke.family) == (newest, "dcgan")
    with pytest.raises(BadInput, match="dcgan has no finished run at budget demo with a graph"):
        select(store.project, params, store, "dcgan", budget="demo")
    with pytest.raises(BadInput, match="vae has no finished run with a graph: run `ganlib train vae`"):
        select(store.project, params, store, "vae")


def test_versions_and_files_are_compared_too_and_a_misspelt_family_is_offered(
    store: MlflowStore, params: Params, onnx: Path
) -> None:
    version = factories.registered(store, onnx)
    selected = select(store.project, params, store, "challenger")
    assert selected.reference == version.uri
    assert selected.run
    assert selected.run.id == version.run_id
    assert select(store.project, params, store, str(onnx)).run is None
    with pytest.raises(BadInput, match="Did you mean 'dcgan'"):
        select(store.project, params, store, "dcgna")


class Trainer:
    """Stands in for the child processes: notes what it was asked for and leaves a finished run."""

    def __init__(self, store: MlflowStore, params: Params, onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.params, self.onnx, self.asked = store, params, onnx, list[str]()
        monkeypatch.setattr(campaign, "train_in_child", self.anew)
        monkeypatch.setattr(campaign.child, "run", self.resumed)

    def anew(self, project: Any, params: Any, family: str, *, resume: str | None = None, **options: Any) -> Any:
        if resume:
            return train_in_child(project, params, family, resume=resume, **options)
        self.asked.append(family)
        return result_of(trained(self.store, self.params, self.onnx))

    def resumed(self, _project: object, words: list[str], **_options: object) -> Any:
        self.asked.append(" ".join(words))
        run_id = words[-1].removeprefix("--resume=")
        self.store.client.log_artifact(run_id, str(self.onnx), "onnx")
        self.store.client.set_terminated(run_id, "FINISHED")
        return result_of(run_id).model_dump(mode="json")


def result_of(run_id: str) -> TrainResult:
    return TrainResult(
        run_id=run_id, family="dcgan", steps=1, seconds=1.0, images=1, onnx=Path("g.onnx"), sha256="a" * 64,
        certificate=factories.certificate(),
    )  # fmt: skip


def test_the_same_command_takes_what_is_trained_resumes_what_was_stopped_and_after_its_end_trains_anew(
    store: MlflowStore, params: Params, onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Trainer(store, params, onnx, monkeypatch)

    def begin() -> Campaign:
        return Campaign(store.project, params, store, factories.data_version(), ["dcgan"], budget="smoke", overrides=())

    trained(store, params, onnx)  # before the campaign: none of its runs
    first = begin().run()["dcgan"]
    assert trainer.asked == ["dcgan"]
    assert begin().run()["dcgan"] == first
    assert trainer.asked == ["dcgan"]
    begin().close()

    begin().earlier_runs()
    stopped = trained(store, params, None, end="KILLED")
    trained(store, params, onnx, **{"ganlib.overrides": "train.seed=1"})  # of another command
    checkpoint = store.project.state / "runs" / stopped / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    assert begin().run()["dcgan"] == stopped
    assert trainer.asked[1:] == [f"train dcgan --budget=smoke --resume={stopped}"]


@pytest.mark.parametrize("step", [-86_400, 86_400])
def test_a_clock_that_was_set_since_it_began_mixes_no_earlier_run_in_and_loses_none(
    store: MlflowStore, params: Params, onnx: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    Trainer(store, params, onnx, monkeypatch)

    def begin() -> Campaign:
        return Campaign(store.project, params, store, factories.data_version(), ["dcgan"], budget="smoke", overrides=())

    def move(run_id: str, seconds: int) -> None:
        with sqlite3.connect(store.project.root / "mlflow.db") as database:
            database.execute("UPDATE runs SET start_time = start_time + ? WHERE run_uuid = ?", (1000 * seconds, run_id))

    move(trained(store, params, onnx), -step)
    first = begin().run()["dcgan"]
    move(first, step)
    assert begin().run()["dcgan"] == first


def test_jobs_are_side_by_side_each_with_its_share_of_the_cores(
    store: MlflowStore, params: Params, onnx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, asked = threading.Barrier(2), {}

    def train(_project: Any, _params: Any, family: str, **options: Any) -> TrainResult:
        both.wait(60)  # for the other one
        asked[family] = options
        return result_of(trained(store, params, onnx))

    monkeypatch.setattr(campaign, "train_in_child", train)
    monkeypatch.setattr(threads, "usable_cores", lambda: 8)
    data = factories.data_version()
    Campaign(store.project, params, store, data, ["dcgan", "vae"], budget="smoke", jobs=2, overrides=()).run()
    for family in ("dcgan", "vae"):
        assert asked[family]["variables"] == {"OMP_NUM_THREADS": "4"}
        assert asked[family]["concurrent"] == 2


def test_jobs_are_of_trainings_whose_seconds_nobody_records(store: MlflowStore, params: Params) -> None:
    with pytest.raises(BadInput, match="add --train"):
        compare.compare(store.project, params, ["dcgan"], jobs=2)
    with pytest.raises(BadInput, match="leave out --jobs"):
        compare.compare(store.project, params, ["dcgan"], train=True, jobs=2, record=True)


def test_speed_is_measured_and_parameters_are_counted_on_the_graph(onnx: Path) -> None:
    (speed,) = images_per_second([OnnxModel(onnx)], rounds=1)
    assert 10 < speed < 1e7
    linear, norms, convolutions = 6 * 196 + 196, 4 * 4, 4 * 4 * 16 + 4 + 4 * 16 + 1
    assert 0 <= parameters(onnx.read_bytes(), "g") - (linear + norms + convolutions) < 10  # constants of the exporter


def test_the_table_tells_what_every_figure_depends_on_and_drops_columns_that_are_empty() -> None:
    text = comparison.markdown(found(row(), row("vae", held_out={"reconstruction_mse": 0.0123})))
    head, _, one, two = text.splitlines()[:4]
    assert "as asked" not in head
    assert "| dcgan | 10 [9.5, 10.5] | 20.0 | 0.1 [0.09, 0.11] | 10.0-10.0% | - | 60 s | 6,400 | 1,000 |" in one
    assert "reconstruction_mse 0.0123" in two
    for word in ("10,000 images of seed 1", "95% intervals", "jjjjjjjjjjjj", "one thread", "median of 5", "a machine"):
        assert word in text
    assert "dcgan" in comparison.text(found(row()))


def test_the_sheet_gives_each_model_a_row_of_the_same_noise(onnx: Path) -> None:
    model = OnnxModel(onnx)
    with Image.open(io.BytesIO(comparison.sheet([row("one"), row("two")], [model, model], 3, MarkConfig()))) as sheet:
        pixels = np.asarray(sheet)
    top, bottom = (pixels[60 * at + 2 : 60 * at + 58, 172:-2] for at in range(2))
    np.testing.assert_array_equal(top, bottom)
    np.testing.assert_array_equal(top[:56:2, :56:2], model.images(3, 0, 1)[0, 0])
    assert (pixels[:, :170] == 0).any()  # the names


def test_the_plot_is_a_picture_even_of_a_fid_of_zero() -> None:
    with Image.open(io.BytesIO(comparison.plot([row(), row("b", evaluation=factories.evaluation(0.0, 0.0))]))) as plot:
        assert plot.format == "PNG"
        assert len(np.unique(np.asarray(plot.convert("L")))) > 10


def a_measured(**changes: Any) -> FamilyResult:
    base = FamilyResult(
        evaluation=factories.evaluation(), held_out={}, train_seconds=90.0, images_seen=6400, hardware="two cores",
        date=date(2025, 1, 2), commit="c" * 40 + "-dirty", overrides="none", images_per_second=1.0, machine="m",
        onnx_bytes=1, parameters=1, sha256="a" * 64, run_id="b" * 32,
    )  # fmt: skip
    return base.model_copy(update=changes)


def test_recording_replaces_the_rows_of_these_families_and_keeps_the_others(tmp_path: Path) -> None:
    path = tmp_path / "measured.json"
    path.write_text("{}")
    results.record({"vae": a_measured(), "dcgan": a_measured()}, path)
    results.record({"vae": a_measured(images_seen=1)}, path)
    assert {name: row.images_seen for name, row in results.load(path).items()} == {"dcgan": 6400, "vae": 1}
    path.write_text('{"vae": {}}')
    with pytest.raises(BadInput, match=r"measured\.json: vae"):
        results.load(path)


def test_a_measured_row_says_all_that_its_figure_depends_on() -> None:
    text = a_measured().summary()
    for word in ("FID 10 [9.5, 10.5] = 20.0 x F at budget standard;", "n 10,000, seed 1", "judge jjjjjjjjjjjj"):
        assert word in text
    for word in ("data dddddddddddd", "6,400 images in 1.5 minutes on two cores", "2025-01-02", "cccccccccccc-dirty"):
        assert word in text
    assert "--set train.seed=1" in a_measured(overrides="train.seed=1").summary()


def test_the_shipped_rows_are_of_families_that_there_are() -> None:
    from ganlib import families

    assert set(results.load()) <= set(families.names())
    assert set(results.load(budget=results.BEST)) <= set(results.load())


def test_only_standard_runs_of_different_families_are_recorded(store: MlflowStore, params: Params, onnx: Path) -> None:
    def run_of(budget: str) -> SelectedModel:
        return opened(store.project, params, store, f"runs:/{trained(store, params, onnx, budget=budget)}", "a run")

    standard = run_of("standard")
    results.require_finished(store.project, [standard])
    for wrong, message in (
        ([run_of("smoke")], r"of another \(30 steps\): add --budget standard"),
        ([standard, standard], "several of dcgan"),
        ([opened(store.project, params, store, str(onnx), "file")], "file is none"),
    ):
        with pytest.raises(BadInput, match=message):
            results.require_finished(store.project, wrong)
    with pytest.raises(BadInput, match="runs of budget standard or best, not smoke"):
        results.require_as_committed(store.project, params, "smoke")
    with pytest.raises(BadInput, match="leave those out of --set"):
        results.require_as_committed(store.project, load(store.project.params_file, ["evaluate.seed=1"]))


@pytest.mark.slow
def test_two_families_are_trained_compared_recorded_and_listed(tmp_path: Path) -> None:
    folder = projects.make(tmp_path / "project")
    tree = yaml.safe_load((folder / "params.yaml").read_text())
    tree["budgets"]["standard"] = {"steps": 10, "seconds": 60}
    tree["budgets"]["smoke"] = {"steps": 5, "seconds": 60}
    tree["families"] |= {name: {"channels": 8, "batch_size": 16} for name in ("cgan", "vae")}
    (folder / "params.yaml").write_text(yaml.safe_dump(tree))
    (folder / "ganlib" / "results" / "measured.json").write_text("{}")
    shipped = [results.load(budget=budget) for budget in (results.BUDGET, results.BEST)]

    def compare(*arguments: str, run: Run = projects.run_own) -> dict[str, Any]:
        done = run(folder, "ganlib", "compare", *arguments, "--json")
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    first = compare("vae", "cgan", "--train", "--budget", "standard", "--out", "out", run=projects.run)
    vae, cgan = first["rows"]
    assert [(row["family"], row["images_seen"], row["budget"], row["reused"]) for row in (vae, cgan)] == [
        ("vae", 160, "standard", False),
        ("cgan", 160, "standard", False),
    ]
    assert {"reconstruction_mse", "reconstruction_fid"} <= set(vae["held_out"])
    assert "class" in cgan["evaluation"]["agreement"]
    assert vae["sha256"] == sha256_file(folder / ".ganlib" / "runs" / vae["run_id"] / "generator.onnx")
    names = {"table.json", "table.md", "quality.png", "sheet.png"}
    assert {path.name for path in (folder / "out").iterdir()} == names
    assert json.loads((folder / "out" / "table.json").read_text()) == first
    (logged,) = (folder / "mlruns").glob(f"**/{first['run_id']}/artifacts")
    assert names <= {path.name for path in logged.iterdir()}
    assert json.loads((folder / "ganlib" / "results" / "measured.json").read_text()) == {}
    assert [results.load(budget=budget) for budget in (results.BUDGET, results.BEST)] == shipped

    second = compare("vae", "cgan", "--record", "--hardware", "some cores")
    assert [row["reused"] for row in second["rows"]] == [True, True]
    assert [row["evaluation"] for row in second["rows"]] == [vae["evaluation"], cgan["evaluation"]]
    assert second["recorded"] == ["vae", "cgan"]
    listed = json.loads(projects.run_own(folder, "ganlib", "families", "--json").stdout)
    rows = {row["family"]: row["measured"] for row in listed}
    assert rows["dcgan"] is None
    assert rows["vae"]["hardware"] == "some cores"
    assert rows["vae"]["evaluation"] == vae["evaluation"] | {"resampled": {}}  # for gates, and long
    shown = projects.run_own(folder, "ganlib", "families", "vae", "dcgan").stdout
    assert "x F at budget standard" in shown
    assert "not measured yet" in shown

    refused = projects.run(folder, "ganlib", "compare", "vae", "--record", "--budget", "smoke")
    assert refused.returncode == 2
    assert "runs of budget standard or best, not smoke" in refused.stderr
