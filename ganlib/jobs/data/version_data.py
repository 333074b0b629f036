"""Make, check and describe the data version: DVC's stages fetch -> prepare, their bytes, the remote."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ganlib import config as configs
from ganlib.config import DataConfig
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import require_space, write_bytes
from ganlib.core.progress import Report, doing, silent
from ganlib.core.project import Project
from ganlib.core.yaml_edit import lay_over
from ganlib.data import fetch, known
from ganlib.data.divide import classes_without, divide
from ganlib.data.importing.files import locate
from ganlib.data.importing.layout import Source
from ganlib.data.importing.names import own_name
from ganlib.data.importing.picture import listed
from ganlib.data.importing.record import ImportReport
from ganlib.data.raw import MNIST_SOURCE, read_raw, read_report
from ganlib.data.versioning import dvc_cache, state
from ganlib.data.versioning.dvc import Dvc, exclusive, keep_lock_file, pinned, without_git
from ganlib.data.versioning.record import DataVersion
from ganlib.data.versioning.state import STAGES, Damage

_COPIES = 5  # of the arrays that are made of an import: prepared, and twice two in DVC's cache and a local remote
_ROOM = 400_000_000  # bytes: raw and prepared MNIST, in the tree, in DVC's cache and in a local remote


def version_data(
    project: Project,
    *,
    source: Path | None = None,
    options: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> DataVersion:
    """Bring ``data/`` to what ``params.yaml`` asks for, verified, recorded in ``dvc.lock`` and pushed.

    What DVC has in its cache or default remote is restored, the rest is fetched and prepared. Nothing is done
    where nothing changed. Damaged files are set aside and made again.

    Args:
        project: the checkout.
        source: make this place or known data set the data source: written to ``params.yaml``.
        options: keys of ``data`` in ``params.yaml`` that are to be changed with it, such as ``size``.
        report: told of progress and of everything that was repaired or skipped, with reasons.

    Raises:
        BadInput: the source cannot be used; nothing was changed.
        Corrupt: bytes are damaged and could not be restored.
        Unavailable: a known data set or the remote cannot be reached, or another DVC process does not end.
    """
    if without_git(project):
        report.event(Remark("git", {"note": "none here: the data version has no revision"}))
    before = recorded_md5(project)
    with exclusive(project) as dvc:
        values = new_values(project, source, options or {})
        if not values:
            _require_same_folder(project, report)
            _bring(project, dvc, report)
        else:
            with _adopted(project, values, report):
                _bring(project, dvc, report)
        _push(project, dvc, report)
        data = state.describe(project)
        if values or data.md5 != before:
            _tell(project, data, report)
        return data


@doing("check the data")
def current_data(project: Project) -> DataVersion:
    """Return the data version that a job which starts now reads; the prepared files are hashed (0.2 s).

    Raises:
        BadInput: there is none, or it is not what ``params.yaml`` asks for.
        Corrupt: a file is damaged.
    """
    _require_asked_for(project)
    _raise_first(project, state.damages(project, "prepare"))
    return state.describe(project)


@doing("hash the data, DVC's cache and its remote")
def verify_data(project: Project) -> DataVersion:
    """Hash everything: raw and prepared files, DVC's cache, a local default remote, and a user's own folder.

    Raises:
        BadInput, Corrupt: as :func:`current_data`; the first bad file is named. Nothing is repaired.
    """
    _require_asked_for(project)
    for stage in STAGES:
        _raise_first(project, state.damages(project, stage))
    _raise_first(project, list(state.object_damages(project)))
    _require_same_folder(project, silent)
    return state.describe(project)


def bring_back(project: Project, report: Report = silent) -> DataVersion:
    """Restore the data version that ``dvc.lock`` records from DVC's cache or remote, and return it; none is made.

    Raises:
        BadInput: it is in neither of them.
        Unavailable: another DVC process does not end.
    """
    with exclusive(project) as dvc:
        _restore(project, dvc, report)
    return current_data(project)


def recorded_md5(project: Project) -> str | None:
    """Return the md5 of the data version in ``dvc.lock``; None if there is none that can be read."""
    try:
        pin = pinned(project, "prepare")
    except BadInput:
        return None
    return pin.md5 if pin else None


def _bring(project: Project, dvc: Dvc, report: Report) -> None:
    """Restore, reproduce, check."""
    with keep_lock_file(project, report):
        whole = _restore(project, dvc, report)
        before = [pinned(project, stage) for stage in STAGES]
        dvc.run("repro", "prepare", report=report)
        if not whole or before != [pinned(project, stage) for stage in STAGES]:
            if _problems(project):
                # DVC has restored damaged bytes of another version from its cache: make that one anew, once.
                _restore(project, dvc, report)
                dvc.run("repro", "prepare", report=report)
            _raise_first(project, _problems(project))


def _tell(project: Project, data: DataVersion, report: Report) -> None:
    """What a person should know of the images before figures are believed."""
    if data.twins:
        report.event(Remark("twins", {"note": str(data.twins)}))


def _restore(project: Project, dvc: Dvc, report: Report) -> bool:
    """Get the pinned version back from cache or remote if the tree does not hold it; true if it now does."""
    if not all(pinned(project, stage) for stage in STAGES):
        require_space(project.root, _ROOM)
        return False
    if not _problems(project):
        return True
    require_space(project.root, _ROOM)
    for damage in state.object_damages(project):
        report.event(Remark("damaged copy removed", damage.facts()))
        damage.path.unlink()
    for damage in _problems(project):
        _set_aside(project, damage, report)
    md5s = [state.required(project, stage).md5 for stage in STAGES]
    remote = dvc_cache.local_remote(project)
    try:
        if all(map(dvc_cache.cache(project).holds, md5s)):
            dvc.run("checkout", "--force", *STAGES)
        elif remote is None or any(map(remote.holds, md5s)):
            dvc.run("pull", "--force", *STAGES)
    except GanlibError as error:
        report.event(Remark("restore", {"skipped": str(error)}))
    return not _problems(project)


def _problems(project: Project) -> list[Damage]:
    return [damage for stage in STAGES for damage in state.damages(project, stage)]


def _set_aside(project: Project, damage: Damage, report: Report) -> None:
    """Move a wrong file out of DVC's way instead of deleting it: it may be the user's."""
    if damage.actual is None or not damage.path.is_file():
        return
    copy = project.state / "set-aside" / damage.path.relative_to(project.root)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(damage.path, copy)
    report.event(Remark("not of the data version", {**damage.facts(), "moved to": str(copy)}))


def _push(project: Project, dvc: Dvc, report: Report) -> None:
    """Push, and look whether it arrived: DVC has been seen to call an incomplete remote up to date."""
    if not dvc_cache.has_remote(project):
        report.event(Remark("push", {"skipped": "DVC has no default remote"}))
        return
    remote = dvc_cache.local_remote(project)
    md5s = [state.required(project, stage).md5 for stage in STAGES]
    if remote is not None and all(map(remote.holds, md5s)):
        return
    if remote is not None:
        # DVC remembers folders that it pushed, and looks for their files only where the listing is gone.
        for md5 in md5s:
            if not remote.holds(md5):
                remote.path(md5).unlink(missing_ok=True)
    try:
        dvc.run("push", *STAGES)
    except GanlibError as error:
        kind = BadInput if isinstance(error, BadInput) else Unavailable  # a full disk, a refused password: no waiting
        raise kind(f"the data version is made and can be used here, but not pushed: {error}") from error
    if remote is not None and not all(map(remote.holds, md5s)):
        raise GanlibError(f"dvc push ended well, but {remote.root} lacks files. Run: ganlib data version")


@contextmanager
def _adopted(project: Project, values: Mapping[str, Any], report: Report) -> Iterator[None]:
    """Write ``values`` into params.yaml; put the old text back if what follows fails.

    The place is read, split and checked before anything is changed; the import is kept for the stage that wants it.
    """
    text = project.params_file.read_text(encoding="utf-8")
    params_text = lay_over(text, {"data": values})
    config = changed_config(project, values)
    cache = project.state / "cache"
    try:
        if config.source == MNIST_SOURCE:
            fetch.require_mnist_as_it_is(config)
        else:
            folder = fetch.stage(project.root, cache, config, report)
            raw, import_report = read_raw(folder, config), read_report(folder)
            absent = classes_without(raw, divide(raw, config).side)
            require_space(project.root, _COPIES * import_report.images * import_report.spec.image.nbytes)
            tell_import(import_report, absent, report)
        write_bytes(project.params_file, params_text.encode())
        try:
            yield
        except BaseException:
            write_bytes(project.params_file, text.encode())
            raise
    finally:
        shutil.rmtree(cache / "imports", ignore_errors=True)


def tell_import(import_report: ImportReport, absent: Mapping[str, Sequence[str]], report: Report) -> None:
    """Report what a person should know of an import before training on it; ``absent``: split -> classes it lacks."""
    for split, names in absent.items():
        report.event(Remark("splits", {"note": f"{split} has no image of {listed(names)}"}))
    if import_report.not_used:
        report.event(Remark("source", {"not used": import_report.not_used}))
    for aside in import_report.first_set_aside[:3]:
        report.event(Remark("set aside", {aside.name: aside.reason}))
    if import_report.set_aside > 3:
        report.event(Remark("set aside", {"note": f"{import_report.set_aside:,} pictures in all"}))
    for note in import_report.notes:
        report.event(Remark("source", {"note": note}))


def new_values(project: Project, source: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of ``data`` that are to change: those of a new source, and ``options``.

    Raises:
        BadInput: the place is of no known layout.
    """
    if source is None:
        return dict(options)
    where = source.expanduser().resolve()
    values: dict[str, Any]
    if str(source) in known.names() and not where.exists():
        values = {"source": str(source), "source_sha256": None}
        if str(source) == MNIST_SOURCE:  # which is taken as it is
            values |= {"size": None, "channels": "auto"}
    elif not locate(where)[0].exists():
        raise BadInput(f"data source {where} is not there, and known by name are only {', '.join(known.names())}.")
    else:
        digest = Source(where, configs.load(project.params_file).data.max_bytes).digest()
        values = {"source": _path_in_params(project, where), "source_sha256": digest, "name": own_name(str(where))}
    return {"name": None, **values, **options}


def changed_config(project: Project, values: Mapping[str, Any]) -> DataConfig:
    """Return ``data`` of params.yaml with ``values``; :class:`BadInput` for one that does not fit."""
    now = configs.load(project.params_file).data
    return configs.parse(DataConfig, {**now.model_dump(), **values}, "data")


def _path_in_params(project: Project, where: Path) -> str:
    """How params.yaml names the place ``where``: from the project's root if it is inside or beside it, so that both
    can be moved together."""
    beside = project.root.parent
    if where.is_relative_to(project.root):
        return where.relative_to(project.root).as_posix()
    if where.is_relative_to(beside) and beside != beside.parent:
        return (Path("..") / where.relative_to(beside)).as_posix()
    return str(where)


def _require_same_folder(project: Project, report: Report) -> None:
    """A user's place must still be what its recorded digest says; it may be gone, as DVC has its content."""
    config = configs.load(project.params_file).data
    if config.source in known.names():
        return
    where = fetch.user_place(project.root, config.source)
    if locate(where)[0].exists():
        fetch.required_source(project.root, config)
    else:
        report.event(Remark("source", {"note": f"{where} is not here: DVC's copy is used"}))


def _require_asked_for(project: Project) -> None:
    """``dvc.lock`` must have been made with the values that params.yaml has now."""
    config: DataConfig = configs.load(project.params_file).data
    for stage in STAGES:
        for name, made_with in state.required(project, stage).params.items():
            now = getattr(config, name.removeprefix("data."), None)
            if now != made_with:
                raise BadInput(
                    f"params.yaml has {name}: {now}, but the data was made with {made_with}. Run: ganlib data version"
                )


def _raise_first(project: Project, damages: list[Damage]) -> None:
    if damages:
        raise damages[0].error(project)
