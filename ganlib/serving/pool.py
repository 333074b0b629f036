"""The models that a server has at hand, and how one takes another's place while requests are under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from ganlib.core.errors import GanlibError, Unavailable, unknown
from ganlib.export.contract import caption_pool
from ganlib.serving.batcher import Engine, rows_are_independent
from ganlib.serving.schema import About

if TYPE_CHECKING:
    from ganlib.generation.session import OnnxModel
    from ganlib.serving.metrics import Metrics

_AGAIN_SECONDS = 60.0  # before a model that could not be loaded is tried again
_STOP_SECONDS = 5.0  # that a model may take to load when the server ends; then it is left behind
_MOST_QUESTIONS = 4  # questions that a source owes an answer to, before it is asked no more until one of them ends


class Unknown(GanlibError):
    """No model of that name is served."""


@dataclass(frozen=True)
class OpenModel:
    """A graph and what is known of where it came from."""

    model: OnnxModel
    reference: str
    registered_model: str | None = None
    """Name of the registered model."""
    version: int | None = None
    run_id: str | None = None


class ModelSource(Protocol):
    """Where models come from."""

    def look(self) -> Mapping[str, str]:
        """Return what each name means now: a text that changes when the model does. The first name is the default.

        Raises:
            Unavailable: that cannot be told just now.
        """

    def open(self, name: str, meaning: str) -> OpenModel:
        """Return the model ``name``, as :meth:`look` said what it means."""


@dataclass(eq=False)
class LoadedModel:
    """A model that requests run on."""

    name: str
    meaning: str
    """What :meth:`ModelSource.look` said of it."""
    open_model: OpenModel
    engine: Engine
    since: str
    """UTC, ISO 8601."""
    users: int = 0
    retired: bool = False

    @property
    def model(self) -> OnnxModel:
        """The opened graph."""
        return self.open_model.model

    def about(self, default: str) -> About:
        """Return what the server tells of it."""
        inputs, metadata = self.model.contract.inputs, self.model.metadata
        return About(
            name=self.name,
            default=self.name == default,
            reference=self.open_model.reference,
            sha256=self.model.sha256,
            registered_model=self.open_model.registered_model,
            version=self.open_model.version,
            run_id=self.open_model.run_id or metadata.get("run_id"),
            family=metadata.get("family"),
            data_version=metadata.get("data_version"),
            commit=metadata.get("source_commit"),
            takes="label" if "label" in inputs else "caption" if "caption" in inputs else None,
            dataset=self.model.spec.name,
            image=self.model.spec.image.dims,
            class_names=list(self.model.spec.class_names),
            captions=list(caption_pool(metadata)) if "caption" in inputs else [],
            noise_dim=self.model.noise_dim,
            shares_blocks=self.engine.share,
            since=self.since,
        )


class ModelPool:
    """Models by name. A request holds the one it began with until it ends, whatever takes its place meanwhile."""

    def __init__(self) -> None:
        """Nothing is on it yet."""
        self._lock = threading.Lock()
        self._models: dict[str, LoadedModel] = {}
        self._leavers: list[LoadedModel] = []

    @property
    def default(self) -> str:
        """Name of the model that a request without one means: the first that was put here."""
        return next(iter(self._models), "")

    def all(self) -> list[LoadedModel]:
        """Return what is served now."""
        with self._lock:
            return list(self._models.values())

    @contextmanager
    def use(self, name: str | None) -> Iterator[LoadedModel]:
        """Hold the model ``name`` (None: the default).

        Raises:
            Unknown: there is none; the names that there are are listed.
        """
        with self._lock:
            entry = self._models.get(name or self.default)
            if entry is None:
                raise Unknown(str(unknown("model", name or "", self._models)))
            entry.users += 1
        try:
            yield entry
        finally:
            self._release([entry])

    @contextmanager
    def use_all(self) -> Iterator[list[LoadedModel]]:
        """Hold all models."""
        with self._lock:
            entries = list(self._models.values())
            for entry in entries:
                entry.users += 1
        try:
            yield entries
        finally:
            self._release(entries)

    def put(self, entry: LoadedModel) -> None:
        """Serve ``entry`` from the next request on."""
        with self._lock:
            self._retire(self._models.get(entry.name))
            self._models[entry.name] = entry

    def drop(self, name: str) -> None:
        """Serve ``name`` no longer."""
        with self._lock:
            self._retire(self._models.pop(name, None))

    def close(self) -> None:
        """Finish what is under way and end all threads."""
        with self._lock:
            models = [*self._models.values(), *self._leavers]
        for entry in models:
            entry.engine.close()
        for entry in models:
            entry.engine.join()

    def _release(self, entries: Sequence[LoadedModel]) -> None:
        with self._lock:
            for entry in entries:
                entry.users -= 1
                self._close_if_unused(entry)

    def _retire(self, entry: LoadedModel | None) -> None:
        if entry:
            entry.retired = True
            self._leavers.append(entry)
            self._close_if_unused(entry)

    def _close_if_unused(self, entry: LoadedModel) -> None:
        if entry.retired and entry.users == 0 and entry in self._leavers:
            self._leavers.remove(entry)
            entry.engine.close()


class AliasWatcher:
    """Keeps a pool at what a source says: at once on :meth:`fill`, then every few seconds in a thread."""

    def __init__(
        self,
        source: ModelSource,
        pool: ModelPool,
        metrics: Metrics,
        *,
        window: float,
        every: float,
        patience: float = 60.0,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Nothing is loaded yet.

        Args:
            source: where models come from.
            pool: where they are put.
            metrics: told what is served, and whether the source answers.
            window: the engines', in seconds.
            every: seconds between looks.
            patience: seconds that the source may take to answer, before it counts as down.
            tell: gets a line for what an operator should know.
        """
        self._source, self._pool, self._metrics = source, pool, metrics
        self._window, self._every, self._patience, self._tell = window, every, patience, tell
        self._stop, self._questions = threading.Event(), threading.BoundedSemaphore(_MOST_QUESTIONS)
        self._answer: Future[Mapping[str, str]] = Future()
        self._failures: dict[tuple[str, str], float] = {}
        self.thread: threading.Thread | None = None
        self.problem: str | None = None
        """Why the source could not be asked the last time; None: it could."""

    def fill(self) -> None:
        """Load all there is.

        Raises:
            GanlibError: the source cannot be asked, or a model cannot be loaded.
        """
        for name, meaning in self._source.look().items():
            self._pool.put(self._load(name, meaning))
        self._metrics.models([entry.about(self._pool.default) for entry in self._pool.all()])

    def start(self) -> None:
        """Begin to look for changes."""
        self.thread = threading.Thread(target=self._watch, name="ganlib-serve-watcher", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Look no more; an answer that is waited for is waited for no longer."""
        self._stop.set()
        self._answer.cancel()
        if self.thread:
            self.thread.join(_STOP_SECONDS)

    def look(self) -> None:
        """Look once: load what is new, beside what is served, and put it into its place; drop what is gone.

        Whatever fails, what was served goes on being served.
        """
        try:
            models = self._ask()
        except CancelledError:
            return
        except Exception as error:  # a thread that must not end: what it is, is told and shown by /ready
            self._trouble(str(error))
            return
        if self.problem:
            self._tell("the registry answers again")
        self.problem = None
        self._metrics.registry_up.set(1)
        meanings = {entry.name: entry.meaning for entry in self._pool.all()}
        news = [name for name, meaning in models.items() if meanings.get(name) != meaning]
        for name in news:
            self._swap(name, models[name])
        obsolete = [name for name in meanings if name not in models and name != self._pool.default]
        for name in obsolete:
            self._pool.drop(name)
            self._tell(f"{name} is no longer served: the registry has it no more")
        if news or obsolete:
            self._metrics.models([entry.about(self._pool.default) for entry in self._pool.all()])

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            self.look()

    def _ask(self) -> Mapping[str, str]:
        """What the source says.

        It is asked in a thread that can be left behind: of a machine that is gone without a word, a connection shows
        nothing, and not every client of a registry gives up on it. A later answer to an earlier question is dropped.

        Raises:
            Unavailable: it has not answered in time.
        """
        if not self._questions.acquire(blocking=False):
            raise Unavailable(f"{_MOST_QUESTIONS} earlier questions have not been answered yet.")
        answer = self._answer = Future[Mapping[str, str]]()

        def ask() -> None:
            with suppress(InvalidStateError):  # nobody waits any more
                try:
                    answer.set_result(self._source.look())
                except Exception as error:
                    answer.set_exception(error)
                finally:
                    self._questions.release()

        threading.Thread(target=ask, name="ganlib-serve-question", daemon=True).start()
        try:
            if self._stop.is_set():
                answer.cancel()
            return answer.result(self._patience)
        except TimeoutError:
            answer.cancel()
            raise Unavailable(f"no answer within {self._patience:g} s.") from None

    def _trouble(self, text: str) -> None:
        if not self.problem:
            self._tell(f"the registry cannot be asked; what is loaded is served on: {text}")
        self.problem = " ".join(text.split())
        self._metrics.registry_up.set(0)

    def _swap(self, name: str, meaning: str) -> None:
        if time.monotonic() < self._failures.get((name, meaning), 0):
            return
        try:
            entry = self._load(name, meaning)
        except Exception as error:
            self._failures[name, meaning] = time.monotonic() + _AGAIN_SECONDS
            self._metrics.swaps.labels(name, "failed").inc()
            self._tell(f"{name} is now {meaning}, which cannot be loaded; the one before is served on: {error}")
            return
        self._pool.put(entry)
        self._metrics.swaps.labels(name, "done").inc()
        self._tell(f"{name} is now {meaning} (sha256 {entry.model.sha256[:12]})")

    def _load(self, name: str, meaning: str) -> LoadedModel:
        """Open, run and check the model; only then threads are made for it.

        Raises:
            GanlibError: it does not run.
        """
        open_model = self._source.open(name, meaning)
        # The first runs of a session, which allocate, are over then, too.
        share = rows_are_independent(open_model.model)
        engine = Engine(
            open_model.model, window=self._window, share=share, observe=lambda rows: self._metrics.block(name, rows)
        )
        return LoadedModel(name, meaning, open_model, engine, datetime.now(UTC).isoformat(timespec="seconds"))
