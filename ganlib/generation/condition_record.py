"""What was asked of a conditional model, as a job's record keeps it and as people read it."""

from __future__ import annotations

import ast
import re
from contextlib import suppress
from typing import Any, Literal

from pydantic import ModelWrapValidatorHandler, SerializerFunctionWrapHandler, model_serializer, model_validator

from ganlib.core.record import Record
from ganlib.data.conditions import Condition

Choice = Literal["uniform", "balanced", "data"]
"""``uniform``: drawn from seed and number; ``data``: drawn so, each class as often as the training data have it;
``balanced``: the classes in turn."""

_OF_A_FILE = re.compile(r"labels of (.*) \(sha256 ([0-9a-f]{64})\)", re.DOTALL)


class ConditionRecord(Record):
    """One of: nothing; a choice among the classes, one class, or a file of labels; drawn captions, or one caption."""

    kind: Literal["none", "labels", "captions"] = "none"
    choice: Choice | None = None
    class_name: str | None = None
    """The one class of all images."""
    file: str | None = None
    """Name of the file of labels, without its folder."""
    sha256: str | None = None
    """Of that file."""
    caption: str | None = None
    """The one caption of all images."""

    @property
    def input_name(self) -> Condition | None:
        """The graph's input besides noise."""
        inputs: dict[str, Condition] = {"labels": "label", "captions": "caption"}
        return inputs.get(self.kind)

    def __str__(self) -> str:
        """Return it in words, which shards keep too: as in ``labels balanced``, ``label shoe``, ``caption 'a hat'``."""
        if self.class_name is not None:
            return f"label {self.class_name}"
        if self.file is not None:
            return f"labels of {self.file} (sha256 {self.sha256})"
        if self.caption is not None:
            return f"caption {self.caption!r}"
        return f"{self.kind} {self.choice}" if self.choice else self.kind

    @model_validator(mode="wrap")
    @classmethod
    def _from_words(cls, value: Any, handler: ModelWrapValidatorHandler[ConditionRecord]) -> ConditionRecord:
        """Read the words too: they are what manifests kept until format 4."""
        return handler(_read(value) if isinstance(value, str) else value)

    @model_serializer(mode="wrap")
    def _without_gaps(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value is not None}


def _read(words: str) -> dict[str, Any]:
    """Return the fields of what :meth:`ConditionRecord.__str__` wrote; raise :class:`ValueError` for anything else."""
    if match := _OF_A_FILE.fullmatch(words):
        return {"kind": "labels", "file": match[1], "sha256": match[2]}
    kind, _, rest = words.partition(" ")
    if kind == "label" and rest:
        return {"kind": "labels", "class_name": rest}
    if kind == "caption":
        with suppress(SyntaxError):
            return {"kind": "captions", "caption": ast.literal_eval(rest)}
    if kind in ("labels", "captions") and rest:
        return {"kind": kind, "choice": rest}
    if words == "none":
        return {"kind": "none"}
    raise ValueError(f"{words!r} is nothing that can be asked of a model")
