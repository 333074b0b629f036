"""`make up` and `make down`: MLflow, Prefect and the served deployments on loopback, over SQLite."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import psutil
import requests
import typer

from ganlib import config
from ganlib.cli.app import reporting, run, show
from ganlib.cli.options import Json
from ganlib.config import ServicesConfig
from ganlib.core import processes
from ganlib.core import project as projects
from ganlib.core.errors import BadInput, Unavailable
from ganlib.core.events import Remark
from ganlib.core.files import write_json
from ganlib.core.locks import hold
from ganlib.core.progress import Report, doing
from ganlib.core.project import Project
from ganlib.tracking.store import prepare
from pipelines import notes, ports
from pipelines.environment import LOGIN_FILE, READY, login
from pipelines.notes import State
from pipelines.ports import HOST

_Starter = Callable[[Report], dict[str, Any]]
_READY_SECONDS = 180.0
_STOP_SECONDS = 15.0

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def up(
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the registered model and Prefect in a browser.")
    ] = False,
    mlflow_port: Annotated[str | None, typer.Option(help="Of MLflow; auto: any free one.")] = None,
    prefect_port: Annotated[str | None, typer.Option(help="Of Prefect; auto: any free one.")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Override one value of `services` in params.yaml (repeatable)."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start what does not run yet, wait until it answers, and print the URLs."""
    project = projects.find()
    options = {"services.mlflow_port": mlflow_port, "services.prefect_port": prefect_port}
    _override([*(overrides or []), *(f"{key}={port}" for key, port in options.items() if port)])
    params = config.load(project.params_file)
    notes.require_private(project.state / LOGIN_FILE)
    before = running(project)
    with reporting(as_json=as_json) as report:
        state = start(project, params.services, report)
    if open_browser:
        webbrowser.open(_registered_model(state["mlflow"]["url"], params.registry.model))
        webbrowser.open(state["prefect"]["url"])
    place_remarks = notes.not_moved(params.services, before)
    remarks = [*notes.left_as_is(project, state, before), *place_remarks, *_unlocked(project, state)]
    for note in remarks if as_json else ():
        typer.echo(json.dumps({"event": "note", "message": note}), err=True)
    lines = [*remarks, notes.export(project, state), "stop them with: make down"]
    show(state, as_json=as_json, text=lambda: "\n".join([_table(state), *lines]))


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what `up` started, with all its children."""
    names = stop(projects.find())
    show(names, as_json=as_json, text=lambda: f"stopped: {', '.join(names) or 'nothing was running'}")


@app.command()
def status(as_json: Json = False) -> None:
    """Show what runs."""
    state = running(projects.find())
    show(state, as_json=as_json, text=lambda: _table(state) if state else "nothing is running; start it with: make up")


def _override(changes: list[str]) -> None:
    """Make ``services.KEY=VALUE`` hold for this process and all that it starts.

    Raises:
        BadInput: another section, whose keys are each command's own.
    """
    for change in changes:
        name, _, value = change.partition("=")
        if not name.startswith("services."):
            raise BadInput(
                f"--set {change}: only keys of `services` mean anything here, as in services.mlflow_port=auto."
            )
        os.environ[f"{config.SERVICES}{name.removeprefix('services.').upper()}"] = value


def _unlocked(project: Project, state: State) -> list[str]:
    """Whether Prefect was started before there was a password."""
    if login(project.state) and _answers(f"{state['prefect']['url']}/api/admin/version"):
        return ["prefect was running already, and does not ask for the password: make down, then the same again"]
    return []


def start(project: Project, settings: ServicesConfig, report: Report) -> State:
    """Start MLflow, then Prefect, then the deployments; each is waited for before the next.

    Raises:
        BadInput: a port is taken by a stranger. What this call started is stopped again.
        Unavailable: a service ended or did not answer in time; its log is named.
    """
    with hold(project.state / "services.lock", what="`make up` or `make down`", patience=_READY_SECONDS):
        end_half_started(project)
        before = _recorded(project)
        state = running(project)
        names = []
        try:
            for name, begin in starters(project, settings, before, state).items():
                if name == "deployments" and name in state and _moved(before, state):
                    _end(state.pop(name))  # it would go on asking where nobody answers
                if name not in state:
                    if name in before:
                        _end(before[name])  # its children, if they outlived it: they would keep its port
                    state[name] = begin(report)
                    names.append(name)
                    write_json(_file(project), state)
                    starting_file(project).unlink()
                report.advance(name, 1, 1, {"url": state[name]["url"]})
        except BaseException:
            end_half_started(project)  # a Ctrl-C may come between a service's start and the wait for it
            for name in reversed(names):
                _end(state.pop(name))
            _record(project, state)
            raise
    return state


def _moved(before: State, state: State) -> bool:
    """Whether a server is somewhere else than it was before."""
    return any(before.get(name, state[name])["url"] != state[name]["url"] for name in ("mlflow", "prefect"))


def running(project: Project) -> State:
    """Return what `up` started here and still lives."""
    return {name: entry for name, entry in _recorded(project).items() if project.began(entry) and _process(entry)}


def stop(project: Project) -> list[str]:
    """End all that runs, deployments first; names of what was ended."""
    with hold(project.state / "services.lock", what="`make up` or `make down`", patience=_READY_SECONDS):
        end_half_started(project)
        state = _recorded(project)
        names = [name for name in reversed(state) if _end(state[name])]
        _record(project, {})
    return names


def _recorded(project: Project) -> State:
    try:
        state: State = json.loads(_file(project).read_text())
    except (OSError, ValueError):
        return {}
    return {name: entry for name, entry in state.items() if not _of_original(project, entry)}


def _of_original(project: Project, entry: dict[str, Any]) -> bool:
    """Whether this folder is a copy, and ``entry`` of the project that it was copied from: not ours to end."""
    return not project.began(entry) and Path(entry["root"]).exists()


def _record(project: Project, state: State) -> None:
    if state:
        write_json(_file(project), state)
    else:
        _file(project).unlink(missing_ok=True)


def starters(project: Project, settings: ServicesConfig, before: State, state: State) -> dict[str, _Starter]:
    """Return how each is started; ``before`` is what was recorded, ``state`` grows as they start one by one."""
    python = [sys.executable, "-m"]

    def choose(name: str, port: int) -> tuple[int, str]:
        number = ports.choose(port, name, before.get(name, {}).get("url"))
        return number, f"http://{HOST}:{number}"

    def begin_mlflow(report: Report) -> dict[str, Any]:
        port, url = choose("mlflow", settings.mlflow_port)
        prepare(project, project.database)  # which a server that is killed too early would leave half-made
        # Clients read and write artifacts in the same folder whether they talk to the server or to the database.
        command = ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", project.database]
        command += ["--default-artifact-root", project.artifacts, "--no-serve-artifacts"]
        # The job runner for GenAI features would take four fifths of the server's memory.
        entry = spawn(project, "mlflow", python + command, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"})
        return await_ready(entry | {"url": url}, lambda: _answers(f"{url}/health"), "mlflow", report)

    def begin_prefect(report: Report) -> dict[str, Any]:
        port, url = choose("prefect", settings.prefect_port)
        # As settings, not options: the page takes its API's address from them.
        own = {"PREFECT_SERVER_API_HOST": HOST, "PREFECT_SERVER_API_PORT": str(port), "PREFECT_API_URL": f"{url}/api"}
        entry = spawn(project, "prefect", [*python, "pipelines", "prefect_server"], own | login(project.state))
        return await_ready(entry | {"url": url}, lambda: _answers(f"{url}/api/health"), "prefect", report)

    def begin_deployments(report: Report) -> dict[str, Any]:
        url = state["prefect"]["url"]
        clients = {"PREFECT_API_URL": f"{url}/api", "MLFLOW_TRACKING_URI": state["mlflow"]["url"]}
        (project.state / READY).unlink(missing_ok=True)
        entry = spawn(project, "deployments", [*python, "pipelines", "serve"], clients | login(project.state))
        return await_ready(entry | {"url": f"{url}/deployments"}, (project.state / READY).exists, "deployments", report)

    return {"mlflow": begin_mlflow, "prefect": begin_prefect, "deployments": begin_deployments}


def spawn(project: Project, name: str, command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Start ``command`` in a session of its own, so that it outlives this terminal, logging to a file."""
    log = project.state / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    with log.open("ab") as stream:
        child = subprocess.Popen(
            command,
            cwd=project.root,
            env={**os.environ, **environment, "PATH": search},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    entry = {**processes.identity(child.pid)._asdict(), "log": str(log), "root": str(project.root)}
    write_json(starting_file(project), entry)
    return entry


def await_ready(entry: dict[str, Any], ready: Callable[[], bool], name: str, report: Report) -> dict[str, Any]:
    """Wait until the service of ``entry`` is ready; end it if it does not become so."""
    report.event(Remark(name, {"note": "starting"}))
    try:
        with doing(f"start {name}"):
            _poll(entry, ready, name)
    except BaseException:  # Ctrl-C too, which does not reach the service: it has a session of its own
        _end(entry)
        raise
    return entry


def _poll(entry: dict[str, Any], ready: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not ready():
        if _process(entry) is None:
            raise Unavailable(f"{name} ended; see {entry['log']}. What was started has been stopped.")
        if time.monotonic() > deadline:
            raise Unavailable(f"{name} did not answer in time; see {entry['log']}. What was started has been stopped.")
        time.sleep(0.3)


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=3).ok
    except requests.RequestException:
        return False


def _registered_model(mlflow: str, name: str) -> str:
    """The page of the registered model, where people decide; MLflow's front page as long as there is none."""
    try:
        answer = requests.get(f"{mlflow}/api/2.0/mlflow/registered-models/get", params={"name": name}, timeout=10)
    except requests.RequestException:
        return mlflow
    return f"{mlflow}/#/models/{name}" if answer.ok else mlflow


def _process(entry: dict[str, Any]) -> psutil.Process | None:
    """The process of ``entry`` if it lives and is still the same one."""
    return processes.find(entry)


def _family(entry: dict[str, Any]) -> list[psutil.Process]:
    """The process of ``entry``, all its children, and what is left of its session if it was killed itself."""
    leader = _process(entry)
    if processes.elsewhere(entry) or processes.rebooted(entry):
        return []
    if leader is None and psutil.pid_exists(entry["pid"]):
        return []  # the number is a stranger's now, so the session has ended too
    family = [*leader.children(recursive=True), leader] if leader else []
    return [*family, *(one for one in psutil.process_iter() if one not in family and _session(one) == entry["pid"])]


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def _end(entry: dict[str, Any]) -> bool:
    """SIGTERM to the whole family, so that trainings save their state, and SIGKILL to what remains.

    Returns:
        Whether there was anything to end.
    """
    family = _family(entry)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.send_signal(signal.SIGTERM)
    _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for one in alive:
        one.kill()
    psutil.wait_procs(alive, timeout=5)
    return bool(family)


def end_half_started(project: Project) -> None:
    """End what an `up` that was killed had started and not yet recorded: it would keep its port."""
    if starting_file(project).exists():
        entry = json.loads(starting_file(project).read_text())
        if not _of_original(project, entry):
            _end(entry)
        starting_file(project).unlink()


def starting_file(project: Project) -> Path:
    """Return where a service is recorded that was started and is not ready yet."""
    return project.state / "service-starting.json"


def _file(project: Project) -> Path:
    return project.state / "services.json"


def _table(state: State) -> str:
    return "\n".join(
        f"{name:12} {entry['url']}  (pid {entry['pid']}, log {entry['log']})" for name, entry in state.items()
    )


def main() -> None:
    """Run the verb that the command line names."""
    run(app, "python -m pipelines services")
