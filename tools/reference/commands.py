"""The page about the command line, from its own tree of commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer

from ganlib.cli import app
from ganlib.cli.examples import EXAMPLES
from tools.reference.text import item, markdown, slug

_KEY = re.compile(r"\{([a-z_]+)(?:\.([a-z_]+))?\}")
_METAVARS = {int: "INTEGER", float: "FLOAT", Path: "PATH"}
_TOP = """# Command line

Every verb of `ganlib` with its options, from the same texts as `ganlib VERB --help`, which also knows the values that
the `params.yaml` around it has just now. A default such as `train.budget` is a key of that file.

Exit codes: 0 done, 1 refused by the gate or failed, 2 your input, 75 a service that cannot be reached now,
130 interrupted. Written by `make reference`.
"""


def page() -> str:
    """Return the page, in the order of ``ganlib --help``."""
    root = typer.main.get_command(app)
    parts = [_TOP]
    for path, command in _tree(root):
        parts += _group(path, command) if hasattr(command, "commands") else _verb(path, command)
    return "\n".join(parts).rstrip() + "\n"


def _tree(group: Any, above: tuple[str, ...] = ("ganlib",)) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command and group that ``--help`` shows, by the words that lead to it; groups last."""
    shown = {name: command for name, command in group.commands.items() if not command.hidden}
    for name, command in sorted(shown.items(), key=lambda pair: hasattr(pair[1], "commands")):
        yield (*above, name), command
        if hasattr(command, "commands"):
            yield from _tree(command, (*above, name))


def _group(path: tuple[str, ...], group: Any) -> list[str]:
    verbs = [" ".join((*path, name)) for name, verb in group.commands.items() if not verb.hidden]
    links = ", ".join(f"[`{verb}`](#{slug(verb)})" for verb in verbs)
    return [f"## {' '.join(path)}", "", _text(group.help), "", links, ""]


def _verb(path: tuple[str, ...], command: Any) -> list[str]:
    name = " ".join(path)
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    usage = [name, *(["[OPTIONS]"] if options else []), *map(_usage, arguments)]
    kinds = get_type_hints(command.callback)
    examples = [f"{name} {words}".rstrip() for words in EXAMPLES[" ".join(path[1:])]]
    return [
        f"{'#' * len(path)} {name}", "", _text(command.help), "",
        "```bash", " ".join(usage), "```", "",
        *(item(_name(each), (), _text(each.help)) for each in arguments),
        *(_option(each, kinds[each.name]) for each in options), "",
        "Examples:", "", "```bash", *examples, "```", "",
    ]  # fmt: skip


def _usage(argument: Any) -> str:
    name = _name(argument) + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _name(argument: Any) -> str:
    return re.sub(r"[^A-Z_]", "", (argument.metavar or argument.name).upper())


def _option(option: Any, kind: Any) -> str:
    types = {kind, *get_args(kind)} | {inner for each in get_args(kind) for inner in get_args(each)}
    metavar = option.metavar or next((text for each, text in _METAVARS.items() if each in types), "TEXT")
    names = " / ".join([*option.opts, *option.secondary_opts])
    notes = [
        "required" if option.required else "",
        "" if _is_plain(option) else f"default: `{option.default}`",
        "repeatable" if option.multiple and "repeatable" not in option.help else "",
    ]
    return item(names if bool in types else f"{names} {metavar}", notes, _text(option.help))


def _is_plain(option: Any) -> bool:
    """Whether the default goes without saying: nothing, off, or told in the help."""
    return option.default in (None, False, "", (), []) or not option.show_default or "default:" in option.help


def _text(text: str | None) -> str:
    """A help text as Markdown, in which keys of params.yaml lead to the page about them."""
    return _KEY.sub(_key, markdown((text or "").strip()))


def _key(key: re.Match[str]) -> str:
    section, name = key.groups()
    if name is None:
        return f"a row of [`{section}`](settings.md#{section})"
    return f"[`{section}.{name}`](settings.md#{section})"
