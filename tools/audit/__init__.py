"""Known vulnerabilities of the pinned packages, from OSV's database by pip-audit, less those accepted for now."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from ganlib.config import parse
from ganlib.core.errors import BadInput, GanlibError, Unavailable
from ganlib.core.record import Record

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / ".venv" / "tools" / "bin" / "pip-audit"
ACCEPTED = Path(__file__).with_name("accepted.toml")
PINS = (ROOT / "constraints.txt", ROOT / "tools" / "requirements.txt")
OSV = "https://api.osv.dev/v1/query"

_AWAY = re.compile(
    r"\b(?:Connection|HTTP|JSONDecode|Proxy|SSL|Service)Error\b|\b(?:Connect|Read)Timeout\b|Could not connect"
)
"""What pip-audit's traceback has where the database does not answer: it has the same exit code as a vulnerability."""


class Accepted(Record):
    """A vulnerability that is let pass."""

    package: str
    id: str
    reason: str
    until: date


class AcceptedList(Record):
    """The whole of ``accepted.toml``."""

    accepted: tuple[Accepted, ...] = ()


class Vulnerability(Record):
    """A known vulnerability of a pinned package."""

    package: str
    version: str
    names: tuple[str, ...]
    """Its id, and what else it is called."""
    fixes: tuple[str, ...]
    """Versions without it."""
    about: str

    def __str__(self) -> str:
        """As people read it."""
        first, *others = self.names
        names = f"{first} ({', '.join(others)})" if others else first
        cure = f"fixed in {', '.join(self.fixes)}" if self.fixes else "no version without it is known"
        return f"{self.package} {self.version}: {names}: {self.about.rstrip('.')}; {cure}"

    def is_meant(self, entry: Accepted) -> bool:
        """Whether ``entry`` is about this one."""
        return entry.package == self.package and entry.id in self.names


class Audit(Record):
    """What is known of the pinned packages."""

    packages: int
    open: tuple[Vulnerability, ...]
    remarks: tuple[str, ...]
    """Of what is accepted, and of what no longer needs to be."""

    @property
    def text(self) -> str:
        """For people."""
        count = f"{len(self.open)} known vulnerabilit{'y' if len(self.open) == 1 else 'ies'}"
        lines = [*map(str, self.open), *self.remarks, f"{self.packages} packages, {count}"]
        return "\n".join(lines)


def audit(tool: Path = TOOL, pins: Sequence[Path] = PINS, accepted: Path = ACCEPTED, url: str = OSV) -> Audit:
    """Ask OSV about every pinned package.

    Args:
        tool: pip-audit, in an environment of its own.
        pins: files of ``name==version``.
        accepted: the list of what is let pass.
        url: OSV's, or that of a mirror of it.

    Raises:
        BadInput: a file cannot be read, or pip-audit is not there.
        Unavailable: the database does not answer.
    """
    entries = read_accepted(accepted)
    packages, vulnerabilities = _ask(tool, pins, url)
    today = date.today()
    valid = [entry for entry in entries if entry.until >= today]
    return Audit(
        packages=packages,
        open=tuple(each for each in vulnerabilities if not any(map(each.is_meant, valid))),
        remarks=tuple(_remark(entry, vulnerabilities, today) for entry in entries),
    )


def read_accepted(path: Path) -> tuple[Accepted, ...]:
    """Return the entries of ``path``.

    Raises:
        BadInput: it cannot be read, or an entry lacks something.
    """
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {path}: {error}.") from error
    return parse(AcceptedList, tree, where=path.name).accepted


def _remark(entry: Accepted, vulnerabilities: Sequence[Vulnerability], today: date) -> str:
    name = f"{entry.id} of {entry.package}"
    if not any(each.is_meant(entry) for each in vulnerabilities):
        return f"{name} is accepted and no longer reported: take it out of {ACCEPTED.name}"
    if entry.until < today:
        return f"{name} was accepted until {entry.until}: {entry.reason}"
    return f"{name} is accepted until {entry.until}: {entry.reason}"


def _ask(tool: Path, pins: Sequence[Path], url: str) -> tuple[int, list[Vulnerability]]:
    """The number of packages, and their vulnerabilities."""
    files = [word for pin in pins for word in ("--requirement", str(pin))]
    options = ["--no-deps", "--disable-pip", "--strict", "--format", "json", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [str(tool), *files, *options, "--vulnerability-service", "osv", "--osv-url", url],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except OSError as error:
        raise BadInput(f"cannot run {tool}: {error.strerror}. `make audit` installs it.") from error
    try:
        rows = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise _failure(done.stderr, url) from None
    return len(rows), [_vulnerability(row, each) for row in rows for each in row["vulns"]]


def _failure(errors: str, url: str) -> GanlibError:
    last = (errors.strip().splitlines() or ["it said nothing"])[-1].strip()
    if _AWAY.search(errors):
        return Unavailable(
            f"{url} does not answer as OSV does ({last}): nothing is known about the packages; try again."
        )
    return BadInput(f"pip-audit failed: {last}")


def _vulnerability(row: dict[str, Any], each: dict[str, Any]) -> Vulnerability:
    return Vulnerability(
        package=row["name"],
        version=row["version"],
        names=(each["id"], *each["aliases"]),
        fixes=tuple(each["fix_versions"]),
        about=each["description"],
    )
