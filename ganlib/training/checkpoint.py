"""Everything that decides the next step, in one file that is whole or absent.

Randomness is drawn anew from (seed, step) at every step, and the data order from (seed, epoch), so nets, moving
average, optimisers and the step number are the whole state: no generator's state needs saving.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import torch

from ganlib.errors import BadInput
from ganlib.families.base import Family
from ganlib.files import atomic_path
from ganlib.training.ema import Ema


def save(path: Path, family: Family, ema: Ema, *, step: int, seconds: float, config: dict[str, Any]) -> None:
    """Write the state after ``step`` steps and ``seconds`` of training to ``path`` atomically.

    Raises:
        NoSpace: the disk is full; the checkpoint that was there is intact.
    """
    state = {
        "step": step,
        "seconds": seconds,
        "config": json.dumps(config, sort_keys=True),
        "family": family.state_dict(),
        "ema": ema.module.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in family.optimizers.items()},
    }
    with atomic_path(path) as part:
        torch.save(state, part)


def restore(path: Path, family: Family, ema: Ema, *, config: dict[str, Any]) -> tuple[int, float]:
    """Load ``path`` into ``family`` and ``ema``.

    Returns:
        Steps done, and seconds of training used.

    Raises:
        BadInput: there is no such checkpoint, it is damaged, or its config differs (each difference is named).
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise BadInput(f"no checkpoint at {path}: nothing to resume.") from None
    except (RuntimeError, EOFError, pickle.UnpicklingError, BadZipFile, OSError) as error:
        raise BadInput(f"checkpoint {path} cannot be read ({type(error).__name__}); train afresh.") from error
    before = json.loads(state["config"])
    now = json.loads(json.dumps(config, sort_keys=True))
    changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if changed:
        listed = "; ".join(f"{key}: {before.get(key)!r} then, {now.get(key)!r} now" for key in changed)
        raise BadInput(f"cannot resume with another configuration: {listed}.")
    family.load_state_dict(state["family"])
    ema.module.load_state_dict(state["ema"])
    for name, optimizer in family.optimizers.items():
        optimizer.load_state_dict(state["optimizers"][name])
    return int(state["step"]), float(state["seconds"])
