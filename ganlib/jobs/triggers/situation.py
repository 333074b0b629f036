"""What the causes look at: data version, versions, champion and earlier retrainings, each read when first needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from ganlib.config import Params
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.data.version_data import recorded_md5
from ganlib.jobs.triggers.inbox import inbox_of
from ganlib.jobs.triggers.inbox.base import Arrivals, Inbox
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Listing, Registry
from ganlib.tracking.claims import Claims, Standing
from ganlib.tracking.store import MlflowStore


class Cause(Record):
    """One reason to retrain."""

    name: str
    reason: str
    """A sentence without its full stop."""

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


@dataclass(frozen=True)
class Situation:
    """The state of things at ``now``. Reads only."""

    project: Project
    params: Params
    store: MlflowStore
    now: datetime

    @cached_property
    def registry(self) -> Registry:
        """The registered model that a retraining adds a version to."""
        return Registry(self.store, self.params.registry.model)

    @cached_property
    def data_version(self) -> str | None:
        """DVC's md5 of the data version that is recorded; None: there is none."""
        return recorded_md5(self.project)

    @cached_property
    def versions(self) -> list[Listing]:
        """All versions, newest first; siblings of others are no retrainings."""
        return [version for version in self.registry.versions() if version.sibling_of is None]

    @cached_property
    def ledger(self) -> LedgerSnapshot:
        """The decisions about them."""
        return Ledger(self.store, self.params.registry.model).read()

    @cached_property
    def champion(self) -> Listing | None:
        """The version that the ledger has as champion; None: there is none, or it is gone."""
        number = self.ledger.champion_state().champion
        return next((version for version in self.versions if version.version == number), None)

    @cached_property
    def standings(self) -> list[Standing]:
        """Earlier retrainings and those under way, oldest first."""
        return Claims(self.store, self.params.registry.model).read()

    @cached_property
    def inbox(self) -> Inbox | None:
        """Where new images are put; None: nowhere."""
        return inbox_of(self.project, self.params.triggers)

    @cached_property
    def inbox_owner(self) -> str | None:
        """The other checkout that takes the images out of it; None: this one does."""
        return self.inbox.other_owner() if self.inbox else None

    @cached_property
    def arrivals(self) -> Arrivals:
        """What waits in the inbox for this checkout."""
        if self.inbox is None or self.inbox_owner:
            return Arrivals()
        return self.inbox.scan(self.params.triggers.still_seconds, self.now.timestamp())

    @cached_property
    def last(self) -> datetime | None:
        """When a retraining was last begun, or a version last registered; None: never."""
        times = [each.claim.time for each in self.standings] + [version.created for version in self.versions]
        return max((datetime.fromisoformat(time).astimezone(UTC) for time in times), default=None)
