"""The connection to MLflow: which store, whether it answers, and its errors in our words.

Only clients with explicit run ids are used. MLflow's fluent "active run" is local to a thread, and orchestrators
run tasks in threads.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ganlib import config
from ganlib.core import processes
from ganlib.core.errors import BadInput, ReadOnly, Unavailable
from ganlib.core.files import explained
from ganlib.core.locks import hold_if_writable
from ganlib.core.progress import doing
from ganlib.core.project import Project
from ganlib.core.proxies import spare_loopback, through
from ganlib.core.redact import redacted
from ganlib.core.startup import gc_paused
from ganlib.tracking import database, place
from ganlib.tracking.failures import Absent as Absent
from ganlib.tracking.failures import translate

if TYPE_CHECKING:
    from mlflow import MlflowClient

# An unreachable server is to be reported in seconds; MLflow's own retries take minutes.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # By the server: or else it hands out links to its S3, by a name and on a network that may be its own alone.
    **dict.fromkeys(("MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD", "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"), "false"),
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # standard output is for results
    "GIT_PYTHON_REFRESH": "quiet",
}
_ENVIRONMENT_LOCK = threading.Lock()


class MlflowStore:
    """One MLflow tracking server or database that answered when it was connected to."""

    def __init__(self, project: Project, uri: str, client: MlflowClient) -> None:
        """Use :func:`connect`."""
        self.project, self.uri, self.client = project, uri, client
        self.display_uri = redacted(uri)
        """Its URI for people: without a password."""

    @property
    def database_uri(self) -> str | None:
        """The database behind it; None where that is another's server, which gives it to nobody."""
        if not self.uri.startswith("http"):
            return self.uri
        own = config.servers(self.project).mlflow_database or self.project.database
        return own if self.uri == served(self.project) else None

    def select(self) -> None:
        """Make this the store of MLflow calls that take no client: logging and loading models."""
        _select(self.uri)

    def require_writable(self) -> None:
        """Check that the database may be written, before something is written beside it.

        Its artifacts may lie where they can be written all the same: those of a read-only copy, in the original.

        Raises:
            ReadOnly: it is a file that may only be read.
        """
        path = self.uri.removeprefix("sqlite:///")
        if path != self.uri and not os.access(path, os.W_OK):
            raise ReadOnly(
                f"{path} may only be read (permission denied, or a read-only file system). Nothing was changed."
            )

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn MLflow's exceptions, and those of its artifact store, into ours.

        Raises:
            Absent: the thing asked for does not exist.
            Unavailable: the store does not answer, or failed for a reason of its own.
            NoSpace: a disk of this machine is full.
            ReadOnly: a file of this machine may not be written.
            BadInput: it refused, or cannot be used, for a reason that waiting does not mend.
            GanlibError: it refused what was asked of it.
        """
        with _translated(self.project, self.display_uri):
            yield

    def experiment(self, name: str) -> str:
        """Return the id of experiment ``name``, made if need be; under `mlflow run`, the experiment of that run."""
        if os.environ.get("MLFLOW_RUN_ID") and (experiment_id := os.environ.get("MLFLOW_EXPERIMENT_ID")):
            return experiment_id
        return self.named_experiment(name)

    def named_experiment(self, name: str) -> str:
        """Return the id of the experiment that is called ``name``, made if need be.

        Raises:
            BadInput: it was deleted.
        """
        from mlflow.exceptions import MlflowException

        with self.translate_errors():
            existing = self.client.get_experiment_by_name(name)
            if existing is None:
                # A database has no say in where artifacts go; a server has.
                where = None if self.uri.startswith("http") else artifact_root(self.project)
                try:
                    return str(self.client.create_experiment(name, artifact_location=where))
                except MlflowException:  # perhaps because another process made it in between
                    if (existing := self.client.get_experiment_by_name(name)) is None:
                        raise
        if existing.lifecycle_stage != "active":
            raise BadInput(f"experiment {name!r} was deleted in MLflow: restore it there, or set registry.experiment.")
        return str(existing.experiment_id)

    def run_record(self, run_id: str) -> Any:
        """MLflow's record of run ``run_id``.

        Raises:
            Absent: there is no such run.
        """
        from mlflow.exceptions import MlflowException

        with self.translate_errors():
            try:
                return self.client.get_run(run_id)
            except MlflowException as error:
                if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    raise
                raise Absent(
                    f"there is no run {run_id!r} in MLflow. `ganlib train` prints the id of its run, and MLflow's page "
                    "shows all of them: make ui"
                ) from error

    def artifact_bytes(self, uri: str) -> int:
        """Return the number of bytes of all files under ``uri``."""
        return sum(size for _, size in self._files(uri))

    def remove_artifacts(self, uri: str) -> None:
        """Delete all files under ``uri``."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with self.translate_errors():
            repository = get_artifact_repository(uri, self.uri)
            for path in {path.split("/")[0] for path, _ in self._files(uri)}:
                repository.delete_artifacts(path)

    def _files(self, uri: str) -> list[tuple[str, int]]:
        """Path under ``uri`` and size of each file."""
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        files: list[tuple[str, int]] = []
        with self.translate_errors():
            repository = get_artifact_repository(uri, self.uri)
            folders: list[str | None] = [None]
            while folders:
                for entry in repository.list_artifacts(folders.pop()):
                    if entry.is_dir:
                        folders.append(entry.path)
                    else:
                        files.append((entry.path, entry.file_size or 0))
        return files

    def artifact_places(self) -> Iterator[tuple[str, list[str]]]:
        """Of each experiment, deleted ones too: its artifact location, and those of its runs and logged models."""
        from mlflow.entities import ViewType

        def runs(page: str | None) -> Any:
            return self.client.search_runs(
                [experiment.experiment_id], run_view_type=ViewType.ALL, max_results=1000, page_token=page
            )

        def models(page: str | None) -> Any:
            return self.client.search_logged_models([experiment.experiment_id], max_results=50, page_token=page)

        with self.translate_errors():
            experiments = self.client.search_experiments(view_type=ViewType.ALL)
        for experiment in experiments:
            places = []
            for search in (runs, models):
                token = None
                while True:
                    with self.translate_errors():
                        page = search(token)
                    places += [entry.info.artifact_uri if search is runs else entry.artifact_location for entry in page]
                    token = page.token
                    if not token:
                        break
            yield experiment.artifact_location, places

    def download(self, run_id: str, artifact: str, folder: Path) -> Path:
        """Fetch ``artifact`` of a run into a new folder under ``folder``.

        Raises:
            Absent: no such run or artifact.
        """
        with explained(folder, 0):
            folder.mkdir(parents=True, exist_ok=True)
        self.run_record(run_id)
        missing = Absent(f"run {run_id} has no artifact {artifact}.")
        try:
            with self.translate_errors():
                try:
                    return Path(self.client.download_artifacts(run_id, artifact, tempfile.mkdtemp(dir=folder)))
                except (FileNotFoundError, IsADirectoryError) as error:
                    raise missing from error
        except Absent as error:  # in MLflow's words
            with self.translate_errors():  # a bucket that is gone says of each file that it is not there
                self.client.list_artifacts(run_id)
            raise missing from error


@doing("connect to MLflow")
def connect(project: Project, uri: str | None = None) -> MlflowStore:
    """Connect to ``uri``, else $MLFLOW_TRACKING_URI, else the team's server that ``services.mlflow`` names.

    Without any of these to the server of `make up` if it runs, else to its database: that of ``services.database``, or
    ``mlflow.db``, which with ``mlruns`` is MLflow's own default in the project's root: `mlflow ui` there sees the same.

    Raises:
        Unavailable: the server does not answer within ten seconds; the URL is named.
        BadInput: it answers, and cannot be used as it is: wrong password, damaged, made by another MLflow.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    spare_loopback()
    with _ENVIRONMENT_LOCK:
        chosen_uri = _without_password(uri) if uri else os.environ.get("MLFLOW_TRACKING_URI")
        if not uri and chosen_uri:  # for all children, too
            chosen_uri = os.environ["MLFLOW_TRACKING_URI"] = _without_password(chosen_uri)
    chosen_uri = chosen_uri or _by_settings(project)
    if chosen_uri.startswith("http"):
        _require_answer(chosen_uri)
    with gc_paused():
        import mlflow

    for name in ("mlflow", "alembic"):  # their news of table upgrades and samplers would tear our progress display
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("mlflow.store.db.utils", "mlflow.store.db"):  # prints the traceback of what it also raises
        logging.getLogger(name).setLevel(logging.CRITICAL)
    _select(chosen_uri)
    with _translated(project, redacted(chosen_uri)), gc_paused():  # a database's driver and tables
        prepare(project, chosen_uri)
        client = mlflow.MlflowClient(chosen_uri, chosen_uri)
        client.search_experiments(max_results=1)
    return MlflowStore(project, chosen_uri, client)


def _by_settings(project: Project) -> str:
    settings = config.servers(project)
    return settings.mlflow or served(project) or settings.mlflow_database or project.database


def artifact_root(project: Project) -> str:
    """Return the URI below which the experiments of an MLflow of ours keep their artifacts."""
    return config.servers(project).artifacts or project.artifacts


def prepare(project: Project, uri: str) -> None:
    """Make the database at ``uri`` if there is none; have the project's own name places in the project's folder.

    A server of the project's database is started after that.

    Raises:
        BadInput, Unavailable: it cannot be used (:func:`ganlib.tracking.database.prepare`).
    """
    path = database.path_of(uri)
    if path is None:
        database.require_answer(uri)
        return
    # Two that make one at once would trip over each other.
    lock = hold_if_writable(project.state / "mlflow.lock", what="process that prepares MLflow's database", patience=180)
    with lock, gc_paused():
        database.prepare(path, project)
        place.update_places(path, project)


@contextmanager
def _translated(project: Project, display_uri: str) -> Iterator[None]:
    """See :meth:`MlflowStore.translate_errors`."""
    try:
        yield
    except Exception as error:
        ours = translate(error, display_uri, project.root, project.state, project.root / "mlruns")
        if ours is None or ours is error:
            raise
        raise ours from error


def _without_password(uri: str) -> str:
    """A server's URL without user and password, which MLflow's client takes from the environment as well."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or not parts.username or not parts.password:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username)
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _select(uri: str) -> None:
    import mlflow

    with _ENVIRONMENT_LOCK:
        environment = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")}
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        # MLflow exports both, which would bind this process, and its children, to the first store for ever.
        for name, value in environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _require_answer(url: str) -> None:
    import requests

    try:
        answer = requests.get(f"{url.rstrip('/')}/health", timeout=(3, 5))
    except requests.RequestException as error:
        raise Unavailable(
            f"MLflow at {url}{through(url)} does not answer ({type(error).__name__}): is it up? "
            "(`make up`, services.mlflow in params.yaml, MLFLOW_TRACKING_URI) Nothing was changed."
        ) from error
    if answer.status_code >= 500:
        raise Unavailable(f"MLflow at {url}{through(url)} answers {answer.status_code}. Nothing was changed.")


def served(project: Project) -> str | None:
    """Return the URL of the server that `make up` started, if its process still lives; None: there is none."""
    try:
        entry: dict[str, Any] = json.loads((project.state / "services.json").read_text())["mlflow"]
        alive = project.began(entry) and processes.find(entry)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return str(entry["url"]) if alive else None
