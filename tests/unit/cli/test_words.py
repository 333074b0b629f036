"""What a newcomer gets wrong, verb by verb: one line in our words, exit code 2, and nothing of it left behind."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ganlib.core.project import Project
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests.unit.cli.test_registry import Ganlib, ganlib, made

__all__ = ["ganlib", "made"]  # fixtures: a project with versions 1 (champion), 2 and 3, and the command line in it

_THEIRS = re.compile(
    r"Input should|Extra inputs|valid (integer|dictionary|tuple)|pattern|RESOURCE_|INVALID_|Traceback|Run with id"
    r"|protobuf|Errno|NoneType"
)
"""Words of pydantic, MLflow, onnx and Python."""


@pytest.fixture(autouse=True)
def things(made: Project) -> None:
    """What may be named by mistake: a text, an empty file, a folder, something that is called a graph and is none."""
    (made.root / "README.md").write_text("# hello\n")
    (made.root / "empty.onnx").touch()
    (made.root / "bad.onnx").write_bytes(b"not a graph " * 20)
    (made.root / "folder.onnx").mkdir(exist_ok=True)
    (made.root / "folder").mkdir(exist_ok=True)


MISTAKES = [
    # keys and values of params.yaml
    ("train vae --set seed=3", "Did you mean data.seed, judge.seed, train.seed, evaluate.seed or generate.seed?"),
    ("train vae --set samples=10", "Did you mean evaluate.samples?"),
    ("train vae --set evaluate.count=5", "Did you mean generate.count?"),
    ("train vae --set train.seeed=3", "Did you mean 'seed'?"),
    ("train vae --set vae.channels=3", "Did you mean 'families.vae.channels'?"),
    ("train vae --set smoke.steps=3", "Did you mean 'budgets.smoke.steps'?"),
    ("train vae --set train.seed=many", "--set: train.seed must be a whole number, and is 'many'"),
    ("train vae --set train.seed=-1", "train.seed must be at least 0, and is -1"),
    ("train vae --set train.seed=99999999999999999999", "train.seed must be below 9223372036854775808"),
    ("train vae --set train.seed=", "train.seed must be a whole number, and is empty"),
    ("train vae --set train=3", "train must be a section of keys with values, and is 3"),
    ("train vae --set train.keep=0", "train.keep must be above 0, and is 0 (last checkpoints kept"),
    ("train vae --set train.device=gpu", "train.device must be auto, cpu, cuda, or cuda:0, and is 'gpu'"),
    ("train vae --device gpu", "train.device must be auto, cpu, cuda, or cuda:0, and is 'gpu'"),
    ("train vae --set train.precision=fp8", "must be fp32 or bf16, and is 'fp8'"),
    ("train vae --set train.families=vae", "train.families must be a list, such as [a, b], and is 'vae'"),
    ("train vae --set train.compile=perhaps", "must be true or false, and is 'perhaps'"),
    ("train vae --set budgets.new.steps=3", "budgets.new.seconds is missing (seconds of training alone"),
    ("train vae --set registry.model='a b'", "must have no other characters than letters, digits, . _ -"),
    ("train vae --set families.vae.channels=-3", "families.vae: channels must be above 0, and is -3"),
    ("ab start 1 3 --outcome maybe", "A/B test: outcome must be binary or number, and is 'maybe'"),
    ("ab start 1 3 --level 2", "A/B test: level must be below 1, and is 2"),
    # versions and models
    ("promote dcgan", "'dcgan': that is a family, and a model is wanted. Its newest runs: runs:/"),
    ("evaluate dcgan", "'dcgan': that is a family, and a model is wanted. Its newest runs: runs:/"),
    ("evaluate vae", "No run of it has finished: ganlib train vae"),
    ("generate --out out --model vgan", "that is a family, and a model is wanted"),
    ("registry show champoin", "Did you mean 'champion'? Aliases: challenger, champion; versions: 3, 2, 1."),
    ("registry show mnist-generator@champion", "Did you mean 'models:/mnist-generator@champion'?"),
    ("registry show mnist-generator/3", "Did you mean 'models:/mnist-generator/3'?"),
    ("registry show v99", "has no version 99"),
    ("registry show models:/other@champion", "nothing of that name is registered"),
    ("registry show ''", "Wanted is a version number such as 3, an alias such as champion"),
    ("promote runs:/0123", "A run's graph becomes one by: ganlib register"),
    ("promote 1.onnx", "A run's graph becomes one by: ganlib register"),
    ("promote README.md", "README.md is a file, but no ONNX model: the name of one ends in .onnx"),
    ("generate --out out --model README.md", "README.md is a file, but no ONNX model"),
    ("evaluate README.md", "README.md is a file, but no ONNX model"),
    ("registry diff 1 README.md", "README.md is a file, but no ONNX model"),
    ("registry diff champoin 1", "Did you mean 'champion'?"),
    ("export folder.onnx --out out.onnx", "folder.onnx is a folder, not a model"),
    ("evaluate folder", "folder is a folder, not a model"),
    ("export empty.onnx --out out.onnx", "empty.onnx is not an ONNX model or is damaged (0 bytes"),
    ("export bad.onnx --out out.onnx", "bad.onnx is not an ONNX model or is damaged"),
    ("evaluate https://host/model.onnx", "is not fetched from there: download it"),
    ("evaluate runs:/nothing", "there is no run 'nothing' in MLflow"),
    ("register nothing", "there is no run 'nothing' in MLflow"),
    ("register runs:/nothing", "there is no run 'nothing' in MLflow"),
    # places
    ("generate --out '' --count 3", "'' names no folder"),
    ("generate --out ftp://host/x --count 3", "ftp:// is no kind of store that this works with"),
    ("verify ftp://host/x", "ftp:// is no kind of store that this works with"),
    ("verify ''", "'' names no folder"),
    ("explain ''", "names neither an image nor a model"),
    ("show interpolate 1 --out README.md", "README.md is a file, and a folder is to be filled"),
    ("compare 1 --out README.md", "README.md is a file, and a folder is to be filled"),
    ("export 1 --out folder", "folder is a folder, and a file is to be written"),
    ("registry download 1 --out folder", "folder is a folder, and a file is to be written"),
    ("registry diff 1 3 --out folder", "folder is a folder, and a file is to be written"),
    ("registry prune --manifests nowhere", "there is no such folder. Nothing was removed"),
    # the command line itself
    ("train", "missing argument 'family'. See: ganlib train --help"),
    ("trian vae", "no such command 'trian'. Did you mean 'train', 'retrain'? See: ganlib --help"),
    ("registry histroy", "Did you mean 'history'?"),
    ("generate --out out --seed x", "--seed must be a whole number. See: ganlib generate --help"),
    ("generate --out out --truncation x", "--truncation must be a number."),
    ("generate --out out --sead 3", "no such option: --sead (Possible options: --seed"),
    ("promote 3 --expect one", "--expect must be a version's number, such as 3, and is 'one'"),
    ("rollback --expect -1", "--expect must be a version's number"),
    ("serve --port 99999", "--port must be at most 65535."),
    ("tune vae --trials 0", "--trials must be at least 1."),
    ("retrain --families ''", "no family given. Known: ae, "),
    ("retrain --families ,", "no family given. Known: ae, "),
]  # fmt: skip


@pytest.mark.parametrize(("words", "told"), MISTAKES)
def test_a_mistake_is_told_in_our_words_and_changes_nothing(
    ganlib: Ganlib, made: Project, words: str, told: str
) -> None:
    before = sorted(path for path in made.root.iterdir() if path.name not in (".ganlib", "mlflow.db"))
    line = ganlib(*shlex.split(words)).line()
    assert told in line
    assert line.startswith("ganlib: ")
    assert not _THEIRS.search(line), line
    assert sorted(path for path in made.root.iterdir() if path.name not in (".ganlib", "mlflow.db")) == before


def test_a_misused_command_line_is_an_event_under_json(ganlib: Ganlib) -> None:
    assert '"event": "error", "message": "--expect must be' in ganlib("promote", "3", "--expect", "x", "--json").line()
    assert '"event": "error", "message": "no such option' in ganlib("promote", "3", "--exect", "x", "--json").line()


def test_a_group_without_a_verb_shows_its_help(ganlib: Ganlib) -> None:
    done = ganlib("registry")
    assert done.code == 2
    assert "who-was-champion" in done.out
    assert done.err.strip() == ""


@pytest.mark.parametrize(
    "written", ["3", "v3", "V3", "#3", "version 3", "Version #3", "v.3", "models:/mnist-generator/3"]
)
def test_a_version_is_understood_however_people_write_it(ganlib: Ganlib, written: str) -> None:
    assert ganlib("registry", "show", written).out.startswith("models:/mnist-generator/3 ")


def test_what_is_worse_is_not_lower_by_less_than_nothing(ganlib: Ganlib, made: Project) -> None:
    """Version 2 has FID 20 and was refused against version 1 with 10; nothing of the gate says "by -"."""
    registry = Registry(connect(made), "mnist-generator")
    (refused,) = [e for e in Ledger(registry.store, registry.name).read().entries() if e.kind == "refused"]
    assert "higher by 10, and it must be lower beyond doubt by more than 0" in refused.reason
    assert "by -" not in refused.reason


def test_the_folder_that_one_works_in_has_no_project_and_the_file_is_no_graph(
    ganlib: Ganlib, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("README.md").write_text("# hello\n")
    line = ganlib("generate", "--model", "README.md", "--out", "out").line()
    assert "README.md is a file, but no ONNX model" in line
