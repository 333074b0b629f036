"""A report for tests: what a job says, handed to a function or kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ganlib.core.events import Event, Facts


class Listener:
    """Hands each step of a stage to one function and each event to another; what has none is let pass."""

    def __init__(
        self, advance: Callable[..., Any] = lambda *_: None, event: Callable[[Event], Any] = lambda _: None
    ) -> None:
        self._advance, self._event = advance, event

    def advance(self, stage: str, done: int, total: int, figures: Facts | None = None) -> None:
        self._advance(stage, done, total, figures)

    def event(self, event: Event) -> None:
        self._event(event)


class Recorder(Listener):
    """Keeps all events, and all stages in the order in which they came."""

    def __init__(self) -> None:
        super().__init__(lambda stage, *_: self.stages.append(stage), self._keep)
        self.stages: list[str] = []
        self.events: list[Event] = []

    def _keep(self, event: Event) -> None:
        self.stages.append(event.stage)
        self.events.append(event)

    @property
    def remarks(self) -> list[str]:
        """Each event in words."""
        return [f"{event.stage}: {dict(event.facts)}" for event in self.events]
