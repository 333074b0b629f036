"""Promoters on two machines at once, stalled at random before their writes: one winner each, and a chain that is one.

    python -m benchmarks.races            # 200 rounds (GANLIB_RACES changes that)

A machine is a project with a state folder of its own, so that its lock does not hold the other's commands. Both use one
MLflow server, on PostgreSQL where that is installed and else on SQLite. A test of the suite runs a dozen such rounds.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from ganlib.config import GateConfig, RegistryConfig
from ganlib.core.errors import GanlibError, Unavailable
from ganlib.registry.apply import apply_pending
from ganlib.registry.entries import NON_MOVING, LedgerEntry
from ganlib.registry.gate import decide
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.promote import promote, rollback
from ganlib.registry.reconcile import reconcile
from ganlib.registry.registry import CHAMPION, PREVIOUS, Registry, alias_lock
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.services.postgres import binaries, postgres

NAME, POLICY, VERSIONS = "mnist-generator", GateConfig(), 7
WRITES = (
    "set_model_version_tag", "log_param", "set_tag", "delete_tag", "set_registered_model_tag",
    "set_registered_model_alias", "delete_registered_model_alias",
)  # fmt: skip
READS = ("search_runs", "get_registered_model")
Act = Callable[[Registry, int, int], int]


@dataclass
class Figures:
    """What came of all rounds."""

    rounds: int = 0
    winners: Counter[int] = field(default_factory=Counter)
    """Rounds by how many moves displaced the champion that all had seen."""
    awaiting: int = 0
    """Rounds in which who asks for a person's approval was the first: the others come again, and nothing is moved."""
    codes: Counter[int] = field(default_factory=Counter)
    """Commands by exit code."""
    moves: int = 0
    forks: int = 0
    """Entries that displace a version which was not champion any more: two that displace the same one."""
    empty: int = 0
    """Promoters that exited 0 and have no entry of their own."""
    mismatches: int = 0
    """Rounds after which the alias named another version than the last of the chain."""
    strange: int = 0
    """Rounds after which ``previous`` named a version that never was champion."""
    external: int = 0
    """Entries that call a command's own late write a person's, or void one that a command had written."""
    whole: bool = True
    last: int = 0

    @property
    def good(self) -> bool:
        """Whether all that is promised was held."""
        wrong = self.forks + self.empty + self.mismatches + self.strange + self.external
        return self.whole and wrong == 0 and set(self.winners) <= {0, 1} and self.winners[0] == self.awaiting

    def summary(self) -> str:
        """A line for each figure."""
        return "\n".join(
            [
                f"rounds                                              {self.rounds}",
                f"rounds by moves that displaced what all had seen    {dict(sorted(self.winners.items()))}",
                f"rounds that now wait for a person's approval        {self.awaiting}",
                f"commands by exit code                               {dict(sorted(self.codes.items()))}",
                f"moves of the champion                               {self.moves}",
                f"forks: displaced what was champion no more          {self.forks}",
                f"exit code 0 without an entry                        {self.empty}",
                f"champions that the chain does not end with          {self.mismatches}",
                f"previous that never was champion                    {self.strange}",
                f"late writes taken for a person's, entries voided    {self.external}",
                f"the chain of {self.last} entries is whole".ljust(52) + str(self.whole).lower(),
            ]
        )


def races(
    projects: tuple[Any, Any], uri: str, *, rounds: int, seed: int = 15, stall: float = 0.2,
    say: Callable[[str], object] = lambda line: None,
) -> Figures:  # fmt: skip
    """Hold ``rounds`` rounds of three to five commands on two machines, and look at what stands after each.

    Args:
        projects: the two machines' checkouts.
        uri: of the MLflow that they share.
        rounds: how many.
        seed: of the draws.
        stall: seconds that a write waits at most; one in ten waits five times as long.
        say: told of each round.
    """
    draw, figures = random.Random(seed), Figures()  # noqa: S311  (rivals and stalls, not secrets)
    home = Registry(connect(projects[0], uri), NAME)
    for number in range(1, VERSIONS + 1):
        factories.bare_version(home.store, number, 100_000)
    promote(home, home.get(1), policy=POLICY, state=home.store.project.state)
    ledger, fid = Ledger(home.store, NAME), 100_000.0
    for _ in range(rounds):
        before = ledger.read()
        champion = before.champion_state().champion or 0
        fid -= 100
        rivals = draw.sample([n for n in range(1, VERSIONS + 1) if n != champion], draw.choice([3, 3, 3, 4, 4, 5]))
        for place, number in enumerate(rivals):
            better = factories.evaluation(fid - 10 * draw.choice([place, 0, 3]))
            home.tag(number, {"evaluation": better.model_dump_json()})
        acts = _acts(draw, len(rivals))
        codes = _round(projects, uri, draw, list(zip(acts, rivals, strict=True)), champion, stall, say)
        _count(figures, home, before.last, acts, rivals, codes)
        figures.codes.update(codes)
        say(f"round {figures.rounds}: champion {champion}, {[act.__name__ for act in acts]} of {rivals}: {codes}")
    snapshot = ledger.read()
    figures.whole, figures.last = not snapshot.problems() and not snapshot.beyond(), snapshot.last
    return figures


def expecting(registry: Registry, number: int, champion: int) -> int:
    """``ganlib promote NUMBER --expect CHAMPION``."""
    return _promoted(registry, number, expect=champion)


def promoting(registry: Registry, number: int, champion: int) -> int:
    """``ganlib promote NUMBER``."""
    return _promoted(registry, number)


def asking(registry: Registry, number: int, champion: int) -> int:
    """``ganlib promote NUMBER`` where a person has to approve."""
    return _promoted(registry, number, approval=True)


def returning(registry: Registry, number: int, champion: int) -> int:
    """``ganlib rollback --expect CHAMPION``."""
    rollback(registry, state=registry.store.project.state, expect=champion, reason="a race")
    return 0


def reconciling(registry: Registry, number: int, champion: int) -> int:
    """``ganlib reconcile``."""
    state = registry.store.project.state
    reconcile(registry, gate=lambda a, b, tries: decide(a, b, POLICY, tries), rules=RegistryConfig(), state=state)
    return 0


def registering(registry: Registry, number: int, champion: int) -> int:
    """What ``ganlib register`` does to the ledger."""
    with alias_lock(registry.store.project.state):
        apply_pending(registry, Ledger(registry.store, registry.name))
    return 0


def _promoted(registry: Registry, number: int, **options: Any) -> int:
    state = registry.store.project.state
    done = promote(registry, registry.get(number), policy=POLICY, state=state, again=True, **options)
    return 0 if done.promoted else 1


def _acts(draw: random.Random, count: int) -> list[Act]:
    """Two promoters at least; the others may be anything."""
    mix: list[Act] = [expecting, promoting, returning, reconciling, registering, asking]
    first = draw.choice([expecting, promoting])
    return [first, first, *(draw.choice([first, first, *mix]) for _ in range(count - 2))]


def _round(
    projects: tuple[Any, Any], uri: str, draw: random.Random, work: list[tuple[Act, int]], champion: int, stall: float,
    say: Callable[[str], object],
) -> list[int]:  # fmt: skip
    """The exit codes of all commands, which begin at once."""
    codes, start = [-1] * len(work), threading.Barrier(len(work))
    places = [0, 1, *(draw.randint(0, 1) for _ in work[2:])]
    stalls = [random.Random(draw.random()) for _ in work]  # noqa: S311

    def run(place: int, act: Act, number: int) -> None:
        store = connect(projects[places[place]], uri)
        _stall(store, stalls[place], stall)
        start.wait(600)
        try:
            codes[place] = act(Registry(store, NAME), number, champion)
        except GanlibError as error:
            codes[place] = error.exit_code
            if error.exit_code == Unavailable.exit_code and "meanwhile" not in str(error):
                say(f"  {act.__name__} {number}: {error}")

    threads = [threading.Thread(target=run, args=(place, *one)) for place, one in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


def _stall(store: MlflowStore, draw: random.Random, longest: float) -> None:
    """Make the client wait before its writes, and now and then before it reads."""

    def slow(call: Any, chance: float) -> Any:
        def wait(*arguments: Any, **options: Any) -> Any:
            if draw.random() < chance:
                time.sleep(draw.uniform(0, longest) * (5 if draw.random() < 0.1 else 1))
            return call(*arguments, **options)

        return wait

    for names, chance in ((WRITES, 0.4), (READS, 0.05)):
        for name in names:
            setattr(store.client, name, slow(getattr(store.client, name), chance))


def _count(
    figures: Figures, registry: Registry, last: int, acts: list[Act], rivals: list[int], codes: list[int]
) -> None:
    """Add what stands after a round."""
    snapshot = Ledger(registry.store, NAME).read()
    new = [entry for entry in snapshot.entries() if entry.seq > last]
    moves = [entry for entry in new if entry.kind not in NON_MOVING]
    champion = snapshot.until(last).champion_state().champion
    figures.rounds += 1
    displacing = sum(move.from_version == champion for move in _until_back(moves, champion))
    figures.winners[displacing] += 1
    figures.awaiting += displacing == 0 and [entry.kind for entry in new[:1]] == ["awaiting"]
    figures.moves += len(moves)
    for move in moves:
        figures.forks += move.from_version != champion
        champion = move.to_version
    own = Counter(move.to_version for move in moves if move.kind == "promoted")
    won = Counter(
        number for act, number, code in zip(acts, rivals, codes, strict=True)
        if code == 0 and act in (expecting, promoting)
    )  # fmt: skip
    figures.empty += sum((won - own).values())
    aliases = registry.aliases()
    figures.mismatches += aliases.get(CHAMPION) != champion
    ever = {entry.to_version for entry in snapshot.entries() if entry.kind not in NON_MOVING}
    figures.strange += aliases.get(PREVIOUS) not in {None, *ever}
    figures.external += sum(entry.kind in ("external", "voided") for entry in new)


def _until_back(moves: list[LedgerEntry], champion: int | None) -> list[LedgerEntry]:
    """The moves until ``champion`` is champion again, which may then be displaced anew."""
    back = next((place for place, move in enumerate(moves) if move.to_version == champion), len(moves))
    return moves[:back]


@contextmanager
def mlflow_on(database: str, folder: Path) -> Iterator[str]:
    """An MLflow server on ``database``; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", database, "--artifacts-destination", str(folder / "artifacts")),
    ]
    with (folder / "mlflow.log").open("wb") as log, subprocess.Popen(
        words, cwd=folder, env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}, stdout=log, stderr=log,
        start_new_session=True,
    ) as server:  # fmt: skip
        try:
            _await(f"http://127.0.0.1:{port}/health", server, folder / "mlflow.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # it would wait for connections that are kept open


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise Unavailable(f"{url} does not answer:\n{log.read_text()}")


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """PostgreSQL where it is installed, else SQLite."""
    if binaries():
        with postgres() as server:
            yield server.uri
    else:
        yield f"sqlite:///{folder / 'mlflow.db'}"


def main() -> None:
    """The figures of the issue."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the servers are ended then, too
    rounds, seed = int(os.environ.get("GANLIB_RACES", "200")), int(os.environ.get("GANLIB_RACES_SEED", "15"))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        machines = (factories.project(folder / "one"), factories.project(folder / "two"))
        with database(folder) as backend, mlflow_on(backend, folder) as uri:
            print(f"MLflow on {backend.split(':')[0]}", flush=True)
            figures = races(machines, uri, rounds=rounds, seed=seed, say=lambda line: print(line, flush=True))
    print(figures.summary())
    sys.exit(not figures.good)


if __name__ == "__main__":
    main()
