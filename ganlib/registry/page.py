"""What people read in MLflow's page about a version: its description, and the tag that says why it was taken back.

The description is a fold over the ledger, as everything is: whoever was killed before writing it leaves it to the next
decision. Our part stands between two comments, which the page does not show; a person's own words around it stay.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import NamedTuple

from ganlib.core.errors import GanlibError
from ganlib.registry.champion import OVERRULE
from ganlib.registry.entries import NON_MOVING, Evidence, LedgerEntry
from ganlib.registry.gate import Decision
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Listing, Registry, Version, alias_lock
from ganlib.registry.version import GATE, verdict_text
from ganlib.tracking.store import Absent

TAKEN_BACK = "taken back"
"""Tag of a version that a person made champion and the policy did not keep: when, why, and how to overrule that."""
_LIMIT = 5000  # characters of a description in MLflow's database
_TAG = 4000  # of the tag
# The list of versions shows a description's first line as it is: so that is the verdict, and the comment comes below.
_OURS = re.compile(r"(?P<above>.*?)<!-- ganlib (?P<entry>\d+): (?P<verdict>[^\n]*) -->.*?<!-- /ganlib -->", re.DOTALL)
_ARTIFACTS = (
    ("gate/report.html", "Gate report"),
    ("gate/report.md", "Gate report"),
    ("evaluation/samples.png", "Samples"),
)


class Story(NamedTuple):
    """What was decided about one version."""

    entries: tuple[LedgerEntry, ...]

    @property
    def last(self) -> LedgerEntry | None:
        """The last decision."""
        return self.entries[-1] if self.entries else None

    @property
    def number(self) -> int:
        """Of the last decision, 0 if there was none."""
        return self.last.seq if self.last else 0


def update(registry: Registry, state: Path, *, always: int | None = None) -> None:
    """:func:`refresh` under the lock in ``state``; what was decided stands, whatever hinders telling of it."""
    try:
        with alias_lock(state):
            refresh(registry, always=always)
    except GanlibError as error:
        logging.getLogger("ganlib").warning(
            "what was decided stands, but MLflow's page may not say so before the next decision: %s", error
        )


def refresh(registry: Registry, *, always: int | None = None) -> list[int]:
    """Bring the descriptions up to what the ledger says, of those versions only on which it has a new word.

    Args:
        registry: the registered model; the lock on its aliases is held.
        always: this version's figures are new, too.

    Returns:
        The versions that were written.

    Raises:
        Unavailable: MLflow does not answer; what was not written is written after the next decision.
    """
    snapshot, changes = Ledger(registry.store, registry.name).read().sealed(), []
    for listing in registry.versions():
        history = story(snapshot, listing)
        match = _OURS.match(listing.description)
        if match and int(match["entry"]) == history.number and listing.version != always:
            continue
        _write(registry, registry.get(listing.version), history)
        changes.append(listing.version)
    return changes


def story(snapshot: LedgerSnapshot, version: Listing) -> Story:
    """Return the decisions about ``version``: of its own bytes, not of a namesake's."""

    def concerns(entry: LedgerEntry) -> bool:
        moved = entry.kind not in NON_MOVING and entry.from_version == version.version
        return (moved or entry.to_version == version.version) and any(
            evidence.version == version.version and evidence.sha256 == version.sha256 for evidence in entry.evidence
        )

    return Story(tuple(entry for entry in snapshot.valid() if concerns(entry)))


def _write(registry: Registry, version: Version, history: Story) -> None:
    decision = decision_on(registry, version.version)
    verdict = _verdict(version.version, history, decision)
    if history.last and history.last.kind in ("promoted", "declined") and "awaiting" in (version.gate or ""):
        word = ", declined" if history.last.kind == "declined" else ""
        registry.tag(version.version, {GATE: verdict_text([], awaiting=False) + word})  # a person has answered
    if _is_taken_back(version.version, history.last):
        text = verdict.removeprefix("Taken back ")
        registry.tag(version.version, {TAKEN_BACK: f"{text}; to overrule: {OVERRULE}"[:_TAG]})
    else:
        registry.untag(version.version, TAKEN_BACK)
    lines = [*_gate(history, decision), *figures(version, history)]
    if _is_taken_back(version.version, history.last):
        lines.insert(0, f"- To overrule: {OVERRULE}.")
    links = " · ".join(_links(registry, version))
    registry.describe(version.version, merged(version.description, history.number, verdict, ["\n".join(lines), links]))


def merged(text: str, entry: int, verdict: str, paragraphs: list[str]) -> str:
    """Return ``text`` with our part put in place of what we wrote before, or above it all; a person's words stay.

    Args:
        text: the description as it stands.
        entry: the ledger's last one about the version.
        verdict: one line.
        paragraphs: what else there is to say, the most important first; what finds no room is left out.
    """
    verdict = " ".join(verdict.split())[:1000]
    before, after = "", f"\n\n{text}" if text.strip() else ""
    if old := _OURS.match(text):
        before, after = old["above"], text[old.end() :]
        *above, line = before.removesuffix("\n").split("\n")
        if _in_comment(line) == old["verdict"]:
            before = "".join(f"{each}\n" for each in above)
    while True:
        inside = "".join(f"\n\n{paragraph}" for paragraph in paragraphs if paragraph)
        whole = f"{before}{verdict}\n<!-- ganlib {entry}: {_in_comment(verdict)} -->{inside}\n\n<!-- /ganlib -->{after}"
        if len(whole) <= _LIMIT:
            return whole
        if not paragraphs:
            return text  # a person's words fill it
        paragraphs = paragraphs[:-1]


def _in_comment(text: str) -> str:
    """``text`` without what would end a comment."""
    return re.sub(r"-{2,}", "-", text)


def _verdict(number: int, history: Story, decision: Decision | None) -> str:
    """The first line: what became of the version."""
    last = history.last
    if last is None:
        return "Not decided yet by the gate"
    when = _when(last)
    if last.kind == "refused":
        return f"Refused by the gate {when}: {_why(last, decision)}"
    if last.kind == "awaiting":
        return f"Passed the gate {when}, awaits approval"
    if last.kind == "declined":
        return f"Not approved {when} by {last.who}: {last.reason}"
    if last.to_version == number:
        again = " again" if last.kind == "rolled-back" else ""
        by_hand = {"accepted": f", though {_why(last, decision)}", "external": ", set by hand"}.get(last.kind, "")
        return f"Champion{again} since {when}{by_hand}"
    if _is_taken_back(number, last):
        return f"Taken back {when}: refused by the gate: {_why(last, decision)}"
    if last.kind == "rolled-back":
        return f"Rolled back {when} by {last.who}: {last.reason}"
    successor = f"version {last.to_version} took its place" if last.to_version else "its alias was removed"
    return f"Was champion until {when}: {successor}"


def _is_taken_back(number: int, last: LedgerEntry | None) -> bool:
    """Whether the policy took the alias from version ``number``, to which a person had given it."""
    return bool(last and last.kind == "rolled-back" and last.from_version == number and last.policy.get("external"))


def _why(entry: LedgerEntry, decision: Decision | None) -> str:
    """What the gate found amiss: in its own words where they are kept, else in the ledger's."""
    failures = [f"{check.name}: {check.detail}" for check in decision.checks if not check.passed] if decision else []
    return "; ".join(failures) or entry.reason


def _gate(history: Story, decision: Decision | None) -> list[str]:
    """The gate's checks that failed, or that none did."""
    if decision is None:
        return ["- Ask the gate: `ganlib promote VERSION --dry-run`"] if history.last is None else []
    against = f"version {decision.champion}" if decision.champion else "no champion"
    waits = history.last is not None and history.last.kind == "awaiting"
    word = decision.word() if waits else decision.word().partition(", awaiting")[0]  # it was approved since
    lines = [f"- Gate: **{word}**, against {against}"]
    lines += [f"- Failed: {check.name}: {check.detail}" for check in decision.checks if not check.passed]
    if waits:
        lines.append("- To approve it: add the tag `approve` below, with your name as its value; or in Prefect's page.")
    return lines


def figures(version: Version, history: Story) -> list[str]:
    """Return the headline figures: FID with its interval beside that of the champion it was compared with, and more."""
    evaluation = version.evaluation
    if evaluation is None:
        return [f"- No figures: {version.damage or 'it was not registered by ganlib'}"]
    rival = next((fid for entry in reversed(history.entries) if (fid := _rival(entry, version.version))), "")
    return [
        f"- FID **{evaluation.fid}**{rival}; real images {evaluation.floor_fid}; {evaluation.n:,} images",
        f"- KID {evaluation.kid}; real images {evaluation.floor_kid}",
        *(f"- {name} as asked: {share}" for name, share in evaluation.agreement.items()),
        f"- {version.family}, data {(version.data_version or '?')[:12]}"
        + (f", {version.variant} of version {version.sibling_of}" if version.sibling_of else ""),
    ]


def _rival(entry: LedgerEntry, number: int) -> str:
    """The champion's FID in an entry about a challenge by version ``number``."""
    if entry.to_version != number or entry.kind not in ("promoted", "refused", "awaiting"):
        return ""
    for evidence in entry.evidence:
        if evidence.version == entry.from_version and evidence.version != number and evidence.fid is not None:
            return f", against {_interval(evidence)} of version {evidence.version}, the champion then"
    return ""


def _interval(evidence: Evidence) -> str:
    from ganlib.evaluation.bootstrap import Interval

    values = (evidence.fid, evidence.fid_low, evidence.fid_high)
    value, low, high = (float("nan") if each is None else each for each in values)
    return str(Interval(value=value, low=low, high=high))


def _links(registry: Registry, version: Version) -> list[str]:
    """To the artifacts that are there, and the run; relative, so that they work wherever the page is served."""
    if version.run_id is None:
        return []
    client = registry.store.client
    try:
        with registry.store.translate_errors():
            experiment = client.get_run(version.run_id).info.experiment_id
            folders = {path.split("/")[0] for path, _ in _ARTIFACTS}
            there = {file.path for folder in folders for file in client.list_artifacts(version.run_id, folder)}
    except Absent:  # its run was purged
        return []
    run = f"#/experiments/{experiment}/runs/{version.run_id}"
    titles = {title: path for path, title in reversed(_ARTIFACTS) if path in there}
    links = [f"[{title}]({run}/artifacts/{path})" for title, path in sorted(titles.items())]
    return [*links, f"[Run]({run})"]


def decision_on(registry: Registry, number: int) -> Decision | None:
    """Return the gate's last decision on version ``number``; None if there is none that can be read."""
    try:
        return Decision.model_validate_json(registry.decision(number) or "")
    except ValueError:
        return None


def _when(entry: LedgerEntry) -> str:
    return f"{entry.time[:16].replace('T', ' ')} UTC"
