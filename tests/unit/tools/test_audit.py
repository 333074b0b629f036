"""`make audit`: the real pip-audit, and a database on loopback that knows one vulnerability of an invented package."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from ganlib.core.errors import BadInput, Unavailable
from tests.conftest import ROOT
from tools import audit

TOOL = shutil.which("pip-audit", path=str(audit.TOOL.parent)) or shutil.which("pip-audit")
TODAY = date.today()
KNOWN = {
    "id": "GHSA-toys-toys-toys",
    "aliases": ["CVE-2026-0000", "PYSEC-2026-0"],
    "summary": "ganlib-toy breaks when it is dropped.",
    "affected": [
        {
            "package": {"name": "ganlib-toy", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}


class Database:
    """Speaks OSV's protocol for queries."""

    def __init__(self) -> None:
        self.queries: list[tuple[str, str]] = []
        self.status, self.text = 200, ""
        database = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["content-length"])))
                content = database.answer(query["package"]["name"], query["version"]).encode()
                self.send_response(database.status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Nothing on standard error."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1/query"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, name: str, version: str) -> str:
        self.queries.append((name, version))
        return self.text or json.dumps({"vulns": [KNOWN]} if (name, version) == ("ganlib-toy", "1.0") else {})


@pytest.fixture
def database() -> Iterator[Database]:
    here = Database()
    yield here
    here.server.shutdown()
    here.server.server_close()


@pytest.fixture
def pins(tmp_path: Path) -> tuple[Path, ...]:
    """Two files of pins."""
    files = tmp_path / "constraints.txt", tmp_path / "requirements.txt"
    files[0].write_text("# pins\nganlib-toy==1.0\nother==2.0\n")
    files[1].write_text("third==3.0\n")
    return files


def accepted(folder: Path, *entries: tuple[str, date], package: str = "ganlib-toy") -> Path:
    path = folder / "accepted.toml"
    path.write_text(
        "".join(
            f'[[accepted]]\npackage = "{package}"\nid = "{name}"\nreason = "nobody drops it"\nuntil = {until}\n'
            for name, until in entries
        )
    )
    return path


def look(pins: tuple[Path, ...], entries: Path, url: str) -> audit.Audit:
    if TOOL is None:
        pytest.skip("pip-audit is not there: make tools")
    return audit.audit(Path(TOOL), pins, entries, url)


def test_a_known_vulnerability_is_told_with_its_names_and_cure(
    tmp_path: Path, pins: tuple[Path, ...], database: Database
) -> None:
    result = look(pins, accepted(tmp_path), database.url)
    assert set(database.queries) == {("ganlib-toy", "1.0"), ("other", "2.0"), ("third", "3.0")}
    first, last = result.text.splitlines()
    assert first.startswith("ganlib-toy 1.0: PYSEC-2026-0 (")
    assert "CVE-2026-0000" in first
    assert first.endswith("): ganlib-toy breaks when it is dropped; fixed in 1.1")
    assert last == "3 packages, 1 known vulnerability"


def test_what_is_accepted_passes_until_its_day(tmp_path: Path, pins: tuple[Path, ...], database: Database) -> None:
    result = look(pins, accepted(tmp_path, ("CVE-2026-0000", TODAY)), database.url)
    assert result.open == ()
    assert result.remarks == (f"CVE-2026-0000 of ganlib-toy is accepted until {TODAY}: nobody drops it",)
    yesterday = TODAY - timedelta(days=1)
    late = look(pins, accepted(tmp_path, ("GHSA-toys-toys-toys", yesterday)), database.url)
    assert len(late.open) == 1
    assert late.remarks == (f"GHSA-toys-toys-toys of ganlib-toy was accepted until {yesterday}: nobody drops it",)


def test_what_need_not_be_accepted_any_longer_is_told(
    tmp_path: Path, pins: tuple[Path, ...], database: Database
) -> None:
    entries = accepted(tmp_path, ("CVE-2026-0000", TODAY), package="other")
    result = look(pins, entries, database.url)
    assert len(result.open) == 1, "it is of another package"
    assert "no longer reported: take it out" in result.text


@pytest.mark.parametrize(("status", "text"), [(503, ""), (200, "<html>Please log in</html>")])
def test_a_database_that_does_not_answer_is_no_clean_bill(
    status: int, text: str, tmp_path: Path, pins: tuple[Path, ...], database: Database
) -> None:
    database.status, database.text = status, text
    with pytest.raises(Unavailable, match="nothing is known about the packages"):
        look(pins, accepted(tmp_path), database.url)


def test_nor_is_one_that_is_not_there(tmp_path: Path, pins: tuple[Path, ...], database: Database) -> None:
    database.server.shutdown()
    database.server.server_close()
    with pytest.raises(Unavailable, match="does not answer as OSV does"):
        look(pins, accepted(tmp_path), database.url)


def test_pins_that_are_none_are_the_users_to_mend(tmp_path: Path, pins: tuple[Path, ...], database: Database) -> None:
    pins[0].write_text("ganlib-toy>=1.0\n")
    with pytest.raises(BadInput, match="pip-audit failed"):
        look(pins, accepted(tmp_path), database.url)
    assert database.queries == []


def test_every_pin_of_this_project_is_one(tmp_path: Path, database: Database) -> None:
    result = look(audit.PINS, audit.ACCEPTED, database.url)
    assert result.open == ()
    assert result.packages == len(set(database.queries)) > 300


@pytest.mark.parametrize(
    ("text", "words"),
    [("[[accepted]\n", "cannot read"), ('[[accepted]]\npackage = "a"\n', "accepted.toml"), ("[accept]\n", "accept")],
)
def test_a_list_that_is_not_understood_is_told(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "accepted.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        audit.read_accepted(path)


def test_the_list_of_this_project_is_read() -> None:
    assert audit.read_accepted(audit.ACCEPTED) == ()


def test_without_pip_audit_the_way_to_it_is_told(tmp_path: Path, pins: tuple[Path, ...]) -> None:
    with pytest.raises(BadInput, match="`make audit` installs it"):
        audit.audit(tmp_path / "nothing", pins, accepted(tmp_path))


def test_it_is_the_version_that_is_pinned() -> None:
    lines = (ROOT / "tools/requirements.txt").read_text(encoding="utf-8").splitlines()
    assert all("==" in line for line in lines if not line.startswith("#"))
