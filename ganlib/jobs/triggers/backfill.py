"""Retrain on earlier data versions, one after another, without touching the present one.

Each is restored from DVC's cache or remote into a folder of its own in the state folder, with the present settings and
code; runs, versions and decisions go to the project's MLflow.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from ganlib import config as configs
from ganlib import families as zoo
from ganlib.config import DataConfig, Params
from ganlib.core.errors import BadInput, GanlibError, Interrupted, Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import write_bytes
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.core.yaml_edit import lay_over
from ganlib.core.yaml_parse import parse_yaml
from ganlib.data.versioning import dvc_cache
from ganlib.data.versioning.state import STAGES, required
from ganlib.jobs.data.version_data import bring_back
from ganlib.jobs.retrain import retrain
from ganlib.jobs.triggers.situation import Cause
from ganlib.jobs.triggers.start import started
from ganlib.tracking.store import connect

_LEAST = 6  # letters that name a data version
_STORE = "MLFLOW_TRACKING_URI"


class OldVersion(Record):
    """A data version that was committed."""

    md5: str
    commit: str
    time: str
    """Of the commit, ISO 8601."""


class BackfillRow(Record):
    """What came of one data version."""

    data_version: str
    commit: str
    time: str
    outcome: str
    """``to be trained`` in a plan; else the version that was registered, or why there is none."""
    failed: bool = False


class Backfill(Record):
    """What came of all of them, oldest first."""

    rows: tuple[BackfillRow, ...]

    @property
    def summary(self) -> str:
        """For people, a line each."""
        return "\n".join(f"{row.data_version[:12]}  {row.time[:10]}  {row.outcome}" for row in self.rows)


def choose(project: Project, span: str) -> list[OldVersion]:
    """Return the data versions from A to B of ``span``, ``A..B``, oldest first; either may be left out.

    A and B are the beginnings of the md5 of data versions that were committed with ``dvc.lock``. One alone is itself.

    Raises:
        BadInput: there is no such data version; those that there are, are named.
    """
    versions = _committed(project)
    first, dots, last = span.partition("..")
    begin = _place(versions, first) if first else 0
    end = _place(versions, last) if last else (len(versions) - 1 if dots else begin)
    if begin > end:
        raise BadInput(f"--data-versions {span}: {last} was committed before {first}. Write the older one first.")
    return versions[begin : end + 1]


def backfill(
    project: Project,
    params: Params,
    span: str,
    *,
    families: Sequence[str] | None = None,
    budget: str | None = None,
    overrides: Sequence[str] = (),
    dry_run: bool = False,
    report: Report = silent,
) -> Backfill:
    """Retrain on each data version of ``span`` that was not retrained on with these settings and this code.

    One that cannot be restored or fails does not hinder the others.

    Args:
        project: the checkout, whose data, params.yaml and dvc.lock stay as they are.
        params: its configuration, of which only the section ``data`` is that of the data version.
        span: see :func:`choose`.
        families: what to train; default: ``train.families``.
        budget: a row of ``budgets``; default: ``train.budget``.
        overrides: over params.yaml.
        dry_run: only say which data versions they are.
        report: told of progress.

    Raises:
        BadInput: there is no such data version, family or budget.
        Unavailable: MLflow does not answer, or went away; what was done is kept.
    """
    row, names = params.require_budget(budget), zoo.require_all(families or params.train.families)
    rows: list[BackfillRow] = []
    store = connect(project)
    for version in choose(project, span):
        fields = {"data_version": version.md5, "commit": version.commit, "time": version.time}
        if dry_run:
            rows.append(BackfillRow(**fields, outcome="to be trained"))
            continue
        try:
            with _checkout(project, version, store.uri) as side:
                outcome = _train(project, side, params, version, names, row, overrides, report)
            rows.append(BackfillRow(**fields, outcome=outcome))
        except (Unavailable, Interrupted):
            raise
        except GanlibError as error:
            rows.append(BackfillRow(**fields, outcome=str(error), failed=True))
        report.event(Remark("backfill", {version.md5[:12]: rows[-1].outcome}))
    return Backfill(rows=tuple(rows))


def _train(
    project: Project,
    side: Project,
    params: Params,
    version: OldVersion,
    names: Sequence[str],
    row: str,
    overrides: Sequence[str],
    report: Report,
) -> str:
    """Retrain in the folder of the old data version; what came of it, in words."""
    settings = configs.load(side.params_file, overrides)
    if settings.registry.model != params.registry.model:
        raise BadInput(f"it is of another data set, whose models are {settings.registry.model}: not trained.")
    data = bring_back(side, report)
    cause = Cause(name="backfill", reason=f"of data version {version.md5[:12]}, from {project.root.name}")
    with started(side, settings, names, row, data.md5, (cause,)) as start:
        if start.why_not:
            return f"nothing to do: {start.why_not}"
        result = retrain(side, settings, families=names, budget=row, overrides=overrides, data=data, report=report)
        start.detail = result.decision.summary().splitlines()[0]
    return start.detail


@contextmanager
def _checkout(project: Project, version: OldVersion, uri: str) -> Iterator[Project]:
    """Provide a folder with the old data version's settings and ``dvc.lock``, on this project's cache and MLflow."""
    root = project.state / "backfill" / version.md5[:12]
    shutil.rmtree(root, ignore_errors=True)
    side, before = Project(root), os.environ.get(_STORE)
    lock = _git(project, "show", f"{version.commit}:./dvc.lock")
    write_bytes(root / "dvc.lock", lock.encode())
    values = {key: value for stage in STAGES for key, value in required(side, stage).params.items()}
    present = configs.load(project.params_file).data.model_dump(mode="json")
    data = configs.parse(
        DataConfig, present | {key.removeprefix("data."): value for key, value in values.items()}, "data"
    )
    text = project.params_file.read_text(encoding="utf-8")
    write_bytes(side.params_file, lay_over(text, {"data": data.model_dump(mode="json")}).encode())
    shutil.copyfile(project.root / "dvc.yaml", root / "dvc.yaml")
    (root / "data").mkdir()
    (root / "ganlib").symlink_to(project.root / "ganlib")  # what DVC's stage of a judge depends on
    _configure_dvc(project, root / ".dvc")
    os.environ[_STORE] = uri
    try:
        yield side
    finally:
        if before is None:
            os.environ.pop(_STORE, None)
        else:
            os.environ[_STORE] = before
        shutil.rmtree(root, ignore_errors=True)


def _configure_dvc(project: Project, folder: Path) -> None:
    """Write DVC's configuration for another folder: the same cache and remote, by absolute paths, and no git."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read([project.root / ".dvc" / name for name in ("config", "config.local")], encoding="utf-8")
    changes = {"core": {"no_scm": "true"}, "cache": {"dir": str(dvc_cache.cache(project).root)}}
    if remote := dvc_cache.local_remote(project):
        changes[f"'remote \"{parser.get('core', 'remote')}\"'"] = {"url": str(remote.root)}
    for section, values in changes.items():
        if not parser.has_section(section):
            parser.add_section(section)
        for key, value in values.items():
            parser.set(section, key, value)
    folder.mkdir()
    with (folder / "config").open("w", encoding="utf-8") as stream:
        parser.write(stream)


def _committed(project: Project) -> list[OldVersion]:
    """The data versions in git's history of ``dvc.lock``, oldest first; one that came back later counts once."""
    versions: dict[str, OldVersion] = {}
    for line in _git(project, "log", "--reverse", "--format=%H %cI", "--", "dvc.lock").splitlines():
        commit, time = line.split()
        try:
            lock = parse_yaml(_git(project, "show", f"{commit}:./dvc.lock"))
            md5 = str(lock["stages"]["prepare"]["outs"][0]["md5"])
        except (BadInput, yaml.YAMLError, LookupError, TypeError):
            continue  # it was deleted by this commit, or is no lock file
        versions.setdefault(md5, OldVersion(md5=md5, commit=commit, time=time))
    return list(versions.values())


def _place(versions: Sequence[OldVersion], text: str) -> int:
    places = [place for place, version in enumerate(versions) if version.md5.startswith(text)]
    if len(text) < _LEAST or len(places) != 1:
        names = ", ".join(version.md5[:12] for version in versions) or "none"
        raise BadInput(
            f"no data version {text!r} (of {_LEAST} letters at least) was committed with dvc.lock; there are: {names}."
        )
    return places[0]


def _git(project: Project, *words: str) -> str:
    try:
        command = ["git", "-C", str(project.root), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        words_of_git = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1:]
        raise BadInput(f"git does not tell earlier data versions: {' '.join(words_of_git)}") from error
