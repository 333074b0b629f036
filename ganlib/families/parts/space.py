"""What a search may try for a family's options: a range or a choice for each, by the option's dotted name.

:func:`around` makes the space that every family has from the options it has; a family adds to it in ``Family.space``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ganlib.core.record import Record


class Range(Record):
    """Numbers from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = True
    """Whether a factor of two is as likely anywhere in the range, rather than a difference."""
    whole: bool = False
    """Whether only whole numbers are meant."""

    def __str__(self) -> str:
        """In one line."""
        kind = " ".join(word for word, is_so in (("logarithmic", self.log), ("whole", self.whole)) if is_so)
        return f"{self.low:g} to {self.high:g}{f' ({kind})' if kind else ''}"


class Choice(Record):
    """One of these."""

    values: tuple[int | float | str, ...]

    def __str__(self) -> str:
        """In one line."""
        return " | ".join(map(str, self.values))


Dimension = Range | Choice
Space = dict[str, Dimension]


def times(factor: float) -> Callable[[float], Range]:
    """The range from a default divided by ``factor`` to the default times it."""
    return lambda default: Range(low=default / factor, high=default * factor)


def _among(*values: int) -> Callable[[float], Choice]:
    return lambda default: Choice(values=tuple(sorted({*values, int(default)})))


_OPTIONS: dict[str, Callable[[float], Dimension]] = {
    "learning_rate": times(5),  # of every optimiser
    "r1_gamma": times(10),
    "r2_gamma": times(10),
    "gp_lambda": times(10),
    "clip": times(5),
    "beta": times(10),
    "n_critic": lambda default: Range(low=1, high=max(4, default), log=False, whole=True),
    "batch_size": _among(32, 64, 128),
    "latent_dim": _among(16, 32, 64, 128),
    "ema_half_life": lambda default: Range(low=default / 5, high=default * 10, whole=True),
}
"""By an option's last name, from its default. One whose default is 0 is off, and stays off."""


def around(options: Mapping[str, Any], prefix: str = "") -> Space:
    """The space around ``options`` (a family's, as a plain tree): those of the table that it has and that are on."""
    space: Space = {}
    for name, value in options.items():
        if isinstance(value, Mapping):
            space |= around(value, f"{prefix}{name}.")
        elif name in _OPTIONS and value:
            space[prefix + name] = _OPTIONS[name](value)
    return space


def value_of(options: Mapping[str, Any], name: str) -> Any:
    """The value of the option with that dotted name."""
    here: Any = options
    for part in name.split("."):
        here = here[part]
    return here


def tree(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name as nested mappings, as params.yaml has them."""
    mappings: dict[str, Any] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        here = mappings
        for part in parents:
            here = here.setdefault(part, {})
        here[last] = value
    return mappings
