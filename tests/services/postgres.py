"""A PostgreSQL of one's own, from Debian's binaries, in a temporary folder and on a loopback port."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ACCOUNT = "postgres"
"""Who runs it where we are root, whom PostgreSQL refuses; Debian's package makes that user."""
WHERE = "apt install postgresql"


def binaries() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``, of the newest version there is; None: it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class Server:
    """A server that runs."""

    def __init__(self, uri: str, home: Path, control: Path) -> None:
        """``control`` is the program that stops and starts what is in ``home``."""
        self.uri = uri
        """Of an empty database, as SQLAlchemy takes it."""
        self._home, self._control = home, control

    def restart(self) -> None:
        """End all connections and transactions as a crash does, and be there again at once."""
        data, log = self._home / "data", self._home / "log"
        _run(self._control, "-D", data, "-w", "-t", "180", "-l", log, "-m", "immediate", "restart", cwd=self._home)


@contextmanager
def postgres(user: str = _ACCOUNT, password: str = "") -> Iterator[Server]:
    """Run a server with an empty database. All of it is gone afterwards.

    Whoever knows ``password``, if there is one, is its only ``user``; it is not in the URI.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    folder = binaries()
    if folder is None:
        raise FileNotFoundError(f"no PostgreSQL on this machine: {WHERE}")
    # Not below pytest's folders, which nobody else may enter; short, because a socket's path has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ganlib-pg-", ignore_cleanup_errors=True) as made:
        home = Path(made)
        if os.geteuid() == 0:
            shutil.chown(home, _ACCOUNT)
        data, port = home / "data", _free_port()
        (home / "password").write_text(password)
        login = ("scram-sha-256", "--pwfile", home / "password") if password else ("trust",)
        _run(folder / "initdb", "-D", data, "-U", user, "-E", "UTF8", "--no-sync", "-A", *login, cwd=home)
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={home} -c fsync=off"
        _run(folder / "pg_ctl", "-D", data, "-w", "-t", "180", "-l", home / "log", "-o", options, "start", cwd=home)
        try:
            here = ("-h", "127.0.0.1", "-p", str(port), "-U", user)
            _run(folder / "createdb", *here, "mlflow", cwd=home, PGPASSWORD=password)
            yield Server(f"postgresql://{user}@127.0.0.1:{port}/mlflow", home, folder / "pg_ctl")
        finally:
            _run(folder / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop", cwd=home)


def _run(*words: str | Path, cwd: Path, **more: str) -> None:
    account = ["runuser", "-u", _ACCOUNT, "--"] if os.geteuid() == 0 else []
    # Its server keeps the outputs open: a pipe would never end.
    done = subprocess.run(
        [*account, *map(str, words)],
        cwd=cwd,
        env={**os.environ, **more},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        log = cwd / "log"
        raise RuntimeError(f"{words[0]} failed ({done.returncode})\n{log.read_text() if log.is_file() else ''}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
