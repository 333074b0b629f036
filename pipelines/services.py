"""`make up` and `make down`: MLflow, Prefect and the served deployments on loopback, or what a team's servers lack."""

from __future__ import annotations

import json
import os
import sys
import webbrowser
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Annotated, Any

import requests
import typer

from ganlib import config
from ganlib.cli.app import reporting, run, show
from ganlib.cli.options import Json
from ganlib.config import ServicesConfig
from ganlib.core import project as projects
from ganlib.core.errors import BadInput
from ganlib.core.locks import hold
from ganlib.core.progress import Report
from ganlib.core.project import Project
from ganlib.tracking.store import artifact_root, prepare
from pipelines import children, notes, ports, teams
from pipelines.environment import LOGIN_FILE, READY, login
from pipelines.notes import State
from pipelines.ports import HOST

SUPERVISOR = "supervisor"
"""What watches the others, and starts those again that end."""
_ORDER = ("mlflow", "prefect", "deployments", SUPERVISOR)

_Starter = Callable[[Report], dict[str, Any]]

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
    """Start what does not run yet, wait until it answers, and print the URLs.

    Servers that params.yaml names (services.mlflow, services.prefect) are a team's: they are only looked at.
    """
    project = projects.find()
    options = {"services.mlflow_port": mlflow_port, "services.prefect_port": prefect_port}
    _override([*(overrides or []), *(f"{key}={port}" for key, port in options.items() if port)])
    params = config.load(project.params_file)
    notes.require_private(project.state / LOGIN_FILE)
    teams.require(project, params.services)
    before = children.running(project)
    with reporting(as_json=as_json) as report:
        state = start(project, params.services, report)
    servers = teams.addresses(params.services, state)
    if open_browser:
        webbrowser.open(_registered_model(servers.mlflow, params.registry.model))
        webbrowser.open(servers.prefect.removesuffix("/api"))
    place_remarks = notes.not_moved(params.services, before)
    remarks = [*notes.left_as_is(project, state, before), *place_remarks, *_unlocked(project, state)]
    for note in remarks if as_json else ():
        typer.echo(json.dumps({"event": "note", "message": note}), err=True)
    lines = [*remarks, notes.export(project, servers.prefect), "stop them with: make down"]
    services = teams.entries(params.services) | state
    show(services, as_json=as_json, text=lambda: "\n".join([_table(services), *lines]))


@app.command()
def down(as_json: Json = False) -> None:
    """Stop what `up` started, with all its children."""
    names = stop(projects.find())
    show(names, as_json=as_json, text=lambda: f"stopped: {', '.join(names) or 'nothing was running'}")


@app.command()
def status(as_json: Json = False) -> None:
    """Show what runs."""
    state = children.running(projects.find())
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
    if "prefect" in state and login(project.state) and children.answers(f"{state['prefect']['url']}/api/admin/version"):
        return ["prefect was running already, and does not ask for the password: make down, then the same again"]
    return []


def start(project: Project, settings: ServicesConfig, report: Report) -> State:
    """Start what :func:`starters` has and does not run; each is waited for before the next.

    Raises:
        BadInput: a port is taken by a stranger. What this call started is stopped again.
        Unavailable: a service ended or did not answer in time; its log is named.
    """
    with alone(project):
        children.end_half_started(project)
        before = children.recorded(project)
        state = children.running(project)
        names = []
        begin_by_name = starters(project, settings, before, state)
        former = {name: entry for name, entry in before.items() if name in begin_by_name}
        try:
            for name, begin in begin_by_name.items():
                if name in state and _is_stale(name, settings, state):
                    # It would go on asking where nobody answers.
                    children.end(state.pop(name), alone=name == SUPERVISOR)
                if name not in state:
                    if name in before:
                        children.end(before[name])  # its children, if they outlived it: they would keep its port
                    state[name] = begin(report)
                    names.append(name)
                    children.record(project, _in_order(former | state))
                    children.starting_file(project).unlink()
                report.advance(name, 1, 1, {"url": state[name]["url"]} if "url" in state[name] else {})
        except BaseException:
            children.end_half_started(project)  # a Ctrl-C may come between a service's start and the wait for it
            for name in reversed(names):
                children.end(state.pop(name))
            children.record(project, _in_order(former | state))  # where the dead ones were, they are to be again
            raise
    return state


def alone(project: Project, patience: float = children.READY_SECONDS) -> AbstractContextManager[None]:
    """Let nobody else start or stop services meanwhile, waiting up to ``patience`` seconds for who does.

    Raises:
        Unavailable: somebody does for longer.
    """
    return hold(project.state / "services.lock", what="`make up` or `make down`", patience=patience)


def _in_order(state: State) -> State:
    """``state`` as services are started, the reverse of which is how they are ended."""
    return dict(sorted(state.items(), key=lambda item: _ORDER.index(item[0]) if item[0] in _ORDER else -1))


def _is_stale(name: str, settings: ServicesConfig, state: State) -> bool:
    """Whether a service that runs was started for other servers or settings than those of now."""
    if name == "deployments":
        here = [*teams.addresses(settings, state)]
        return bool(state[name].get("servers", here) != here)
    return name == SUPERVISOR and bool(state[name]["places"] != places(settings))


def places(settings: ServicesConfig) -> list[str | None]:
    """Return which servers and stores ``settings`` name: a supervisor that had others would start the wrong ones."""
    return [settings.mlflow, settings.prefect, settings.database, settings.artifacts]


def stop(project: Project) -> list[str]:
    """End all that runs: first who would start the others again, then the others, deployments first.

    Returns:
        The names of what was ended.
    """
    before = children.recorded(project)
    names = [SUPERVISOR] if SUPERVISOR in before and children.end(before[SUPERVISOR], alone=True) else []
    with alone(project):
        children.end_half_started(project)
        state = children.recorded(project)
        names += [name for name in reversed(state) if children.end(state[name])]
        children.record(project, {})
    return names


def starters(project: Project, settings: ServicesConfig, before: State, state: State) -> dict[str, _Starter]:
    """Return how each service is started that is not a team's.

    ``before`` is what was recorded, ``state`` grows as they start one by one.
    """
    python = [sys.executable, "-m"]

    def choose(name: str, port: int) -> tuple[int, str]:
        number = ports.choose(port, name, before.get(name, {}).get("url"))
        return number, f"http://{HOST}:{number}"

    def begin_mlflow(report: Report) -> dict[str, Any]:
        port, url = choose("mlflow", settings.mlflow_port)
        database = settings.mlflow_database or project.database
        prepare(project, database)  # which a server that is killed too early would leave half-made
        # Clients read and write artifacts in the same place whether they talk to the server or to the database.
        command = ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", database]
        command += ["--default-artifact-root", artifact_root(project), "--no-serve-artifacts"]
        # The job runner for GenAI features would take four fifths of the server's memory.
        own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        entry = children.spawn(project, "mlflow", python + command, own) | {"url": url}
        return children.await_ready(entry, lambda: children.answers(f"{url}/health"), "mlflow", report)

    def begin_prefect(report: Report) -> dict[str, Any]:
        port, url = choose("prefect", settings.prefect_port)
        # As settings, not options: the page takes its API's address from them.
        own = {"PREFECT_SERVER_API_HOST": HOST, "PREFECT_SERVER_API_PORT": str(port), "PREFECT_API_URL": f"{url}/api"}
        own |= login(project.state)
        entry = children.spawn(project, "prefect", [*python, "pipelines", "prefect_server"], own) | {"url": url}
        return children.await_ready(entry, lambda: children.answers(f"{url}/api/health"), "prefect", report)

    def begin_deployments(report: Report) -> dict[str, Any]:
        servers = teams.addresses(settings, state)
        own = {"PREFECT_API_URL": servers.prefect, "MLFLOW_TRACKING_URI": servers.mlflow} | login(project.state)
        (project.state / READY).unlink(missing_ok=True)
        entry = children.spawn(project, "deployments", [*python, "pipelines", "serve"], own)
        entry |= {"url": f"{servers.prefect.removesuffix('/api')}/deployments", "servers": [*servers]}
        return children.await_ready(entry, (project.state / READY).exists, "deployments", report)

    def begin_supervisor(report: Report) -> dict[str, Any]:
        entry = children.spawn(project, SUPERVISOR, [*python, "pipelines", SUPERVISOR], {})
        return entry | {"places": places(settings)}

    every = {"mlflow": begin_mlflow, "prefect": begin_prefect, "deployments": begin_deployments}
    every[SUPERVISOR] = begin_supervisor
    return {name: begin for name, begin in every.items() if not getattr(settings, name, None)}


def _registered_model(mlflow: str, name: str) -> str:
    """The page of the registered model, where people decide; MLflow's front page as long as there is none."""
    try:
        answer = requests.get(f"{mlflow}/api/2.0/mlflow/registered-models/get", params={"name": name}, timeout=10)
    except requests.RequestException:
        return mlflow
    return f"{mlflow}/#/models/{name}" if answer.ok else mlflow


def _table(state: State) -> str:
    return "\n".join(
        f"{name:12} {entry.get('url', '')}  "
        + (f"(pid {entry['pid']}, log {entry['log']})" if "pid" in entry else "(the team's)")
        for name, entry in state.items()
    )


def main() -> None:
    """Run the verb that the command line names."""
    run(app, "python -m pipelines services")
