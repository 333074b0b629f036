"""A search: its space, what it proposes, prunes and redoes, and what it writes. Only its children are stood in for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ganlib import families
from ganlib.config import Params, load
from ganlib.core.errors import BadInput, Interrupted, Unavailable
from ganlib.core.events import TrainingCheck, TrialStart
from ganlib.core.locks import hold
from ganlib.core.progress import Report
from ganlib.core.project import Project
from ganlib.families.parts.space import Choice, Range, around, tree, value_of
from ganlib.jobs.training import child, tune
from ganlib.jobs.training import trial as trials
from ganlib.jobs.training.tune import TuneResult
from ganlib.tracking.store import MlflowStore
from tests import factories
from tests.services import project as projects


@pytest.mark.parametrize("name", families.names())
def test_every_familys_space_is_of_options_that_it_has_and_holds_its_defaults(name: str) -> None:
    space, options = families.load(name).space(), families.options(name, {}).model_dump()
    assert any(option.endswith("learning_rate") for option in space)
    assert {"batch_size", "ema_half_life"} <= space.keys()
    for option, dimension in space.items():
        default = value_of(options, option)
        for value in ends(dimension):
            families.options(name, tree({option: value}))  # is accepted
        if isinstance(dimension, Choice):
            assert default in dimension.values
        else:
            assert dimension.low <= default <= dimension.high


def ends(dimension: Choice | Range) -> Sequence[Any]:
    if isinstance(dimension, Choice):
        return dimension.values
    return [int(each) if dimension.whole else each for each in (dimension.low, dimension.high)]


def test_what_is_off_stays_off_and_a_family_adds_its_own() -> None:
    assert around({"r1_gamma": 0.0, "gp_lambda": 1.0}) == {"gp_lambda": Range(low=0.1, high=10)}
    assert "commitment" in families.load("vqgan").space()
    assert "latent_dim" not in families.load("vqgan").space()


def test_a_learning_rate_alone_leaves_the_rest_of_the_familys_optimiser() -> None:
    options = families.options("wgan_gp", {"generator": {"learning_rate": 0.5}}).model_dump()
    assert options["generator"] == {"name": "adam", "learning_rate": 0.5, "betas": (0.0, 0.9), "timescale": None}
    with pytest.raises(BadInput, match="Did you mean 'learning_rate'"):
        families.options("wgan_gp", {"generator": {"learning_rat": 0.5}})


_PREFIX = "--set=families.dcgan."
Answer = Callable[[int, dict[str, Any], Report], "float | None"]


class Children:
    """Stand in for the trials' processes: each asks ``answer`` with its place, its options and a way to report."""

    def __init__(self, store: MlflowStore, answer: Answer) -> None:
        self.store, self.answer, self.variables = store, answer, list[Mapping[str, str]]()
        self.options: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def run(self, _project: object, words: list[str], *, variables: Mapping[str, str], report: Report, **_: Any) -> Any:
        with self._lock:
            place = len(self.options)
            pairs = (
                word.removeprefix("--set=").split("=") for word in words if word.startswith("--set=families.dcgan")
            )
            self.options.append({name.removeprefix("families.dcgan."): yaml.safe_load(value) for name, value in pairs})
            self.variables.append(variables)
            run_id = factories.finished_run(self.store)
        report.event(TrialStart(run_id))
        fid = self.answer(place, self.options[place], report)
        return {"run_id": run_id, "fid": fid, "problem": None if fid is not None else "out of memory in step 3"}


Tuner = Callable[..., tuple[Children, TuneResult]]


@pytest.fixture
def search(store: MlflowStore, monkeypatch: pytest.MonkeyPatch) -> Tuner:
    monkeypatch.setattr(tune, "current_data", lambda _: factories.data_version())
    params = load(store.project.params_file)

    def begin(answer: Answer, **arguments: Any) -> tuple[Children, TuneResult]:
        children = Children(store, answer)
        monkeypatch.setattr(child, "run", children.run)
        return children, tune.tune(store.project, params, "dcgan", **{"trials": 6, "budget": "smoke"} | arguments)

    return begin


def by_rate(place: int, options: dict[str, Any], report: Report) -> float:
    """Better the higher the discriminator's learning rate."""
    return 1 / options["discriminator.learning_rate"]


def test_the_first_trial_is_of_the_options_as_they_are_and_the_best_is_applied_with_comments_kept(
    search: Tuner, store: MlflowStore
) -> None:
    before = store.project.params_file.read_text()
    children, found = search(by_rate, apply=True, only=["discriminator.learning_rate", "batch_size"])
    assert children.options[0] == {"discriminator.learning_rate": 4e-3, "batch_size": 32}
    assert found.best.fid == min(1 / each["discriminator.learning_rate"] for each in children.options)
    after = store.project.params_file.read_text()
    assert load(store.project.params_file).families["dcgan"] == tree(found.best.params)
    assert [line for line in after.splitlines() if "dcgan: {" not in line] == [
        line for line in before.splitlines() if "dcgan: {" not in line
    ]
    assert yaml.safe_load(found.patch_file.read_text()) == {"families": {"dcgan": tree(found.best.params)}}
    parent = store.client.get_run(found.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["quality/best_validation_fid"] == pytest.approx(found.best.fid)
    experiment = store.client.get_experiment(parent.info.experiment_id)
    assert experiment.name == "mnist-generators-search"  # no comparison takes a trial for a training
    assert children.variables[0] == {"MLFLOW_RUN_ID": found.run_id, "MLFLOW_EXPERIMENT_ID": experiment.experiment_id}


def test_the_same_call_again_tries_nothing_and_more_trials_go_on(search: Tuner) -> None:
    first, _ = search(by_rate, trials=2)
    again, found = search(by_rate, trials=2)
    assert (len(first.options), len(again.options), len(found.trials)) == (2, 0, 2)
    more, found = search(by_rate, trials=4)
    assert len(found.trials) == 4
    assert not [options for options in more.options if options in first.options]


def test_a_bad_trial_is_pruned_by_its_checks_and_one_that_breaks_counts_as_bad(
    search: Tuner, store: MlflowStore
) -> None:
    def answer(place: int, options: dict[str, Any], report: Report) -> float | None:
        if place == 6:
            return None
        for step in (10, 20):
            report.event(TrainingCheck(step, 100.0 if place == 5 else 9.0 - place))
        assert place != 5, "it was to be pruned"
        return 9.0 - place

    _, found = search(answer, trials=7)
    assert [each.state for each in found.trials] == ["COMPLETE"] * 5 + ["PRUNED"] * 2
    assert found.trials[5].note == "pruned at step 10: validation FID 100"
    assert "out of memory" in (found.trials[6].note or "")
    tags = store.client.get_run(found.trials[5].run_id).data.tags
    assert tags["ganlib.reason"] == found.trials[5].note
    assert found.best.number == 4
    assert "5 trials of dcgan, 2 pruned" in found.summary()


def test_trials_run_side_by_side_and_one_that_is_stopped_is_redone(search: Tuner) -> None:
    both, tried = threading.Barrier(2), list[dict[str, Any]]()

    def stopped(place: int, options: dict[str, Any], report: Report) -> float:
        if place < 2:
            both.wait(300)  # neither gets past this alone
            if place == 0:
                raise Interrupted("it was stopped.")
        tried.append(options)
        return by_rate(place, options, report)

    with pytest.raises(Interrupted):
        search(stopped, trials=6, jobs=2)
    children, found = search(by_rate, trials=4)
    cut_off, *others = sorted(found.trials, key=lambda each: each.state != "FAIL")
    assert cut_off.state == "FAIL"
    assert [each.state for each in others] == ["COMPLETE"] * 4
    assert cut_off.params in [*tried, *children.options]


def test_a_second_search_of_the_same_is_told_to_wait(search: Tuner, store: MlflowStore) -> None:
    _, found = search(by_rate, trials=1)
    with (
        hold(found.patch_file.parent / "lock", what="test"),
        pytest.raises(Unavailable, match="another search with the same arguments"),
    ):
        search(by_rate, trials=2)


def test_an_option_that_is_not_in_the_space_is_refused(search: Tuner) -> None:
    with pytest.raises(BadInput, match=r"Did you mean 'discriminator\.learning_rate'"):
        search(by_rate, only=["discriminator.learning_rat"])


@pytest.mark.slow
def test_a_trial_reads_no_test_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganlib.data import splits

    project = Project(projects.make(tmp_path / "project"))
    read: list[str] = []
    clean = splits.load_array

    def noted(path: Path, *dtype: type, **how: bool) -> Any:
        read.append(path.name)
        return clean(path, *dtype, **how)

    monkeypatch.setattr(splits, "load_array", noted)
    overrides = ["families.vae.channels=8", "train.check_samples=200"]
    params: Params = load(project.params_file, overrides)
    scored = trials.score(project, params, "vae", budget="smoke", overrides=overrides)
    assert scored.fid is not None
    assert scored.fid > 0
    assert {name.split("-")[0] for name in read} == {"train", "validation"}
    assert not list((project.state / "runs").rglob("*.onnx"))
