"""Serve models over HTTP: by alias, followed as it moves, or by version, run or file, which stay what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from ganlib.config import ANONYMOUS, Params, ServeConfig
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.jobs.models import Model, fetch_to_use
from ganlib.registry.champion import Champion
from ganlib.registry.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from ganlib.serving.pool import OpenModel
from ganlib.tracking.store import Absent, MlflowStore, connect


class Serving(Record):
    """What is served where."""

    url: str
    models: dict[str, str]
    """sha256 by name; the first is the default."""


class ServedModels:
    """The models that a server was asked for, and, with an alias, the other aliases that decisions move."""

    def __init__(
        self,
        project: Project | None,
        params: Params | None,
        references: Sequence[str],
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Resolve ``references``, each as :func:`ganlib.jobs.models.fetch_to_use` takes it.

        ``tell`` gets a line where the champion that is served is not the one that the alias names.

        Raises:
            BadInput: nothing of that name, or two of the same.
            Unavailable: the registry cannot be reached.
        """
        self._project, self._params = project, params
        self._registries: dict[str, Registry] = {}
        self._champions: dict[str, Champion] = {}
        self._tell, self._last_notes = tell, dict[str, str]()
        self._constant_models: dict[str, Model] = {}
        self._aliases: dict[str, tuple[str, str]] = {}
        self._order: list[str] = []
        for reference in references:
            model = fetch_to_use(project, params, reference)
            alias = _alias(model)
            name = alias or _name(model)
            if name in self._order:
                raise BadInput(f"two of the models are called {name!r}: name each once.")
            self._order.append(name)
            if alias and model.version:
                self._aliases[alias] = (model.version.name, alias)
            else:
                self._constant_models[name] = model
        for registered_name in dict.fromkeys(registered_name for registered_name, _ in self._aliases.values()):
            for alias in (CHAMPION, CHALLENGER, PREVIOUS):
                self._aliases.setdefault(alias, (registered_name, alias))

    def look(self) -> Mapping[str, str]:
        """See :class:`ganlib.serving.pool.ModelSource`: a version's URI, or a digest."""
        digests = {name: model.sha256 for name, model in self._constant_models.items()}
        targets = {
            name: self._targets(name) for name in {registered_name for registered_name, _ in self._aliases.values()}
        }
        for name, (registered_name, alias) in self._aliases.items():
            if alias in targets[registered_name]:
                digests[name] = f"models:/{registered_name}/{targets[registered_name][alias]}"
        return {name: digests[name] for name in [*self._order, *digests] if name in digests}

    def open(self, name: str, meaning: str) -> OpenModel:
        """See :class:`ganlib.serving.pool.ModelSource`."""
        from ganlib.generation.session import OnnxModel

        model = self._constant_models.get(name) or fetch_to_use(self._project, self._params, meaning)
        version = model.version
        return OpenModel(
            OnnxModel(model.path, sha256=model.sha256),
            # Of a file its name alone: where it lies here is nobody's business.
            "models:/{}@{}".format(*self._aliases[name]) if name in self._aliases else Path(model.reference).name,
            registered_model=version.name if version else None,
            version=version.version if version else None,
            run_id=model.trained_by,
        )

    def _targets(self, registered_name: str) -> Mapping[str, int]:
        if registered_name not in self._registries:
            self._registries[registered_name] = Registry(self._store(), registered_name)
        registry = self._registries[registered_name]
        targets = registry.aliases()
        if self._params:
            targets.pop(CHAMPION, None)  # that name is earned
            with suppress(Absent):
                targets[CHAMPION] = self._earned(registry, self._params)
        return targets

    def _earned(self, registry: Registry, params: Params) -> int:
        """The version that ``champion`` means; it is said once where the alias is on another."""
        choice = self._champions.setdefault(registry.name, Champion(registry, params)).choose()
        if choice.note not in ("", self._last_notes.get(registry.name)):
            self._tell(choice.note)
        self._last_notes[registry.name] = choice.note
        return choice.version.version

    def _store(self) -> MlflowStore:
        assert self._project is not None  # noqa: S101  (an alias was resolved, for which there is a project)
        return connect(self._project)


def _alias(model: Model) -> str | None:
    """The alias by which ``model`` was named, if it was by one; the champion need not have it at the moment."""
    alias = model.reference.rpartition("@")[2]
    return alias if model.version and alias in (CHAMPION, *model.version.aliases) else None


def _name(model: Model) -> str:
    """What a model that is no alias is called in requests."""
    if model.version:
        return f"v{model.version.version}"
    return model.reference if model.run_id else Path(model.reference).name


def serve(
    project: Project | None,
    params: Params | None,
    models: Sequence[str],
    *,
    host: str | None = None,
    port: int | None = None,
    index: Path | None = None,
    on_start: Callable[[Serving], None] = lambda serving: None,
    tell: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve ``models`` until SIGTERM or SIGINT; the first is the default.

    Args:
        project: as for :func:`ganlib.jobs.models.fetch_to_use`.
        params: the same; ``serve`` in it has the limits.
        models: references; with an alias, champion, challenger and previous are served too where they exist.
        host: None: as ``serve.host`` says.
        port: None: as ``serve.port`` says; 0: any free one.
        index: of :func:`ganlib.generation.detection.index.update`: where pictures that people send are looked up.
        on_start: called once requests are answered.
        tell: given a line for each change that an operator should know of.

    Raises:
        BadInput: no such model or index, or the port is taken.
        Unavailable: the registry cannot be reached. Once a server has started, it does not need it.
    """
    from ganlib.generation.detection.index import ImageIndex
    from ganlib.generation.mark import note
    from ganlib.serving import app, server
    from ganlib.serving.metrics import Metrics
    from ganlib.serving.pool import AliasWatcher, ModelPool
    from ganlib.serving.shared import Server

    limits = params.serve if params else ServeConfig()
    limits = limits.model_copy(update={"host": limits.host if host is None else host})
    # Before anything is loaded: a port that is taken is told at once.
    bound = server.listen(limits.host, limits.port if port is None else port)
    with bound, ImageIndex(index, names_only=True) if index else nullcontext() as images:
        pool, metrics, mark = ModelPool(), Metrics(), params.mark if params else ANONYMOUS
        watcher = AliasWatcher(
            ServedModels(project, params, models, tell), pool, metrics,
            window=limits.window_ms / 1000, every=limits.poll_seconds, patience=limits.registry_seconds, tell=tell,
        )  # fmt: skip
        watcher.fill()
        if text := note(mark):
            tell(text)
        watcher.start()
        announcement = Serving(url=server.url(bound), models={each.name: each.model.sha256 for each in pool.all()})
        app_server = Server(pool, watcher, metrics, limits, mark, images)
        try:
            server.run(app.create(app_server), app_server, bound, on_start=lambda end: on_start(announcement))
        finally:
            watcher.stop()
            pool.close()
