"""What the losses say about a run's health. Limits are wide: they tell what is broken, not what is merely bad."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from statistics import median

from ganlib.core.errors import GanlibError

PREFIX = "gradient_norm_"
"""Of the metrics that hold a player's gradient norm."""
EXPLOSION = 1000.0
"""Times its median (at least 1) that a gradient norm may reach."""
_NORMS = 20  # readings that a median needs
_PINNED_READINGS, _PINNED_SPREAD = 10, 1e-4


class Unhealthy(GanlibError):
    """Training has gone wrong in a way that has a name. No state from after it was saved."""

    def __init__(self, problem: str, step: int) -> None:
        """``problem`` was found at ``step``."""
        super().__init__(
            f"{problem} at step {step}: training was stopped, and nothing from after that was kept. Lower the learning "
            "rates and train afresh (--set train.unhealthy=rollback does so by itself)."
        )
        self.problem, self.step = problem, step


class OutOfMemory(GanlibError):
    """A step did not fit. Its half-made state was not saved."""

    def __init__(self, family: str, step: int, batch_size: int) -> None:
        """After ``step`` whole steps, with that batch size."""
        smaller = max(1, batch_size // 2)
        super().__init__(
            f"out of memory in step {step + 1} with batches of {batch_size} images. The last checkpoint is kept: free "
            f"some memory and go on with --resume, or train afresh with --set families.{family}.batch_size={smaller}."
        )


class Watch:
    """Looks at each reading of the losses, and at the last ones."""

    def __init__(self) -> None:
        """Nothing seen yet; a resumed run begins anew."""
        self._norms: dict[str, deque[float]] = {}
        self._discriminator: deque[float] = deque(maxlen=_PINNED_READINGS)

    def __call__(self, metrics: Mapping[str, float]) -> str | None:
        """What is wrong with this reading, in words; None if nothing is."""
        if bad := [name for name, value in metrics.items() if not math.isfinite(value)]:
            return f"{', '.join(bad)} is not finite"
        for name, value in metrics.items():
            if name.startswith(PREFIX):
                norms = self._norms.setdefault(name, deque(maxlen=200))
                if len(norms) >= _NORMS and value > EXPLOSION * max(usual := median(norms), 1.0):
                    return f"exploding gradients: {name} is {value:.3g} and was {usual:.3g}"
                norms.append(value)
        if (loss := metrics.get("discriminator_loss")) is not None:
            # Means of many batches: they never stand still while the discriminator answers to what it sees.
            last = self._discriminator
            last.append(loss)
            if len(last) == _PINNED_READINGS and max(last) - min(last) < _PINNED_SPREAD:
                return f"discriminator collapse: its loss is pinned at {loss:.4g}"
        return None
