"""Small, repeated and foreign data, the whole way: what is told, what adapts, and what is not trained twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.data.splits import Split, load_split
from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs import retrain as retraining
from ganlib.jobs.data.version_data import version_data
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.retrain import retrain
from ganlib.jobs.training.train import train
from ganlib.tracking import history
from ganlib.tracking.store import connect
from tests.conftest import ROOT
from tests.reports import Recorder
from tests.services import project as projects
from tests.unit.data.builders import png_folders

pytestmark = [pytest.mark.services, pytest.mark.slow]


def about(report: Recorder, word: str) -> list[str]:
    """The remarks in which ``word`` occurs."""
    return [remark for remark in report.remarks if word in remark]


def real(count: int) -> Split:
    """``count`` images of MNIST."""
    part = load_split(ROOT / "data" / "prepared", "train")
    return Split(part.images[:count], part.labels[:count])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of 602 images: 473 to train on, as in the report that an advice was refused."""
    root = projects.make(tmp_path_factory.mktemp("small") / "project")
    source = png_folders(root / "own", real(602))
    project = Project(root)
    text = project.params_file.read_text()
    project.params_file.write_text(text.replace("kid_subset_size: 200", "kid_subset_size: 1000"))
    version_data(project, source=source)
    return project


def test_a_small_set_is_trained_on_measured_by_what_there_is_and_recorded(made: Project) -> None:
    params, told = load(made.params_file), Recorder()
    result = train(made, params, "dcgan", report=told)
    assert about(told, "samples 473 instead of 1,000"), "before the first step"
    found = evaluate(made, params, f"runs:/{result.run_id}", report=told)
    assert (found.n, found.kid_subset_size, found.neighbours) == (473, 86, 5)
    assert np.isfinite([found.fid.value, found.kid.value, found.floor_fid.value]).all()
    assert found.judge_agreement is not None, "by a judge of its own, of 473 images"
    assert found.judge_agreement > 0.8
    kept = history.text(connect(made), result.run_id, "evaluation/evaluation.json")
    assert Evaluation.model_validate_json(kept or "") == found


def test_a_training_whose_evaluation_failed_is_not_done_again_by_the_same_command(
    made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = load(made.params_file, ["train.seed=3"])

    def broken(*_: object, **__: object) -> Evaluation:
        raise BadInput("nothing can be measured today")

    with monkeypatch.context() as patch:
        patch.setattr(retraining, "evaluate", broken)
        with pytest.raises(BadInput, match="measured today"):
            retrain(made, params, families=["vae"], overrides=["train.seed=3"])
    store = connect(made)

    def runs() -> list[str]:
        return [run.id for run in history.of_family(store, params.registry.experiment, "vae")]

    (trained,) = runs()
    told = Recorder()
    result = retrain(made, params, families=["vae"], overrides=["train.seed=3"], report=told)
    assert [run.run_id for run in result.runs] == runs() == [trained]
    assert result.runs[0].sha256 == result.version.sha256
    assert about(told, f"run {trained} of the same settings, seed, data and code")
    again = retrain(made, params, families=["vae"], overrides=["train.seed=3"])
    assert [again.runs[0].run_id, trained] == runs(), "a command that came to its end has used it"


def test_what_is_too_small_for_any_figure_is_refused_before_the_first_step(made: Project, tmp_path: Path) -> None:
    project = Project(shutil.copytree(made.root, tmp_path / "project", symlinks=True))
    version_data(project, source=png_folders(project.root / "few", real(60)))
    before = len(list(history.of_family(connect(project), "mnist-generators", "dcgan")))
    with pytest.raises(BadInput, match=r"the train split has 4\d images, too few .*test 20 are needed, .*Add images"):
        train(project, load(project.params_file), "dcgan")
    assert len(list(history.of_family(connect(project), "mnist-generators", "dcgan"))) == before


def test_copies_strangers_and_what_is_passed_over_are_told(made: Project, tmp_path: Path) -> None:
    project = Project(shutil.copytree(made.root, tmp_path / "project", symlinks=True))
    once = real(500)
    upside_down = once.images[:, :, ::-1].transpose(0, 1, 3, 2)
    images, labels = (np.concatenate([each, each[:100]]) for each in (upside_down, once.labels))
    source = png_folders(project.root / "odd", Split(images, labels))
    (source / "4" / "Thumbs.db").write_bytes(b"x")
    (source / "5" / ".DS_Store").write_bytes(b"x")
    (source / "6" / ".DS_Store").write_bytes(b"x")
    (source / "notes.txt").write_text("x")
    (source / "letters" / "more").mkdir(parents=True)
    shutil.copy(source / "0" / next((source / "0").iterdir()).name, source / "letters" / "more" / "a.png")
    told = Recorder()
    data = version_data(project, source=source, report=told)
    assert about(told, "source") == ["source: {'not used': 'letters/ (1 file), notes.txt'}"]
    assert data.twins is not None
    assert data.twins.repeated == 200
    assert about(told, "200 images have an exact copy")
    assert version_data(project) == data
