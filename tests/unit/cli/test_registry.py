"""`ganlib ab`, `explain`, `registry diff` and `registry prune` as a user types them: output, JSON and exit codes."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from PIL import Image

from ganlib.cli import main
from ganlib.config import load
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.entries import DecisionRecord, Evidence, canonical
from ganlib.registry.mlflow_ledger import Ledger
from ganlib.registry.registry import Registry
from ganlib.tracking.store import connect
from tests import factories
from tests.support.keys import trust, write_key

NAME = "mnist-generator"


class Done(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str

    def line(self, code: int = 2) -> str:
        """The one line of an expected failure."""
        assert (self.code, self.out) == (code, ""), self
        assert "Traceback" not in self.err
        (line,) = (line for line in self.err.splitlines() if not line.startswith("  "))  # of progress
        return line


Ganlib = Callable[..., Done]


@pytest.fixture(scope="module")
def made(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Version 1 is champion and has made ``images``; 2 was refused; 3 is challenger."""
    project = factories.project(tmp_path_factory.mktemp("cli") / "project", empty_database)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        store, params = connect(project), load(project.params_file)
        factories.graph(project.root / "1.onnx")
        for number, fid in ((1, 10), (2, 20), (3, 12)):
            if number > 1:
                factories.variant(project.root / "1.onnx", project.root / f"{number}.onnx", str(number))
            factories.registered(store, project.root / f"{number}.onnx", fid)
            if number < 3:
                promote(project, params, str(number))
        generate(project, params, "champion", GenerateRequest(out=str(project.root / "images"), count=3, seed=5))
        yield project


@pytest.fixture
def ganlib(made: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Ganlib:
    """The command line in that project, from its arguments to its exit code, at no interpreter's price."""
    monkeypatch.chdir(made.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("GANLIB_ROOT", raising=False)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["ganlib", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        code = ended.value.code
        return Done(code if isinstance(code, int) else 0, out, err)

    return call


@pytest.fixture
def no_test(made: Project) -> Iterator[None]:
    """No A/B test was ever started, before and after."""
    shutil.rmtree(made.state / "ab", ignore_errors=True)
    yield
    shutil.rmtree(made.state / "ab", ignore_errors=True)


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch, ganlib: Ganlib) -> str:
    """A registry that does not answer."""
    url = "http://127.0.0.1:9"  # the port of discard: nobody listens there
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    return url


@pytest.mark.usefixtures("no_test")
def test_an_ab_test_from_its_start_to_its_report(ganlib: Ganlib) -> None:
    started = ganlib("ab", "start", "champion", "3", "--split", "90/10")
    assert (started.code, started.err) == (0, "")
    assert started.out == "A/B test 1: version 1 for 90% of keys, version 3 for the rest\n"
    sides = {}
    for key in range(12):
        found = json.loads(ganlib("ab", "assign", key, "--json").out)
        assert found["uri"] == f"models:/{NAME}/{found['version']}"
        sides[str(key)] = found["side"]
    assert set(sides.values()) <= {"a", "b"}
    for key, side in sides.items():
        recorded = ganlib("ab", "record", key, int(key) % 2)
        assert (recorded.code, recorded.out) == (0, f"{key}: {int(key) % 2} for {side}\n")
    again = json.loads(ganlib("ab", "record", "0", "0", "--json").out)
    assert (again["key"], again["value"], again["side"]) == ("0", 0.0, sides["0"])
    told = ganlib("ab", "report")
    assert told.code == 0
    assert "A/B test 1 of mnist-generator (running, binary, 90% a)" in told.out
    assert "not settled" in told.out
    report = json.loads(ganlib("ab", "report", "--json").out)
    assert report["comparison"]["n_a"] + report["comparison"]["n_b"] == 12, "what was said twice counts once"
    assert report["test"]["share_a"] == 0.9
    assert json.loads(ganlib("ab", "stop", "--reason", "enough", "--json").out)["reason"] == "enough"
    assert "ended" in ganlib("ab", "report").out


@pytest.mark.usefixtures("no_test")
def test_an_ab_start_as_json_is_the_test(ganlib: Ganlib) -> None:
    test = json.loads(ganlib("ab", "start", "1", "3", "--outcome", "number", "--level", "0.01", "--json").out)
    assert (test["a"]["version"], test["b"]["version"], test["share_a"]) == (1, 3, 0.5)
    assert (test["outcome"], test["level"], test["ended"]) == ("number", 0.01, None)
    assert ganlib("ab", "record", "k", "2.5").out.startswith("k: 2.5 for ")


@pytest.mark.usefixtures("no_test")
def test_bad_input_to_ab_is_one_line_and_exit_code_two(ganlib: Ganlib, made: Project) -> None:
    for words, told in (
        (["report"], "no A/B test of mnist-generator is running: ganlib ab start"),
        (["record", "k", "1"], "no A/B test of mnist-generator is running"),
        (["assign", "k"], "no A/B test of mnist-generator is running"),
        (["stop"], "no A/B test of mnist-generator is running"),
        (["start", "1", "3", "--split", "90"], "--split 90: write it as 90/10"),
        (["start", "1", "3", "--split", "0/10"], "--split 0/10"),
        (["start", "1", "99"], "99"),
        (["start", "1", "champion"], "are the same graph"),
        (["start", "1", "3", "--outcome", "colour"], "outcome"),
        (["start", "1", "3", "--level", "1.5"], "level"),
    ):
        assert told in ganlib("ab", *words).line(), words
    assert not (made.state / "ab").exists(), "nothing was started"
    assert ganlib("ab", "start", "1", "3").code == 0
    for words, told in (
        (["start", "1", "2"], "A/B test 1 of mnist-generator is running: ganlib ab stop"),
        (["record", "k", "many"], "outcome 'many' is no number. Nothing was recorded."),
        (["record", "k", "nan"], "is not 0 or 1"),
        (["record", "k", "2"], "is not 0 or 1"),
        (["record", "", "1"], "printable"),
    ):
        assert told in ganlib("ab", *words).line(), words
    assert ganlib("ab", "record", "k", "1").code == 0
    assert "is 1 already. Nothing was recorded." in ganlib("ab", "record", "k", "0").line()
    event = json.loads(ganlib("ab", "record", "k", "0", "--json").line())
    assert event["event"] == "error"
    assert json.loads(ganlib("ab", "report", "--json").out)["comparison"]["n_a"] <= 1


def test_explain_walks_from_an_image_to_who_promoted_its_model(ganlib: Ganlib, made: Project) -> None:
    image = made.root / "images" / "shard-00000" / "00000001.png"
    told = ganlib("explain", image)
    assert (told.code, told.err) == (0, "")
    for word in ("image", "manifest", "model", "version", "run", "source", "data", "checksums", "promotion"):
        assert f"\n  {word}" in told.out
    found = json.loads(ganlib("explain", image, "--json").out)
    links = {link["what"]: link["found"] for link in found["links"]}
    assert links["model"]["sha256"] == sha256_file(made.root / "1.onnx")
    assert (links["version"]["version"], links["promotion"]["kind"]) == (1, "promoted")
    for asked in ("champion", "1", f"models:/{NAME}/1", made.root / "1.onnx"):
        walked = json.loads(ganlib("explain", asked, "--json").out)["links"]
        assert next(link["found"]["version"] for link in walked if link["what"] == "version") == 1


def test_explain_ends_with_one_where_two_links_contradict_each_other(ganlib: Ganlib, made: Project) -> None:
    params = load(made.params_file)
    generate(made, params, "3", GenerateRequest(out=str(made.root / "others"), count=1))
    stranger = made.root / "images" / "stranger.png"
    shutil.copy(made.root / "others" / "shard-00000" / "00000000.png", stranger)
    try:
        told = ganlib("explain", stranger)
        shown = ganlib("explain", stranger, "--json")
    finally:
        stranger.unlink()
    assert told.code == shown.code == 1
    assert "[the image says that model" in told.out
    assert any(link["note"] for link in json.loads(shown.out)["links"])


def test_what_explain_cannot_explain_is_one_line_and_exit_code_two(ganlib: Ganlib, tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "plain.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n")
    for asked, told in (
        (tmp_path / "plain.png", "does not say which model made it"),
        (tmp_path / "broken.png", "no whole PNG"),
        (tmp_path / "none.png", "no such file"),
        (tmp_path, "does not say which model made it"),
        ("99", "has no version 99"),
        ("../x", "names no version"),
        ("none.onnx", "no such file"),
    ):
        assert told in ganlib("explain", asked).line(), asked


def test_diff_shows_figures_with_intervals_and_draws_both_on_one_picture(
    ganlib: Ganlib, made: Project, tmp_path: Path
) -> None:
    told = ganlib("registry", "diff", "1", "3", "--out", tmp_path / "grid.png")
    assert told.code == 0
    rows = {line.split()[0]: line for line in told.out.splitlines() if line.split()}
    assert "a: 1" in told.out
    assert "+2 [" in rows["fid"]
    assert "unpaired" not in rows["fid"]
    for name in ("precision", "recall", "density", "coverage"):
        assert "+0 [+0, +0] unpaired" in rows[name]
    assert rows["bytes"].endswith("x 1.00")
    assert f"grid: {tmp_path / 'grid.png'}" in told.out
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width > 2 * 8 * 56
    found = json.loads(ganlib("registry", "diff", "1", "3", "--json").out)
    assert found["grid"] is None
    assert found["incomparable"] == []
    fid = next(each for each in found["metrics"] if each["name"] == "fid")
    assert (fid["change"], fid["paired"]) == (2.0, True)
    assert found["b"]["sha256"] == sha256_file(made.root / "3.onnx")


def test_diff_of_what_is_not_there_is_one_line_and_writes_no_picture(ganlib: Ganlib, tmp_path: Path) -> None:
    for words, told in (
        (["1", "99"], "has no version 99"),
        (["1", "nobody"], "'nobody'"),
        (["1", "a b"], "no version"),
    ):
        assert told in ganlib("registry", "diff", *words, "--out", tmp_path / "grid.png").line().replace('"', "'")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    refused = ganlib("registry", "diff", "1", "3", "--out", tmp_path / "file" / "grid.png")
    assert (refused.code, "cannot write" in refused.err) == (2, True)


def test_prune_dry_run_says_what_would_go_and_why_the_rest_stays_and_removes_nothing(
    ganlib: Ganlib, made: Project
) -> None:
    told = ganlib("registry", "prune", "--dry-run", "--keep", "0")
    assert (told.code, told.err) == (0, "")
    lines = told.out.splitlines()
    assert lines[0].startswith("version    3")
    assert "kept: alias challenger" in lines[0]
    assert lines[1].endswith("would go")
    assert "kept: alias champion, champion in the ledger" in lines[2]
    assert f"made the images in {made.root / 'images'}" in lines[2]
    assert lines[3].startswith("1 of 3 versions would go: ")
    found = json.loads(ganlib("registry", "prune", "--dry-run", "--keep", "0", "--json").out)
    assert found["dry_run"] is True
    assert {each["version"]: bool(each["kept"]) for each in found["versions"]} == {3: True, 2: False, 1: True}
    kept = json.loads(ganlib("registry", "prune", "--dry-run", "--json").out)
    assert all("one of the 5 newest" in each["kept"] for each in kept["versions"])
    assert [each.version for each in Registry(connect(made), NAME).versions()] == [3, 2, 1]
    refused = ganlib("registry", "prune", "--dry-run", "--keep", "-1")
    assert (refused.code, "Traceback" in refused.err) == (2, False)


def test_promote_dry_run_explains_every_check_and_ends_with_one_where_it_would_refuse(
    ganlib: Ganlib, made: Project
) -> None:
    told = ganlib("promote", "3", "--dry-run")
    assert (told.code, told.err) == (1, "")
    assert told.out.startswith("version 3 would be refused (against version 1)\n")
    assert "\n  NO  better: FID 12 [11.5, 12.5] against 10 [9.5, 10.5]" in told.out
    for name in ("evidence", "parity", "mode collapse", "memorisation", "latency", "size", "contract", "comparable"):
        assert f"\n  ok  {name}: " in told.out
    found = json.loads(ganlib("promote", "3", "--dry-run", "--json").out)
    assert (found["dry_run"], found["promoted"], found["policy"]["level"]) == (True, False, 0.05)
    passed = ganlib("promote", "3", "--dry-run", "--set", "gate.limits.onnx_bytes.at_most=1")
    assert "NO  size" in passed.out, "the policy is the one of this call"
    assert "champion moved from 7 to 1 since you read it" in ganlib("promote", "3", "--expect", "7").line()
    assert len(Ledger(connect(made), NAME).read().entries()) == 2, "nothing of this is a decision"


def test_the_ledger_is_read_and_a_changed_entry_is_named_with_exit_code_one(ganlib: Ganlib, made: Project) -> None:
    lines = ganlib("registry", "history").out.splitlines()
    assert ["promoted" in lines[0], "none -> 1" in lines[0], "refused" in lines[1], "2 against 1" in lines[1]] == [
        True
    ] * 4
    entries = json.loads(ganlib("registry", "history", "--json").out)
    assert [(entry["kind"], entry["to_version"]) for entry in entries] == [("promoted", 1), ("refused", 2)]
    assert entries[1]["policy"]["level"] == 0.05
    assert entries[1]["evidence"][0]["fid"] == 20.0
    reign = json.loads(ganlib("registry", "who-was-champion", "--at", entries[1]["time"], "--json").out)
    assert (reign["champion"], reign["since"]["seq"]) == (1, 1)
    assert "there was no champion" in ganlib("registry", "who-was-champion", "--at", "2020-01-01").out
    whole = ganlib("registry", "verify")
    assert (whole.code, whole.out.startswith("the ledger is whole: 2 entries")) == (0, True)

    change = "UPDATE params SET value = replace(value, ?, ?) WHERE key = '000002'"
    with sqlite3.connect(made.root / "mlflow.db") as database:
        assert database.execute(change, ('"kind":"refused"', '"kind":"promoted"')).rowcount == 1
    try:
        told, shown = ganlib("registry", "verify"), ganlib("registry", "verify", "--json")
    finally:
        with sqlite3.connect(made.root / "mlflow.db") as database:
            database.execute(change, ('"kind":"promoted"', '"kind":"refused"'))
    assert (told.code, told.out) == (1, "entry 2 was changed: its content does not match its sha256\n")
    assert shown.code == 1
    assert json.loads(shown.out)["problems"][0]["seq"] == 2
    assert ganlib("registry", "verify").code == 0


def test_with_keys_verify_names_the_entries_that_nobody_signed(ganlib: Ganlib, made: Project) -> None:
    before = made.params_file.read_text()
    write_key(made.root)
    trust(made, key="key.pem")
    try:
        whole = json.loads(ganlib("registry", "verify", "--json").out)
        trust(made, key="key.pem", required=True)
        told = ganlib("registry", "verify")
        trust(made, key="absent.pem")
        refusal = ganlib("registry", "verify").line()
    finally:
        made.params_file.write_text(before)
    assert (whole["ok"], whole["signed"]) == (True, 0), "the ledger began before there was a key"
    assert told.code == 1
    assert told.out.startswith("entry 1 is not signed, and signing.required says that it must")
    assert "cannot read" in refusal
    assert json.loads(ganlib("registry", "verify", "--json").out)["signed"] is None


def test_a_version_is_signed_and_downloaded_with_its_card(ganlib: Ganlib, made: Project, tmp_path: Path) -> None:
    pytest.importorskip("model_signing.signing", reason="no extra signing: make install")
    pytest.importorskip("cyclonedx", reason="no extra cards: make install")
    assert "names no key to sign with" in ganlib("registry", "sign", "3").line()
    before = made.params_file.read_text()
    write_key(made.root)
    trust(made, key="key.pem")
    try:
        assert ganlib("registry", "sign", "3").out == "version 3 (dcgan) is signed\n"
        done = ganlib("registry", "download", "3", "--card", "--out", tmp_path / "three")
    finally:
        made.params_file.write_text(before)
    assert done.out == f"version 3 -> {tmp_path / 'three'}: model.onnx, README.md, bom.cdx.json, model.sig\n"
    assert (
        "and a folder is to be filled"
        in ganlib("registry", "download", "3", "--card", "--out", made.params_file).line()
    )


@pytest.mark.parametrize("stray", [False, True], ids=["forged", "stray"])
def test_what_somebody_else_wrote_beyond_the_seal_is_told_by_verify_with_exit_code_one(
    ganlib: Ganlib, made: Project, stray: bool
) -> None:
    snapshot = Ledger(connect(made), NAME).read()
    evidence = tuple(Evidence.of(Registry(connect(made), NAME).get(number)) for number in (2, 1))
    forged = DecisionRecord(kind="promoted", from_version=1, to_version=2, who="m", reason="r", evidence=evidence)
    text = canonical(snapshot.next_entry(forged, datetime.now(UTC)).model_dump(mode="json"))
    key, value = ("000900", "garbage") if stray else ("000003", text)
    with sqlite3.connect(made.root / "mlflow.db") as database:
        run = database.execute("SELECT run_uuid FROM params WHERE key = '000002'").fetchone()[0]
        database.execute("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", (key, value, run))
    try:
        told, shown = ganlib("registry", "verify"), json.loads(ganlib("registry", "verify", "--json").out)
    finally:
        with sqlite3.connect(made.root / "mlflow.db") as database:
            database.execute("DELETE FROM params WHERE key = ? AND run_uuid = ?", (key, run))
    assert told.code == 1
    assert (shown["ok"], shown["problems"]) == (False, [])
    if stray:
        assert shown["strays"] == {"000900": False}
        assert told.out.startswith("parameter 000900 of the ledger's run is none of its entries")
    else:
        assert told.out.startswith("entry 3 (promoted) stands beyond the seal and is not borne out")
        assert "the gate, asked now, refuses it" in shown["unsealed"][0]["objection"]
    assert ganlib("registry", "verify").code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["ab", "start", "1", "3"],
        ["explain", "champion"],
        ["registry", "diff", "1", "3"],
        ["registry", "prune", "--dry-run"],
    ],
    ids=lambda words: " ".join(words),
)
def test_a_registry_that_does_not_answer_is_exit_code_75_and_changes_nothing(
    ganlib: Ganlib, made: Project, dead: str, words: list[str]
) -> None:
    assert dead in ganlib(*words).line(75)
    event = json.loads(ganlib(*words, "--json").line(75))
    assert event["event"] == "error"
    assert not (made.state / "ab" / "0001").exists()
