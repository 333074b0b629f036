"""What a gallery shows, read from the registry, its ledger and its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganlib.config import Params
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.events import Remark
from ganlib.core.progress import Report
from ganlib.core.project import Project
from ganlib.generation.mark import packet_of_models
from ganlib.generation.pictures import side_by_side
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.session import OnnxModel
from ganlib.jobs.models import fetch_version
from ganlib.registry.champion import Champion
from ganlib.registry.entries import NON_MOVING, LedgerEntry
from ganlib.registry.gate import Decision
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.page import decision_on, story
from ganlib.registry.registry import Registry
from ganlib.registry.version import Version
from ganlib.tracking import history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.store import Absent

SEED = 0
"""Of the noise that all sheets are drawn from."""
IMAGES, COLUMNS = 60, 10
"""On the sheet of one version."""


@dataclass(frozen=True)
class Exhibit:
    """One version and what is known of it."""

    version: Version
    run: RunRecord | None
    """Its training; None: nobody knows it any more."""
    decision: Decision | None
    entries: Sequence[LedgerEntry]
    """Decisions about it."""
    curves: Mapping[str, Mapping[int, float]]
    """Values by step, by the metric's name."""
    sheet: bytes | None
    """PNG of its first images; None: it cannot be run."""
    noise_dim: int | None
    note: str = ""
    """Why it cannot be run, or what is wrong with its evidence."""


@dataclass(frozen=True)
class Collection:
    """One registered model."""

    name: str
    champion: Version | None
    note: str
    """Why there is no champion, or why it is not the version that the alias names."""
    exhibits: Sequence[Exhibit]
    """Newest version first."""
    remainder: int
    """How many older versions are not among them."""
    entries: Sequence[LedgerEntry]
    """The ledger, oldest first, as far as it is as it was written."""
    problems: Sequence[str]
    """What is wrong with the ledger."""


class RegistryReader:
    """Reads what is shown of one registered model."""

    def __init__(self, project: Project, params: Params, registry: Registry, report: Report) -> None:
        """Nothing is asked of the registry yet; ``report`` is told of progress, and of versions that cannot be run."""
        self._project, self._params, self._registry, self._report = project, params, registry, report

    def read(self, most: int) -> Collection:
        """Read all that a gallery shows, and draw a sheet of each version.

        ``most`` is how many of the newest versions to show, besides those with an alias or a time as champion.

        Raises:
            BadInput: nothing is registered.
            Unavailable: the registry cannot be reached.
        """
        registry = self._registry
        listings = registry.versions()
        if not listings:
            raise BadInput(f"nothing is registered as {registry.name} yet; train and register with: ganlib retrain")
        snapshot = Ledger(registry.store, registry.name).read()
        champion, note = self._champion()
        entries = snapshot.valid()
        always = {entry.to_version for entry in entries if entry.kind not in NON_MOVING}
        rows = [each for at, each in enumerate(listings) if at < most or each.aliases or each.version in always]
        exhibits = []
        for at, listing in enumerate(rows):
            self._report.advance("read versions", at, len(rows))
            exhibits.append(self._exhibit(registry.get(listing.version), story(snapshot, listing).entries))
        self._report.advance("read versions", len(rows), len(rows))
        return Collection(
            name=registry.name,
            champion=champion,
            note=note,
            exhibits=exhibits,
            remainder=len(listings) - len(rows),
            entries=entries,
            problems=[f"entry {problem.seq} {problem.what}" for problem in snapshot.problems()],
        )

    def open(self, version: Version) -> OnnxModel:
        """Open a version's graph, once its bytes are those that were registered.

        Raises:
            BadInput, GanlibError: it is gone or damaged, or none of the contract.
        """
        model = fetch_version(self._project, self._registry, version, version.uri)
        return OnnxModel(model.path, sha256=model.sha256)

    def _champion(self) -> tuple[Version | None, str]:
        try:
            choice = Champion(self._registry, self._params).choose()
        except Absent as absent:
            return None, str(absent)
        return choice.version, choice.note

    def _exhibit(self, version: Version, entries: Sequence[LedgerEntry]) -> Exhibit:
        sheet, noise_dim, note = None, None, version.damage or ""
        try:
            model = self.open(version)
            sheet, noise_dim = self._sheet(model), model.noise_dim
        except Unavailable:
            raise
        except GanlibError as error:
            note = str(error)
            self._report.event(Remark(f"version {version.version}", {"without images": note}))
        run, curves = self._run(version.run_id)
        return Exhibit(
            version, run, decision_on(self._registry, version.version), entries, curves, sheet, noise_dim, note
        )

    def _sheet(self, model: OnnxModel) -> bytes:
        packet = packet_of_models(self._params.mark, [model.sha256], f"{SEED}-0-{IMAGES - 1}")
        return contact_sheet(side_by_side.draw(model, SEED, IMAGES), packet, columns=COLUMNS, quick=True)

    def _run(self, run_id: str | None) -> tuple[RunRecord | None, Mapping[str, Mapping[int, float]]]:
        store = self._registry.store
        try:
            return (history.read(store, run_id), history.training_curves(store, run_id)) if run_id else (None, {})
        except Absent:
            return None, {}
