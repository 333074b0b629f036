"""Which judge a data version gets, without a training: MNIST's, a file of the user's, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.data.versioning.record import DataVersion
from ganlib.data.versioning.state import describe
from ganlib.evaluation.judge.mnist.judge import MnistJudge
from ganlib.jobs.data.judge import check_file, examined, is_mnist, judge_for, judge_sha256_for, train_judge
from tests import shapes
from tests.factories import data_version
from tests.unit.evaluation.judge.graphs import toy

COMMITTED = "5634a65b9ec4"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return shapes.project(tmp_path_factory.mktemp("judged") / "project")


def params(project: Project, *overrides: str) -> Params:
    return load(project.params_file, overrides)


def test_mnist_gets_the_committed_judge(made: Project) -> None:
    judge = judge_for(made, params(made), data_version())
    assert isinstance(judge, MnistJudge)
    assert judge.sha256.startswith(COMMITTED)
    assert judge_sha256_for(made, params(made), data_version()) == judge.sha256
    assert judge.class_names == tuple("0123456789")


@pytest.mark.parametrize("changes", [{"source": "../digits"}, {"spec": shapes.SHAPES}])
def test_the_committed_judge_serves_nothing_but_mnist(made: Project, changes: dict[str, object]) -> None:
    data = data_version().model_copy(update=changes)
    assert not is_mnist(data)
    assert judge_sha256_for(made, params(made), data) is None, "a judge of its own, which is not trained yet"


def test_a_file_of_the_user_s_serves_the_data_that_it_fits(made: Project) -> None:
    path, data = toy(made.root / "mine.onnx", logits=3), describe(made)
    asked = params(made, "judge.source=mine.onnx")
    judge = judge_for(made, asked, data)
    assert (judge.name, judge.class_names) == ("mine.onnx", shapes.SHAPES.class_names)
    assert judge_sha256_for(made, asked, data) == judge.sha256 == sha256_file(path)


def test_a_file_that_does_not_fit_the_data_is_refused(made: Project) -> None:
    toy(made.root / "grey.onnx", dims=("batch", 1, 28, 28))
    with pytest.raises(BadInput, match=r"images of shapes are image uint8\[batch, 3, 32, 32\]"):
        judge_for(made, params(made, "judge.source=grey.onnx"), describe(made))
    toy(made.root / "blind.onnx", scale=0.0)
    with pytest.raises(BadInput, match="it sees nothing"):
        judge_for(made, params(made, "judge.source=blind.onnx"), describe(made))


def test_a_file_that_is_not_there_is_refused_before_anything(made: Project) -> None:
    asked = params(made, "judge.source=none.onnx")
    for resolve in (judge_for, judge_sha256_for):
        with pytest.raises(BadInput, match=r"no such file.*judge\.source=auto"):
            resolve(made, asked, describe(made))


def test_a_source_that_is_no_judge_is_refused(made: Project) -> None:
    with pytest.raises(BadInput, match=r"judge\.source .*auto"):
        params(made, "judge.source=mnist")


def test_nothing_is_trained_where_a_file_judges_or_set_describes_another_judge(made: Project) -> None:
    data = describe(made)
    with pytest.raises(BadInput, match="nothing is trained for it"):
        train_judge(made, params(made, "judge.source=mine.onnx"), data)
    with pytest.raises(BadInput, match=r"as params\.yaml says.*Nothing was trained"):
        judge_for(made, params(made, "judge.seed=5"), data)
    assert not (made.root / "data" / "judge").exists()


def test_a_file_s_card_is_made_once_and_kept(made: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    data = describe(made)
    judge = check_file(made, toy(made.root / "mine.onnx", logits=3), data)
    card = examined(made, judge, data)
    assert (card.kind, card.sha256, set(card.accuracy)) == (
        "file", judge.sha256, {"validation", "test", "nearest neighbours"},
    )  # fmt: skip
    monkeypatch.setattr("ganlib.jobs.data.judge.examine", lambda *_, **__: pytest.fail("examined twice"))
    assert examined(made, judge, data) == card


def test_checking_a_file_changes_nothing(made: Project, tmp_path: Path) -> None:
    before = made.params_file.read_bytes()
    found: DataVersion = describe(made)
    with pytest.raises(BadInput, match="no features"):
        check_file(made, toy(tmp_path / "mine.onnx", features="pool"), found)
    assert made.params_file.read_bytes() == before
