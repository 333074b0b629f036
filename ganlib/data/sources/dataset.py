"""A data set that is known by name: where it can be had, and whom to thank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ganlib.core.errors import Unavailable
from ganlib.core.events import Remark
from ganlib.core.progress import Report
from ganlib.data.importing.picture import Layout
from ganlib.data.sources.failure import SourceFailure

Opener = Callable[[Path, Report], Layout]
"""Gets what is needed into the folder for downloads, checks it against a pinned digest, and says what the pictures are;
:class:`SourceFailure` with the reason if it cannot."""


class KnownDataset(NamedTuple):
    """A data set that is known by name."""

    credit: str
    """Whose work it is, and its licence."""
    sources: tuple[tuple[str, Opener], ...]
    """Title and opener, in the order in which they are asked."""

    def open(self, name: str, downloads: Path, report: Report) -> Layout:
        """Return the pictures from the first source that has them.

        Raises:
            Unavailable: none has; the reasons are told.
        """
        reasons = []
        for title, opener in self.sources:
            try:
                layout = opener(downloads, report)
            except SourceFailure as error:
                reasons.append(f"{title}: {error}")
                report.event(Remark(title, {"skipped": str(error)}))
            else:
                report.event(Remark(name, {"from": title, "credit": self.credit}))
                return layout
        raise Unavailable(
            f"{name} could not be fetched; what had arrived is kept in {downloads}. Tried {'; '.join(reasons)}. "
            "Try again with a network, or use images of your own: ganlib data version --from PLACE"
        )
