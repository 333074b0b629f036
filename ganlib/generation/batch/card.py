"""What a batch says of itself: ``card.json``, and the same for people, and for Hugging Face, in ``README.md``."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue, ValidationError

from ganlib.config import CostsConfig
from ganlib.core.cost import Cost
from ganlib.core.files import json_bytes
from ganlib.core.record import Record
from ganlib.export.runtime import PROVIDER
from ganlib.generation import formats
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.mark import of_all
from ganlib.generation.storage.base import Storage

FILE, TEXT, QUALITY = "card.json", "README.md", "quality.json"
_EARLIER_TEXT = "card.md"
"""What :data:`TEXT` was called in batches that were made before Hugging Face looked into it."""
MARKS = "marks.json"
"""The marks of images that do not have them with them (:meth:`ganlib.generation.mark.of_all`)."""
BESIDE = (FILE, TEXT, QUALITY, MARKS, _EARLIER_TEXT)
"""What lies beside the shards and tells of them: no digest is of it."""


class CallRecord(Record):
    """One call that ended in order. Calls that were killed have no row: their shards count in the next one's job."""

    began: str
    """UTC, ISO 8601."""
    seconds: float
    cpu_seconds: float
    """Of all processes that made shards."""
    gpu_seconds: float = 0.0
    """How long this machine's GPU was held: for all of the call, where the provider runs on one."""
    energy_joules: float | None = None
    """As :attr:`ganlib.core.cost.Cost.energy_joules`, of the process that wrote this."""
    money: float | None = None
    """By the prices of the day; None: there were none."""
    currency: str | None = None
    images: int
    """Made by this call."""
    machine: str
    cores: int

    @property
    def cost(self) -> Cost:
        """What the call took."""
        return Cost(
            wall_seconds=self.seconds,
            cpu_seconds=self.cpu_seconds,
            gpu_seconds=self.gpu_seconds,
            energy_joules=self.energy_joules,
            money=self.money,
        )


class BatchCard(Record):
    """Where a batch comes from and what it took."""

    synthetic: bool = True
    reference: str | None
    """How the model was named."""
    model: str | None
    """Name in the registry; None: it was a file or a run."""
    version: int | None
    aliases: tuple[str, ...]
    """Of that version, when it was resolved."""
    model_sha256: str
    family: str | None
    run_id: str | None
    ledger: dict[str, JsonValue] | None
    """The ledger's entry that made this version champion: number, kind, time, sha256."""
    data_version: str | None
    commit: str | None
    """Of the source that trained the model."""
    count: int
    start: int
    seed: int
    condition: str
    truncation: float
    file_format: str
    digest: str | None
    provider: str
    ganlib: str
    versions: dict[str, str]
    runs: tuple[CallRecord, ...]
    quality: dict[str, JsonValue] | None = None
    """What the judge says of a sample that was read back; None: nobody asked it."""

    @property
    def cpu_seconds(self) -> float:
        """Of all calls that ended in order."""
        return sum(run.cpu_seconds for run in self.runs)

    @property
    def gpu_seconds(self) -> float:
        """The same, of GPUs."""
        return sum(run.gpu_seconds for run in self.runs)

    def markdown(self) -> str:
        """The card for people."""
        source = f"version {self.version} of {self.model}" if self.version else (self.reference or "a file")
        alias = f" ({', '.join(self.aliases)} when it was resolved)" if self.aliases else ""
        entry = self.ledger or {}
        rows = {
            "model": f"{source}{alias}, {self.family or 'family unknown'}",
            "model sha256": self.model_sha256,
            "ledger": f"entry {entry['seq']}, {entry['kind']}, {entry['time']}" if entry else "none",
            "trained by run": self.run_id or "unknown",
            "data version": self.data_version or "unknown",
            "commit": self.commit or "unknown",
            "images": f"{self.count:,}, from number {self.start:,} on, as {self.file_format}",
            "seed": self.seed,
            "asked": self.condition,
            "truncation": self.truncation,
            "provider": self.provider,
            "digest": self.digest,
            "made with": ", ".join(
                f"{name} {number}" for name, number in {"ganlib": self.ganlib, **self.versions}.items()
            ),
        }
        lines = ["# Synthetic images", "", "Made by a model: no picture here was drawn or photographed.", ""]
        lines += ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
        lines += [
            "",
            "| began (UTC) | images | seconds | CPU seconds | GPU seconds | machine |",
            "|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {run.began} | {run.images:,} | {run.seconds:.1f} | {run.cpu_seconds:.1f} "
            f"| {run.gpu_seconds:.1f} | {run.machine}, {run.cores} cores |"
            for run in self.runs
        ]
        for run in self.runs:
            if run.energy_joules is not None or run.money is not None:
                lines += ["", f"The call that began at {run.began} took {run.cost.text(run.currency or '')}."]
        if self.quality:
            lines += ["", "## Quality", "", str(self.quality["summary"])]
        return "\n".join(lines) + "\n"


def read(storage: Storage) -> BatchCard | None:
    """The card in ``storage``; None if there is none, or one of another version of ganlib."""
    try:
        return BatchCard.model_validate_json(storage.read(FILE))
    except (OSError, ValidationError):
        return None


def write(storage: Storage, manifest: Manifest, run: CallRecord) -> BatchCard:
    """Write the card of a finished job, with ``run`` added to those of an earlier card."""
    earlier, about, origin = read(storage), manifest.model_metadata, manifest.origin
    ledger, aliases = origin.get("ledger"), origin.get("aliases")
    card = BatchCard(
        reference=_text(origin.get("reference")),
        model=_text(origin.get("model")),
        version=int(str(origin["version"])) if origin.get("version") else None,
        aliases=tuple(str(alias) for alias in aliases) if isinstance(aliases, list) else (),
        model_sha256=manifest.model_sha256,
        family=about.get("family"),
        run_id=_text(origin.get("run_id")) or about.get("run_id"),
        ledger=ledger if isinstance(ledger, dict) else None,
        data_version=about.get("data_version"),
        commit=about.get("source_commit"),
        count=manifest.count,
        start=manifest.start,
        seed=manifest.seed,
        condition=str(manifest.condition),
        truncation=manifest.truncation,
        file_format=manifest.file_format,
        digest=manifest.digest,
        provider=manifest.provider,
        ganlib=manifest.ganlib,
        versions=manifest.versions,
        runs=(*(earlier.runs if earlier else ()), run),
    )
    put(storage, card)
    if manifest.mark and not formats.load(manifest.file_format).marks_images:
        marks = of_all(manifest.mark, manifest.model_sha256, manifest.seed)
        storage.write(MARKS, json_bytes(marks))
    return card


def put(storage: Storage, card: BatchCard) -> None:
    """Write both forms of ``card``."""
    storage.write(FILE, json_bytes(card.model_dump(mode="json")))
    storage.write(TEXT, f"{_header(card)}{card.markdown()}".encode())


def _header(card: BatchCard) -> str:
    """The head of a dataset card by which Hugging Face tells the shards from what lies beside them.

    The digest is for its cache, which tells folders of one name and one header apart by nothing else.
    """
    pattern = formats.load(card.file_format).data_files
    fields = f'config_name: default\n  description: digest {card.digest}\n  data_files: "{pattern}"'
    return f"---\nconfigs:\n- {fields}\n---\n\n" if pattern else ""


def run(began: datetime, cost: Cost, images: int, provider: str, prices: CostsConfig) -> CallRecord:
    """The row of a call that began at ``began`` on this machine, with onnxruntime's ``provider``."""
    from ganlib.core.processes import usable_cores

    seconds = round(cost.wall_seconds, 3)
    gpu_seconds = 0.0 if provider == PROVIDER else seconds
    figures = {"wall_seconds": seconds, "cpu_seconds": round(cost.cpu_seconds, 3), "gpu_seconds": gpu_seconds}
    cost = prices.settle(cost.model_copy(update=figures))
    return CallRecord(
        began=began.astimezone(UTC).isoformat(timespec="seconds"),
        seconds=seconds,
        cpu_seconds=cost.cpu_seconds,
        gpu_seconds=gpu_seconds,
        energy_joules=cost.energy_joules,
        money=cost.money,
        currency=None if cost.money is None else prices.currency,
        images=images,
        machine=f"{platform.system()} {platform.machine()}",
        cores=usable_cores(),
    )


def _text(value: Any) -> str | None:
    return str(value) if value else None
