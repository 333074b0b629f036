"""What Prometheus reads of a project: flows, gate, champion, ledger, batches and costs, from MLflow and from Prefect.

All of it is counted from what both servers keep, so that it is the same whoever asks, and after any restart.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from threading import Lock
from typing import NamedTuple, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ganlib.config import Params
from ganlib.core.cost import Cost
from ganlib.core.errors import GanlibError
from ganlib.core.project import Project
from ganlib.jobs.observation import prefect
from ganlib.jobs.prefect_server import server_of
from ganlib.registry.entries import Kind, LedgerEntry
from ganlib.registry.gate import Decision
from ganlib.registry.ledger import LedgerSnapshot
from ganlib.registry.mlflow_ledger import Ledger, models_with_ledger
from ganlib.registry.notice import receiver_key
from ganlib.registry.records import DECISION
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.version import Listing
from ganlib.tracking import batch_runs, costs, history
from ganlib.tracking.history import RunRecord
from ganlib.tracking.store import MlflowStore, connect

RUNS_EVERY = 60.0
"""Seconds for which what was counted of all runs is told again: that reading takes as long as there are runs."""
_RUN, _BATCH = "run", "batch"


class ProjectMetrics(Collector):
    """Asks both servers whenever it is read; one that does not answer leaves out what it knows, and is told."""

    def __init__(self, project: Project, params: Params) -> None:
        """Nothing is asked yet."""
        self._project, self._params = project, params
        self._lock = Lock()
        self._runs: tuple[float, list[Metric]] | None = None
        self._decisions: dict[tuple[str, str], Decision | None] = {}

    def collect(self) -> Iterator[Metric]:
        """Yield all families of metrics."""
        up = GaugeMetricFamily("ganlib_service_up", "Whether the server answered just now.", labels=["service"])
        with self._lock:
            start = time.monotonic()
            families = self._of("mlflow", self._of_mlflow, up)
            if server := server_of(self._project):
                families += self._of("prefect", lambda: _of_prefect(prefect.counts(server)), up)
            seconds = time.monotonic() - start
        yield up
        yield GaugeMetricFamily("ganlib_collect_seconds", "How long it took to ask the servers.", value=seconds)
        yield from families

    def _of(self, service: str, families: Callable[[], Iterator[Metric]], up: GaugeMetricFamily) -> list[Metric]:
        try:
            content = list(families())
        except GanlibError:
            up.add_metric([service], 0)
            return []
        up.add_metric([service], 1)
        return content

    def _of_mlflow(self) -> Iterator[Metric]:
        store = connect(self._project)
        models = dict.fromkeys([self._params.registry.model, *models_with_ledger(store)])
        ledgers = {model: Ledger(store, model) for model in models}
        snapshots = {model: ledger.read() for model, ledger in ledgers.items()}
        registries = {model: Registry(store, model) for model in models}
        versions = {model: registry.versions() for model, registry in registries.items()}
        yield _entries(snapshots)
        if addresses := self._params.services.receivers:
            yield _unsent(ledgers, snapshots, addresses)
        yield from _champions(registries, snapshots, versions)
        yield _verdicts(versions)
        yield self._checks(registries)
        yield from self._of_runs(store)

    def _checks(self, registries: Mapping[str, Registry]) -> Metric:
        """How many versions passed and failed each check of the gate, by its last word on them."""
        family = GaugeMetricFamily(
            "ganlib_gate_checks",
            "Versions by what the gate said of them last, check by check: passed or failed.",
            labels=["model", "check", "verdict"],
        )
        for model, registry in registries.items():
            totals: Counter[tuple[str, str]] = Counter()
            for number, tag in registry.tagged(DECISION).items():
                decision = self._decision(registry, number, tag)
                for check in decision.checks if decision else ():
                    totals.update({(check.name, "passed"): check.passed, (check.name, "failed"): not check.passed})
            for (check_name, verdict), total in totals.items():
                family.add_metric([model, check_name, verdict], total)
        return family

    def _decision(self, registry: Registry, number: int, tag: str) -> Decision | None:
        """The gate's last word on a version, which is read once for each value of its tag."""
        key = f"{registry.name} {number}", tag
        if key not in self._decisions:
            try:
                self._decisions[key] = Decision.model_validate_json(registry.decision(number) or "")
            except ValueError:  # overwritten by a person
                self._decisions[key] = None
        return self._decisions[key]

    def _of_runs(self, store: MlflowStore) -> list[Metric]:
        now = time.monotonic()
        if self._runs is None or now - self._runs[0] > RUNS_EVERY:
            self._runs = now, list(_of_runs(history.every(store), self._params))
        return self._runs[1]


def _entries(snapshots: Mapping[str, LedgerSnapshot]) -> Metric:
    family = CounterMetricFamily(
        "ganlib_ledger_entries", "Decisions in the ledger, by what they were.", labels=["model", "kind"]
    )
    for model, snapshot in snapshots.items():
        totals = Counter(entry.kind for entry in snapshot.valid())
        for kind in get_args(Kind):
            family.add_metric([model, kind], totals[kind])
    return family


def _unsent(
    ledgers: Mapping[str, Ledger], snapshots: Mapping[str, LedgerSnapshot], addresses: Mapping[str, str]
) -> Metric:
    family = GaugeMetricFamily(
        "ganlib_notices_unsent", "Ledger entries that a receiver has not taken yet.", labels=["model", "receiver"]
    )
    for model, ledger in ledgers.items():
        for name, address in addresses.items():
            offset = ledger.offset(receiver_key(address))
            count = sum(entry.seq > offset for entry in snapshots[model].sealed().valid())
            family.add_metric([model, name], count)
    return family


class _Champions(NamedTuple):
    info: GaugeMetricFamily
    version: GaugeMetricFamily
    since: GaugeMetricFamily
    fid: GaugeMetricFamily
    differs: GaugeMetricFamily


def _champion_families() -> _Champions:
    def gauge(name: str, words: str, *more: str) -> GaugeMetricFamily:
        return GaugeMetricFamily(f"ganlib_champion_{name}", words, labels=["model", *more])

    return _Champions(
        gauge("info", "1 for the version that has the alias champion.", "version", "family", "sha256"),
        gauge("version", "Number of the version that has the alias champion; 0: none has it."),
        gauge("since_timestamp_seconds", "When the ledger says that it became champion."),
        gauge("fid", "The champion's FID (value) and the ends of its interval (low, high).", "bound"),
        gauge("differs", "1 while the alias champion is not on the ledger's champion: somebody moved it by hand."),
    )


def _champions(
    registries: Mapping[str, Registry],
    snapshots: Mapping[str, LedgerSnapshot],
    versions: Mapping[str, list[Listing]],
) -> Iterator[Metric]:
    families = _champion_families()
    for model, registry in registries.items():
        move, rightful = snapshots[model].last_move(), snapshots[model].sealed().earned().champion
        champion = next((each for each in versions[model] if CHAMPION in each.aliases), None)
        families.version.add_metric([model], champion.version if champion else 0)
        families.differs.add_metric([model], bool(rightful) and rightful != (champion and champion.version))
        if champion is None:
            continue
        labels = [model, str(champion.version), champion.family or "", champion.sha256 or ""]
        families.info.add_metric(labels, 1)
        if move and move.to_version == champion.version:
            families.since.add_metric([model], _unix(move))
        if evaluation := registry.get(champion.version).evaluation:
            for bound in ("value", "low", "high"):
                families.fid.add_metric([model, bound], getattr(evaluation.fid, bound))
    yield from families


def _unix(entry: LedgerEntry) -> float:
    from ganlib.registry.ledger import moment

    return moment(entry.time).timestamp()


def _verdicts(versions: Mapping[str, list[Listing]]) -> Metric:
    family = GaugeMetricFamily(
        "ganlib_versions",
        "Versions by the gate's last word: passed, refused, awaiting approval, or undecided.",
        labels=["model", "gate"],
    )
    for model, rows in versions.items():
        totals = Counter(_word(row.gate) for row in rows)
        for word in ("passed", "refused", "awaiting", "undecided"):
            family.add_metric([model, word], totals[word])
    return family


def _word(gate: str | None) -> str:
    text = gate or ""
    if text.startswith("passed"):
        return "awaiting" if "awaiting" in text else "passed"
    return "refused" if text.startswith("refused") else "undecided"


def _of_runs(runs: Iterator[RunRecord], params: Params) -> Iterator[Metric]:
    ends: Counter[tuple[str, str, str]] = Counter()
    running, batches, images, drifts = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    spent = dict.fromkeys((_RUN, _BATCH), Cost())
    successes: dict[str, float] = {}
    for run in runs:
        work = _BATCH if batch_runs.BATCH_TAG in run.tags else _RUN
        if work == _RUN and run.family is None:
            continue  # nobody's of ours, or a ledger
        if cost := costs.of_run(run.metrics, run.tags, params.costs):
            spent[work] += cost
        if run.status == "FINISHED" and run.end:
            successes[work] = max(successes.get(work, 0), run.end.timestamp())
        if work == _BATCH:
            model = run.tags.get(batch_runs.MODEL_TAG, "")
            batches[model] += 1
            images[model] += int(run.metrics.get(batch_runs.IMAGES, 0))
            drifts[model] += int(run.metrics.get(batch_runs.DRIFTS, 0))
        elif run.status == "RUNNING":
            running[run.family or ""] += 1
        else:
            ends[run.family or "", run.status.lower(), run.tags.get("cause", "none")] += 1
    yield from _run_families(ends, running, successes)
    for name, words, totals in (
        ("ganlib_batches", "Calls that made images of a registered version.", batches),
        ("ganlib_batch_images", "Images that they made.", images),
        ("ganlib_batch_drifts", "Batches of which the judge says that they drift.", drifts),
    ):
        family = CounterMetricFamily(name, words, labels=["model"])
        for model in dict.fromkeys([params.registry.model, *batches]):
            family.add_metric([model], totals[model])
        yield family
    yield from _cost_families(spent, params.costs.currency)


def _run_families(
    ends: Mapping[tuple[str, str, str], int], running: Mapping[str, int], successes: Mapping[str, float]
) -> Iterator[Metric]:
    total = CounterMetricFamily(
        "ganlib_runs", "Trainings, searches and comparisons that ended.", labels=["family", "status", "cause"]
    )
    for labels, count in ends.items():
        total.add_metric(list(labels), count)
    now = GaugeMetricFamily("ganlib_runs_running", "The same, at work.", labels=["family"])
    for family, count in running.items():
        now.add_metric([family], count)
    last = GaugeMetricFamily(
        "ganlib_last_success_timestamp_seconds", "When the last run or batch ended well.", labels=["work"]
    )
    for work, when in successes.items():
        last.add_metric([work], when)
    yield from (total, now, last)


def _cost_families(spent: Mapping[str, Cost], currency: str) -> Iterator[Metric]:
    for name, words in (
        ("wall_seconds", "How long runs and batches took."),
        ("cpu_seconds", "Processor time that they took."),
        ("gpu_seconds", "How long they held GPUs."),
        ("energy_joules", "What they used, where it was measured."),
    ):
        family = CounterMetricFamily(f"ganlib_cost_{name}", words, labels=["work"])
        for work, cost in spent.items():
            family.add_metric([work], getattr(cost, name) or 0)
        yield family
    money = CounterMetricFamily(
        "ganlib_cost_money", "What they cost, where there is a price.", labels=["work", "currency"]
    )
    for work, cost in spent.items():
        money.add_metric([work, currency], cost.money or 0)
    yield money


def _of_prefect(counts: prefect.FlowRunCounts) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "ganlib_flow_runs", "Flow runs that are planned, late, waiting or running.", labels=["flow", "state"]
    )
    outcomes = CounterMetricFamily("ganlib_flow_runs_finished", "Flow runs that ended.", labels=["flow", "outcome"])
    retrainings = CounterMetricFamily(
        "ganlib_retrainings",
        "Runs of the flow retrain that ended, by why they were begun.",
        labels=["cause", "outcome"],
    )
    for family, totals in (
        (waiting, counts.waiting),
        (outcomes, counts.outcomes),
        (retrainings, counts.retrainings),
    ):
        for labels, total in totals.items():
            family.add_metric(list(labels), total)
        yield family
    last = GaugeMetricFamily(
        "ganlib_flow_last_success_timestamp_seconds", "When the last run that succeeded ended.", labels=["flow"]
    )
    for flow, when in counts.successes.items():
        last.add_metric([flow], when)
    yield last
