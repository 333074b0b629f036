"""What every command shares: options, the project, output, and errors in one line."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ganlib.core import accounts, log_ids, progress, secret_files, threads, wording
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.events import Remark
from ganlib.core.files import as_user_error
from ganlib.core.project import NoProject
from ganlib.core.proxies import spare_loopback
from ganlib.core.redact import redacted

if TYPE_CHECKING:
    from ganlib.config import Params
    from ganlib.core.progress import Report
    from ganlib.core.project import Project

_Usage: Any = typer.BadParameter.__base__  # typer has no public name for it

# Set before torch, mlflow or dvc are imported, unless the user has said otherwise.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",  # Prefect's clients, and whatever else hears it
    "DVC_NO_ANALYTICS": "1",
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime's, of what is started from here as well
    "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",
}
_REMARKS: list[str] = []
"""What the first long command of this process tells about its surroundings."""


def set_environment_defaults() -> None:
    """Defaults for the libraries below us; what the user has set stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    accounts.set_defaults()
    spare_loopback()
    if (remark := threads.set_defaults()) is not None:
        _REMARKS.append(remark)


def open_project(overrides: list[str] | None = None) -> tuple[Project, Params]:
    """Return the project around the working folder and its configuration with ``overrides`` applied."""
    from ganlib import config
    from ganlib.core import project

    here = project.find()
    return here, config.load(here.params_file, overrides or [])


def perhaps_project(model: str | None, overrides: list[str] | None = None) -> tuple[Project | None, Params | None]:
    """Open the project around, if there is one: a bare graph needs none, but what was set must not be lost."""
    try:
        return open_project(overrides)
    except BadInput as error:
        from ganlib import pretrained
        from ganlib.jobs.models import needs_project

        asks = model is not None and needs_project(model) and not Path(model).exists()
        if asks and isinstance(error, NoProject):
            raise NoProject(f"{error} A model that ships with ganlib needs none: {pretrained.EXAMPLE}.") from None
        if asks or overrides:
            raise
        return None, None


def show(value: Any, *, as_json: bool, text: Callable[[], str]) -> None:
    """Print ``value`` (a pydantic record, or anything JSON takes) as JSON, or else what ``text`` gives."""
    if as_json:
        plain = value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        say(json.dumps(plain, indent=2, ensure_ascii=False))
    else:
        say(text())


def say(line: str, *, err: bool = False) -> None:
    """Print ``line``, on a terminal in place of what showed that the command is at work. Passwords are left out."""
    progress.unwatch()
    typer.echo(redacted(line), err=err)


@contextmanager
def reporting(*, as_json: bool) -> Iterator[Report]:
    """Provide the progress display of a long command."""
    with progress.console(as_json=as_json) as report:
        while _REMARKS:
            report.event(Remark("threads", {"note": _REMARKS.pop()}))
        yield report


def run(app: typer.Typer, name: str | None = None) -> None:
    """Run ``app`` on the command line, as ``name``; expected failures are one line on stderr and an exit code."""
    set_environment_defaults()
    log_ids.begin(name or "")
    progress.watch()
    try:
        _require_log_form()
        secret_files.read()
        code = app(prog_name=name, standalone_mode=False) or 0  # what typer.Exit was given
        if code == 130:  # typer has turned a Ctrl-C into this
            fail("interrupted; what was finished is kept, and the same command goes on or starts afresh.", code)
        sys.exit(code)
    except GanlibError as error:
        fail(str(error), error.exit_code)
    except _Usage as error:
        _misused(error)
    except BrokenPipeError:
        # The reader (head, less) has what it wanted; keep Python from complaining about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if (user_error := as_user_error(error, Path.cwd())) is None:
            raise
        fail(str(user_error), user_error.exit_code)
    finally:
        progress.unwatch()


def _require_log_form() -> None:
    """Have warnings be lines of the log's form.

    Raises:
        BadInput: GANLIB_LOG asks for one that there is not.
    """
    form = os.environ.get("GANLIB_LOG", "")
    if form not in ("", "json"):
        raise BadInput(
            f"GANLIB_LOG={form}: a log of JSON lines is GANLIB_LOG=json; without it there is the usual display."
        )
    if progress.wants_json():
        handler = logging.StreamHandler()
        handler.setFormatter(_JsonLines())
        logging.getLogger("ganlib").addHandler(handler)
        logging.getLogger("ganlib").propagate = False


class _JsonLines(logging.Formatter):
    """A warning as a JSON line like those of progress."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {"event": "log", "level": record.levelname.lower(), "message": redacted(record.getMessage())}
        return json.dumps({**facts, **log_ids.fields()})


def _misused(error: Any) -> None:
    """A command line that typer does not understand: what is wrong with it, and where to read how it is meant."""
    message = wording.usage(error.format_message())
    if not message:  # no verb: what getting the message printed was the help
        raise SystemExit(error.exit_code)
    fail(f"{message} See: {error.ctx.command_path if error.ctx else 'ganlib'} --help", error.exit_code)


def fail(message: str, code: int) -> None:
    """Print ``message`` as one line (a JSON event under --json) and exit with ``code``."""
    line = " ".join(message.split())
    as_json = "--json" in sys.argv or progress.wants_json()
    content = json.dumps({"event": "error", "message": line, **log_ids.fields()})
    say(content if as_json else f"ganlib: {line}", err=True)
    raise SystemExit(code)


def version_number(option: str, text: str | None) -> int | None:
    """Return the number of a version, however people write it: 3, v3, #3. ``option`` names it in the error."""
    from ganlib.registry.names import number

    if text is not None and number(text) is None:
        raise BadInput(f"{option} must be a version's number, such as 3, and is {text!r}.")
    return None if text is None else number(text)


def output_path(path: Path) -> Path:
    """Return ``path`` made absolute, so that messages and manifests name it fully."""
    return path.expanduser().resolve()


def output_folder(path: Path) -> Path:
    """:func:`output_path` of what is to be a folder; a file of that name is told before any work."""
    place = output_path(path)
    if place.exists() and not place.is_dir():
        raise BadInput(f"{place} is a file, and a folder is to be filled. Nothing was changed; choose another name.")
    return place


def output_file(path: Path) -> Path:
    """:func:`output_path` of what is to be a file; a folder of that name is told before any work."""
    place = output_path(path)
    if place.is_dir():
        raise BadInput(f"{place} is a folder, and a file is to be written. Nothing was changed; name a file in it.")
    return place
