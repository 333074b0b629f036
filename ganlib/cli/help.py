"""What `--help` says of a verb beyond its options: examples, and the values that ``params.yaml`` has just now."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from ganlib.cli.examples import EXAMPLES
from ganlib.core.errors import GanlibError

if TYPE_CHECKING:
    from ganlib.config import Params

_KEY = re.compile(r"\{([a-z_]+)(?:\.([a-z_]+))?\}")


class Verbs(typer.Typer):
    """An app whose commands are each a :class:`Verb`."""

    def command(self, *arguments: Any, **options: Any) -> Callable[..., Any]:
        """As of :class:`typer.Typer`."""
        return super().command(*arguments, cls=Verb, **options)


class Verb(TyperCommand):
    """A command whose help shows examples, and ``{section.key}`` in an option's help as what it is now."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Fill in what depends on the project around; nothing of it is read before somebody asks for help."""
        verb = ctx.command_path.partition(" ")[2]
        command = copy(self)  # this one is asked again, perhaps in another project
        examples = [f"ganlib {verb} {words}".rstrip() for words in EXAMPLES.get(verb, ())]
        command.epilog = "\n\n".join(["Examples:", *examples]) if examples else None
        if any(_KEY.search(_help(parameter)) for parameter in self.params):
            params, where = _params()
            command.params = [copy(parameter) for parameter in self.params]
            for parameter in command.params:
                text = _KEY.sub(lambda key: _value(params, key, where), _help(parameter))
                setattr(parameter, "help", text)  # noqa: B010
        super(Verb, command).format_help(ctx, formatter)


def _help(parameter: Any) -> str:
    return getattr(parameter, "help", None) or ""


def _params() -> tuple[Params, str]:
    """The configuration, and where it is from."""
    from ganlib import config
    from ganlib.core import project

    try:
        return config.load(project.find().params_file), "params.yaml"
    except GanlibError:  # help is given outside of a project, and beside a params.yaml that is wrong, too
        return config.Params(budgets={}, families={}), "ganlib's own defaults"


def _value(params: Params, key: re.Match[str], where: str) -> str:
    section, name = key.groups()
    if name is None:  # the rows of `budgets`
        rows = [f"{row} ({limits.steps:,} steps or {limits.seconds:g} s)" for row, limits in params.budgets.items()]
        return ", ".join(rows) or "none here"
    value = getattr(getattr(params, section), name)
    plain = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"{plain}, from {where}: {section}.{name}"
