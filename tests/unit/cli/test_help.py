"""`--help` of every verb: examples that can be typed, the values of this project's params.yaml, and units."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from ganlib import config, families
from ganlib.cli import app
from ganlib.cli.examples import EXAMPLES
from tests.conftest import ROOT

_UNIT = re.compile(
    r"images|versions?\b|trials|process|rows|port\b|factor|probability|measured|number", re.IGNORECASE
)  # what a number counts


def _verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from (
                _verbs(below, (*path, name)) if hasattr(below, "commands") else [(" ".join((*path, name)), below)]
            )


VERBS = dict(_verbs(typer.main.get_command(app)))


def shown(verb: str) -> str:
    """What `ganlib VERB --help` prints, as words without frames and line breaks."""
    done = CliRunner().invoke(app, [*verb.split(), "--help"], prog_name="ganlib", env={"COLUMNS": "100"})
    assert done.exit_code == 0, done.output
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", done.stdout).split())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_examples_that_it_understands(verb: str) -> None:
    assert EXAMPLES[verb]
    text = shown(verb)
    for words in EXAMPLES[verb]:
        assert f"ganlib {verb} {words}".rstrip() in text
        with VERBS[verb].make_context(verb, shlex.split(words)) as context:
            overrides = context.params.get("overrides") or []
            params = config.load(ROOT / "params.yaml", overrides)
        for family in {override.split(".")[1] for override in overrides if override.startswith("families.")}:
            families.configured(params, family)


@pytest.mark.parametrize("verb", VERBS)
def test_every_number_has_a_unit_and_a_default(verb: str) -> None:
    kinds = get_type_hints(VERBS[verb].callback)
    for parameter in VERBS[verb].params:
        kind = kinds.get(parameter.name)
        if not {int, float} & {kind, *get_args(kind)} and parameter.metavar != "NUMBER":
            continue
        assert _UNIT.search(parameter.help), parameter.name
        assert parameter.default is not None or "default:" in parameter.help, parameter.name


def test_there_are_no_examples_of_what_is_no_verb() -> None:
    assert set(EXAMPLES) == set(VERBS)


def test_defaults_are_those_of_this_project_and_of_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (1234, 4321):
        folder = tmp_path / str(count)
        folder.mkdir()
        (folder / "params.yaml").write_text(
            f"generate: {{count: {count}}}\ntrain: {{families: [cgan, ae]}}\nfamilies: {{}}\n"
            "budgets: {quick: {steps: 1500, seconds: 9}}"
        )
        monkeypatch.chdir(folder)
        assert f"default: {count}, from params.yaml: generate.count" in shown("generate")
        assert "default: cgan,ae, from params.yaml: train.families" in shown("retrain")
        assert "quick (1,500 steps or 9 s)" in shown("train")


@pytest.mark.parametrize("text", [None, "generate: {count: many}"])
def test_help_is_given_outside_of_a_project_and_beside_a_broken_one(
    text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if text:
        (tmp_path / "params.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert "default: 1000, from ganlib's own defaults: generate.count" in shown("generate")


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_families_fit_a_screen(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = CliRunner().invoke(app, ["families"]).stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= columns
    assert [line.split()[0] for line in lines[2:-1]] == families.names()
    assert "1.08" in next(line for line in lines if line.startswith("dcgan"))  # its FID at budget standard


def test_a_family_that_is_named_is_shown_with_all_that_was_measured_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = CliRunner().invoke(app, ["families", "vae", "dcgan"]).stdout.splitlines()
    assert max(map(len, lines)) <= 100
    text = " ".join(" ".join(lines).split())
    assert "Kingma 2014; Rybkin 2021" in text
    assert "256,000 images in" in text
    assert "LSGAN" not in text
