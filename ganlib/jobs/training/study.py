"""A search's study in Optuna's database: opened, resumed after a kill, and read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.config import Params
from ganlib.core import sqlite
from ganlib.core.files import sha256_bytes
from ganlib.core.locks import hold
from ganlib.core.project import Project
from ganlib.data.versioning.record import DataVersion
from ganlib.families.parts.space import Choice, Space

if TYPE_CHECKING:
    import optuna

_AGAIN = "again"
"""Of a queued trial: the number of the one that was cut off."""


def study_name(
    params: Params, family: str, budget: str | None, checks: int, dimensions: Space, data: DataVersion
) -> str:
    """Return a study's name: the family, and a digest of all that its figures depend on."""
    identity = [
        params.families.get(family, {}),
        params.limits(family, budget).model_dump(),
        [params.train.seed, params.train.check_samples, checks],
        {name: dimension.model_dump() for name, dimension in dimensions.items()},
        data.md5,
    ]
    return f"{family}-{sha256_bytes(json.dumps(identity, sort_keys=True).encode())[:8]}"


def open_study(project: Project, name: str, seed: int) -> optuna.Study:
    """Return the study ``name``, made if need be, with a sampler that does not repeat what it has proposed."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # its news would tear our progress display
    logging.getLogger("alembic").setLevel(logging.WARNING)
    path = project.state / "tune" / "optuna.db"
    with hold(path.with_suffix(".lock"), what="process that prepares Optuna's database"):
        if not path.exists():  # so that a kill, or Optuna's own dashboard beside this, does not meet half a database

            def build(new: Path) -> None:
                optuna.storages.RDBStorage(f"sqlite:///{new}").engine.dispose()

            sqlite.make(path, path.with_name("optuna-new"), build)
        storage = optuna.storages.RDBStorage(f"sqlite:///{path}", engine_kwargs={"connect_args": {"timeout": 60}})
        study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
    # A sampler begins anew in every process: from another seed, or it would propose what it has proposed.
    study.sampler = optuna.samplers.TPESampler(
        seed=seed + 1_000_003 * len(study.trials), n_startup_trials=8, multivariate=True, constant_liar=True
    )
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0)
    return study


def requeue_running(study: optuna.Study) -> None:
    """Fail the trials that a dead process left RUNNING, and queue what they tried."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        requeue(study, trial.number, trial.params)


def requeue(study: optuna.Study, number: int, params: Mapping[str, Any]) -> None:
    """Queue what trial ``number`` tried once more, and fail it.

    Queued first: a kill in between leaves it RUNNING, and the next call fails it without a second copy.
    """
    from optuna.trial import TrialState

    queue = {trial.user_attrs.get(_AGAIN) for trial in study.get_trials(deepcopy=False)}
    if params and number not in queue:
        study.enqueue_trial(dict(params), user_attrs={_AGAIN: number})
    study.tell(number, state=TrialState.FAIL)


def finished_trials(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    """Return the trials that are complete or pruned."""
    from optuna.trial import TrialState

    trials: list[optuna.trial.FrozenTrial] = study.get_trials(
        deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)
    )
    return trials


def distributions(dimensions: Space) -> dict[str, Any]:
    """Return the search space in Optuna's own terms."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    return {
        name: CategoricalDistribution(each.values)
        if isinstance(each, Choice)
        else IntDistribution(int(each.low), int(each.high), log=each.log)
        if each.whole
        else FloatDistribution(each.low, each.high, log=each.log)
        for name, each in dimensions.items()
    }
