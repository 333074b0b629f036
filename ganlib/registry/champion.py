"""Which version ``champion`` means to those who use it: the one that has earned the name, whoever may set the alias.

An alias is anybody's to set in MLflow's page, and what is set there on a version that the gate refused is taken back a
little later (:mod:`ganlib.registry.reconcile`). Nobody is to use it in between. So consumers ask here. Reads only.
"""

from __future__ import annotations

from typing import NamedTuple

from ganlib.config import Params
from ganlib.pretrained import EXAMPLE
from ganlib.registry import names
from ganlib.registry.audit import existing
from ganlib.registry.entries import ChampionState, Evidence
from ganlib.registry.gate import decide
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import TAG, Ledger
from ganlib.registry.registry import CHAMPION, Registry, Version
from ganlib.tracking.store import Absent

OVERRULE = "set `registry.external: accept` in params.yaml, then set the alias again"
"""How a person has the last word over the gate."""
_REASON = 300  # characters of the gate's reasons in a line


class ChampionChoice(NamedTuple):
    """The version that ``champion`` means."""

    version: Version
    note: str = ""
    """Which was used and why, in a line, where ledger and alias differ."""


class Champion:
    """Answers as often as it is asked; the ledger is read anew only when an alias or the ledger's seal has changed."""

    def __init__(self, registry: Registry, params: Params) -> None:
        """``params`` has the policy. Nothing is asked of MLflow yet."""
        self._registry, self._params = registry, params
        self._cache: tuple[object, ChampionChoice | Absent] | None = None

    def choose(self) -> ChampionChoice:
        """Return the version to use.

        Under ``registry.external: revert`` the alias counts if it is on the ledger's champion, or on a version that
        the gate has passed, or passes now that it is asked: the next `reconcile` will record that one as promoted.
        Otherwise it is the ledger's champion; if that was deleted or its alias removed, the nearest one before. Under
        ``accept`` the alias counts, and so it does of a model that is not of the project's data and has no ledger:
        nobody has asked the gate about it.

        Raises:
            Absent: there is no champion; it says why, and what to do.
            Unavailable: MLflow does not answer.
        """
        state = self._state()
        if self._cache is None or self._cache[0] != state:
            try:
                answer: ChampionChoice | Absent = self._look()
            except Absent as absent:
                answer = absent
            self._cache = state, answer
        choice = self._cache[1]
        if isinstance(choice, Absent):
            raise choice
        return choice

    def _state(self) -> object:
        """What changes whenever a decision was carried out or an alias was moved, in one question."""
        registry = self._registry
        try:
            with registry.store.translate_errors():
                model = registry.store.client.get_registered_model(registry.name)
        except Absent:
            return None
        return model.aliases.get(CHAMPION), model.tags.get(TAG)

    def _look(self) -> ChampionChoice:
        registry = self._registry
        snapshot = Ledger(registry.store, registry.name).read().sealed()
        champion_state, alias = snapshot.earned(), self._alias()
        if alias and alias.version == champion_state.champion and _is_same(alias, champion_state):
            return ChampionChoice(alias)
        if not snapshot.last and registry.name != self._params.registry.model:
            if alias is None:
                raise names.absent(registry.store, registry.name, CHAMPION, registry.versions())
            return ChampionChoice(alias)
        if alias and self._params.registry.external == "accept":
            return ChampionChoice(
                alias,
                _differs(alias, champion_state, "it is used: registry.external is accept") if snapshot.last else "",
            )
        against = existing(registry, champion_state.champion, champion_state)
        why = self._objection(alias, snapshot, against) if alias else "the alias was removed"
        if alias and why is None:
            return ChampionChoice(
                alias,
                _differs(alias, champion_state, "the gate passes it, so it is used; `ganlib reconcile` records it"),
            )
        trail = [] if alias is None else [champion_state.champion]
        trail += [number for number in reversed(champion_state.trail) if number != champion_state.champion]
        target = next((version for number in trail if (version := existing(registry, number, champion_state))), None)
        if target is None:
            raise Absent(self._nobody(alias, snapshot, why or ""))
        if alias:
            return ChampionChoice(target, _differs(alias, champion_state, f"{why}: version {target.version} is used"))
        return ChampionChoice(target, f"{why}: version {target.version}, the champion before, is used")

    def _alias(self) -> Version | None:
        number = self._registry.aliases().get(CHAMPION)
        try:
            return self._registry.get(number) if number else None
        except Absent:  # older servers leave the alias of a version that was deleted
            return None

    def _objection(self, version: Version, snapshot: LedgerSnapshot, champion: Version | None) -> str | None:
        """Why ``version`` has not earned to be champion; None: it has."""
        if rollback := snapshot.taken_back(version):
            return f"it was rolled back from (entry {rollback.seq}: {rollback.reason[:_REASON]})"
        verdict = snapshot.verdict(version)
        if verdict:
            refused = verdict.kind == "refused"
            return f"the gate refused it ({verdict.reason[:_REASON]})" if refused else None
        decision = decide(version, champion, self._params.gate, snapshot.comparisons(Evidence.of(version)))
        failures = "; ".join(f"{check.name}: {check.detail}" for check in decision.checks if not check.passed)
        return None if decision.promoted else f"the gate does not pass it ({failures[:_REASON]})"

    def _nobody(self, alias: Version | None, snapshot: LedgerSnapshot, why: str) -> str:
        """Why there is no champion, and what to do."""
        name = self._registry.name
        if alias:
            return (
                f"version {alias.version} of {name} has the alias champion, but {why}; nothing else was champion. Use "
                f"it by its number ({alias.uri}), or {OVERRULE}."
            )
        decisions = [entry for entry in snapshot.valid() if entry.kind in ("refused", "awaiting", "declined")]
        if snapshot.last_move():
            return f"{name} has no champion any more: {why}. Promote one: ganlib promote VERSION, or ganlib rollback."
        if not decisions:
            return (
                f"{name} has no 'champion': see `ganlib registry list`, or train one: `ganlib retrain`; or take a "
                f"model that ships with ganlib: {EXAMPLE}."
            )
        last = decisions[-1]
        uri = f"models:/{name}/{last.to_version}"
        if last.kind == "awaiting":
            return (
                f"{name} has no champion yet: version {last.to_version} passed the gate and awaits approval. Set its "
                f"tag `approve` in MLflow's page, or use it by its number: {uri}."
            )
        if last.kind == "declined":
            return (
                f"{name} has no champion yet: version {last.to_version} passed the gate and was not approved "
                f"({last.reason[:_REASON]}). Train another: ganlib retrain; or use it by its number: {uri}."
            )
        return (
            f"{name} has no champion yet: the gate refused version {last.to_version} ({last.reason[:_REASON]}). Train "
            f"another, for longer: ganlib retrain --budget standard; or use it by its number: {uri}."
        )


def _is_same(version: Version, champion_state: ChampionState) -> bool:
    """Whether ``version`` is the one that the ledger speaks of: a model that was made anew counts from 1."""
    return version.sha256 == champion_state.digests.get(version.version)


def _differs(alias: Version, champion_state: ChampionState, what: str) -> str:
    ledger = (
        f"the ledger's champion is {champion_state.champion}"
        if champion_state.champion
        else "the ledger has no champion"
    )
    return f"version {alias.version} was given the alias champion by hand ({ledger}); {what}"
