"""One version of the registered model: what a list of them has, and what reading one adds."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from ganlib.core.record import Record
from ganlib.evaluation.evaluate import Evaluation
from ganlib.export.contract import Contract
from ganlib.export.onnx import Certificate

GATE = "gate"
"""Tag: the gate's last word, for people. In old registries it holds the whole decision as JSON."""

SIBLING_TAG, PRECISION_TAG = "sibling_of", "precision"
NO_DECISION = "not decided yet"
"""The tag ``gate`` of a version that was never put through it."""


class Listing(Record):
    """One version, as a list of them has it: without its evidence, which is one more file a version to read."""

    name: str
    version: int
    aliases: tuple[str, ...]
    family: str | None
    fid: float | None
    gate: str | None = None
    """The gate's last word: ``passed``, or ``refused:`` and the checks that failed."""
    sha256: str | None
    run_id: str | None
    data_version: str | None
    created: str
    """UTC, ISO 8601."""
    unhealthy: str | None = None
    """What broke in its training, in words."""
    candidates: int = 1
    """How many models it was chosen from, by its FID."""
    sibling_of: int | None = None
    """The version that it is the same net of, in fewer bits, or the student of."""
    precision: str | None = None
    """``fp16`` or ``int8``; None: float32."""
    fid_text: str | None = Field(None, exclude=True)
    """The FID with its interval, for people."""
    description: str = Field("", exclude=True)
    """As it stands in MLflow's page."""
    source: str = Field("", exclude=True)
    """URI of the model that it stands for: what its bytes are stored under."""

    @property
    def uri(self) -> str:
        """MLflow's name of it."""
        return f"models:/{self.name}/{self.version}"

    @property
    def variant(self) -> str | None:
        """How it differs from the net that was trained first: ``fp16``, ``int8`` or ``distilled``; None: it is that."""
        return self.precision or ("distilled" if self.sibling_of else None)


class Version(Listing):
    """One version with its evidence. What a person registered by hand lacks it: those fields are None."""

    evaluation: Evaluation | None
    certificate: Certificate | None
    contract: Contract | None
    damage: str | None = None
    """Why evidence that was recorded cannot be read, in words."""


def listed(entry: Any, aliases: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of :class:`Listing`, from MLflow's entity of the version."""
    tags = entry.tags
    return {
        "name": entry.name,
        "version": int(entry.version),
        "aliases": aliases,
        "family": tags.get("family"),
        "fid": _number(tags.get("fid", "").split(" ")[0]),
        "fid_text": tags.get("fid"),
        "gate": _word(tags.get(GATE)),
        "sha256": tags.get("sha256"),
        "run_id": entry.run_id or None,
        "data_version": tags.get("data_version"),
        "created": datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        "unhealthy": tags.get("unhealthy"),
        "candidates": max(int(_number(tags.get("candidates")) or 1), 1),
        "sibling_of": int(sibling) if (sibling := tags.get(SIBLING_TAG, "")).isdecimal() else None,
        "precision": tags.get(PRECISION_TAG),
        "description": entry.description or "",
        "source": str(entry.source),
    }


def _word(gate: str | None) -> str | None:
    """The tag ``gate``; from the decision that it held before this release, what it would be now."""
    try:
        old = json.loads(gate or "")
        failures = [check["name"] for check in old["checks"] if not check["passed"]]
        return verdict_text(failures, awaiting=old.get("awaiting", False))
    except (ValueError, TypeError, KeyError):
        return gate


def verdict_text(failures: Sequence[str], *, awaiting: bool) -> str:
    """Return the gate's word for people, by the names of the checks that failed, ``failures``."""
    return f"refused: {', '.join(failures)}" if failures else "passed, awaiting approval" if awaiting else "passed"


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:  # missing, or overwritten by a person
        return None
    return value if math.isfinite(value) else None
