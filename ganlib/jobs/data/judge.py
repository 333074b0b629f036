"""Which judge a data version's figures are made with; trained where there is none yet."""

from __future__ import annotations

from pathlib import Path

from ganlib import config as configs
from ganlib.config import Params
from ganlib.core.errors import BadInput, Corrupt, GanlibError
from ganlib.core.events import Remark
from ganlib.core.files import sha256_file, write_bytes
from ganlib.core.locks import hold
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.splits import SPLITS, load_split
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.dvc import exclusive, keep_lock_file
from ganlib.data.versioning.record import DataVersion
from ganlib.data.versioning.state import describe
from ganlib.evaluation.judge.card import (
    RECIPE,
    JudgeCard,
    JudgeSettings,
    examine,
    graph_path,
    kind_of,
    read_card,
    some,
)
from ganlib.evaluation.judge.judge import Judge
from ganlib.evaluation.judge.mnist.judge import judge_sha256, load_judge
from ganlib.evaluation.judge.onnx_judge import OnnxJudge, open_judge

STAGE = "own-judge"
"""Of dvc.yaml: it trains the judge of a data version that is not MNIST."""
_LOOK = 64  # real images that a judge of the user's is tried on before it is used
_PATIENCE = 3600.0  # seconds that another process may take to train the same judge
_AGAIN = "To make it again, run: ganlib judge train"


def judge_for(project: Project, params: Params, data: DataVersion, report: Report = silent) -> Judge:
    """Return the judge that figures of ``data`` are made with, after ``judge.source``.

    - ``auto``: the committed judge for MNIST. Any other data version has one of its own, which is trained here if there
      is none yet: as DVC's stage :data:`STAGE`, so that a data version's judge can be pushed and restored as its images
      can. A training that is interrupted has left nothing, and starts afresh.
    - a file: the ONNX graph of that name, tried on some of the data's images.

    Raises:
        BadInput: there is no such file, or it is no judge of such images; ``--set`` would train another judge than
            params.yaml describes.
        Corrupt: the data version's judge is damaged.
        Unavailable: another DVC process does not end.
    """
    if params.judge.source != "auto":
        return _users(project, params, data)
    if is_mnist(data):
        return load_judge()
    if own_card(project, params, data) is None:
        for warning in _train(project, params, data, report).warnings:
            report.event(Remark("judge", {"warning": warning}))
    return _own(project, params, data)


def judge_sha256_for(project: Project, params: Params, data: DataVersion) -> str | None:
    """Return the digest of the judge that :func:`judge_for` would return; None if it is not trained yet.

    Raises:
        BadInput: ``judge.source`` names a file that is not there.
    """
    if params.judge.source != "auto":
        return sha256_file(_users_path(project, params))
    if is_mnist(data):
        return judge_sha256()
    card = own_card(project, params, data)
    return card.sha256 if card else None


def is_mnist(data: DataVersion) -> bool:
    """Return whether ``data`` is MNIST itself, which the committed judge was trained for, and is for alone."""
    return data.source == MNIST.name and data.spec == MNIST


def own_card(project: Project, params: Params, data: DataVersion) -> JudgeCard | None:
    """Return the card of the judge that was trained for ``data``; None if there is no such judge yet.

    The graph's bytes are not read, and an older one, of other data or settings, does not count.
    """
    card = read_card(folder(project))
    if card is None or (card.data_version, card.settings) != (data.md5, _settings(params)):
        return None
    return card if graph_path(folder(project), card.sha256).is_file() else None


def train_judge(project: Project, params: Params, data: DataVersion, report: Report = silent) -> JudgeCard:
    """Train the judge of ``data`` unless it is there and whole, and return its card; a damaged one is made again.

    MNIST's is committed, so nothing is trained for it.

    Raises:
        BadInput: ``judge.source`` names a file, or params.yaml, which the stage reads, describes another judge.
        Unavailable: another DVC process does not end.
    """
    if params.judge.source != "auto":
        raise BadInput(f"judge.source is {params.judge.source}: nothing is trained for it. Set it to auto first.")
    return card_for(project, params, data, report) if is_mnist(data) else _train(project, params, data, report)


def run_stage(project: Project, params: Params, report: Report = silent) -> JudgeCard:
    """Train the judge of the data version that is prepared: what the DVC stage runs."""
    from ganlib.evaluation.judge.own import train_own

    data = describe(project)
    return train_own(project.prepared, folder(project), data.spec, data.md5, _settings(params), report)


def card_for(project: Project, params: Params, data: DataVersion, report: Report = silent) -> JudgeCard:
    """Return the card of the judge that :func:`judge_for` returns; one that came without is examined now.

    Raises:
        BadInput: as :func:`judge_for`.
    """
    if params.judge.source != "auto" or is_mnist(data):
        return examined(project, judge_for(project, params, data, report), data, report)
    card = own_card(project, params, data) or _train(project, params, data, report)
    _own(project, params, data)  # whole
    return card


def examined(project: Project, judge: Judge, data: DataVersion, report: Report = silent) -> JudgeCard:
    """Return the card of ``judge`` on the images of ``data``; kept in the cache, as it takes seconds."""
    record_file = project.state / "cache" / f"judge-{judge.sha256[:16]}-{data.md5[:16]}.json"
    try:
        return JudgeCard.model_validate_json(record_file.read_bytes())
    except (OSError, ValueError):
        splits = {name: load_split(project.prepared, name) for name in SPLITS}
        kind = "file" if isinstance(judge, OnnxJudge) else kind_of(data.spec)
        card = examine(judge, kind, splits, data.spec, data.md5, report=report)
        write_bytes(record_file, card.model_dump_json(indent=2).encode())
        return card


def check_file(project: Project, path: Path, data: DataVersion) -> OnnxJudge:
    """Return the judge in the ONNX file ``path``, if it can be one for ``data``.

    Raises:
        BadInput: it cannot, with the reason.
    """
    judge = open_judge(path, data.spec)
    judge.require_sight(some(load_split(project.prepared, "train"), _LOOK).images)
    return judge


def folder(project: Project) -> Path:
    """Return where the data version's own judge lies."""
    return project.root / "data" / "judge"


def _users_path(project: Project, params: Params) -> Path:
    path = project.root / Path(params.judge.source).expanduser()
    if not path.is_file():
        raise BadInput(
            f"judge.source is {params.judge.source}, and there is no such file. Name one, or take the judge of the "
            "data: --set judge.source=auto"
        )
    return path


def _users(project: Project, params: Params, data: DataVersion) -> Judge:
    return check_file(project, _users_path(project, params), data)


def _train(project: Project, params: Params, data: DataVersion, report: Report) -> JudgeCard:
    """Run DVC's stage where its judge is not there and whole."""
    _require_in_file(project, params)
    with hold(project.state / "judge.lock", what="training of a judge", patience=_PATIENCE):
        card = own_card(project, params, data)
        if card and sha256_file(graph_path(folder(project), card.sha256)) == card.sha256:
            return card
        report.event(Remark("judge", {"note": _announcement(data)}))
        with exclusive(project) as dvc, keep_lock_file(project, report):
            # What is damaged is trained again: DVC's copy of it is no better known.
            dvc.run("repro", "--single-item", *(["--force"] if card else []), STAGE, report=report)
            if dvc_cache.has_remote(project):
                try:
                    dvc.run("push", STAGE)
                except GanlibError as error:
                    report.event(Remark("judge", {"not pushed": str(error)}))
    if (own := own_card(project, params, data)) is None:
        raise GanlibError(f"DVC's stage {STAGE} has left no judge of this data version. {_AGAIN}")
    return own


def _own(project: Project, params: Params, data: DataVersion) -> Judge:
    card = own_card(project, params, data)
    if card is None:
        raise BadInput(f"{data.spec.name} has no judge yet. Run: ganlib judge train")
    path = graph_path(folder(project), card.sha256)
    judge = open_judge(path, data.spec, card.name)
    if judge.sha256 != card.sha256:
        raise Corrupt(path, expected=card.sha256, actual=judge.sha256, hint=_AGAIN)
    return judge


def _settings(params: Params) -> JudgeSettings:
    return JudgeSettings(
        recipe=RECIPE, seed=params.judge.seed, steps=params.judge.steps, opset=params.export.opset
    )  # fmt: skip


def _require_in_file(project: Project, params: Params) -> None:
    """The stage reads params.yaml: what ``--set`` says would be lost."""
    saved_params = configs.load(project.params_file)
    if _settings(saved_params) != _settings(params):
        raise BadInput(
            "the data version's judge is trained as params.yaml says: write judge.seed, judge.steps and export.opset "
            "there, and leave them out of --set. Nothing was trained."
        )


def _announcement(data: DataVersion) -> str:
    return (
        f"{data.spec.name} has no judge yet: it gets its {kind_of(data.spec)}, trained once on its "
        f"{data.counts['train']:,} images; seconds for some hundreds, minutes for tens of thousands"
    )
