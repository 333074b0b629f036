"""Change single values of a YAML file and leave every other byte, comments included, as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import yaml

from ganlib.core.errors import BadInput

_GAP = re.compile(r" +(?=#)")
"""Between a value and the comment behind it."""
_COMMENTED_LINE = re.compile(r"( *[^\s#][^#]* )#")
"""A line with a value and a comment: what comes before the comment."""


def lay_over(text: str, tree: Mapping[str, Any]) -> str:
    """Lay ``tree`` over ``text``, mapping by mapping: values are set, and keys that are missing are added.

    Raises:
        BadInput: ``text`` is no mapping, or has something else than a mapping where ``tree`` has one.
    """
    for path, value in _leaves(tree):
        text = _set(text, path, value)
    return text


def _leaves(tree: Mapping[str, Any], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Values that are no mappings, each with the keys that lead to it."""
    leaves: list[tuple[tuple[str, ...], Any]] = []
    for key, value in tree.items():
        leaves += _leaves(value, (*above, key)) if isinstance(value, Mapping) else [((*above, key), value)]
    return leaves


def _set(text: str, path: tuple[str, ...], value: Any) -> str:
    node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    for depth, key in enumerate(path):
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":  # `dcgan:` with nothing after it
            at = node.start_mark.index
            rest = text[at if at == node.end_mark.index else node.end_mark.index :]
            return f"{text[:at]} {flow(_nested(path[depth:], value))}{rest}"
        if not isinstance(node, yaml.MappingNode):
            raise BadInput(f"params.yaml has no mapping at {'.'.join(path[:depth]) or 'its top'}: add it by hand.")
        child = next((each for name, each in node.value if name.value == key), None)
        if child is None:
            return _insert(text, node, flow(_nested(path[depth:], value))[1:-1])
        node = child
    assert node is not None  # noqa: S101
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        raise BadInput(f"params.yaml has several lines at {'.'.join(path)}: edit it by hand.")
    line = text.rfind("\n", 0, start) + 1
    head, rest = text[line:start] + (" " if start == end else "") + flow(value), text[end:]
    if (gap := _GAP.match(rest)) and (column := _comment_column(text, line)):
        rest = " " * max(1, column - len(head)) + rest[gap.end() :]
    return text[:line] + head + rest


def _comment_column(text: str, line: int) -> int | None:
    """Where the comments of the lines around the one at ``line`` begin, up to empty lines; None if at no one place."""
    above, below = text[:line].rpartition("\n\n")[2], text[line:].partition("\n\n")[0].partition("\n")[2]
    columns = Counter(len(match[1]) for each in (above + below).split("\n") if (match := _COMMENTED_LINE.match(each)))
    column, count = columns.most_common(1)[0] if columns else (0, 0)
    return column if count > 1 else None


def _insert(text: str, node: yaml.MappingNode, entry: str) -> str:
    """``text`` with ``key: value`` as the first entry of ``node``."""
    start = node.start_mark.index
    if node.flow_style:
        return f"{text[: start + 1]}{entry}{', ' if node.value else ''}{text[start + 1 :]}"
    return f"{text[:start]}{entry}\n{' ' * node.start_mark.column}{text[start:]}"


def _nested(path: tuple[str, ...], value: Any) -> Any:
    for key in reversed(path):
        value = {key: value}
    return value


class _OneLine(yaml.SafeDumper):
    """Writes text that has line breaks in double quotes, where they are escaped: PyYAML folds it in single ones, and
    reads U+0085 back from there as a space."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    breaks = len(value.splitlines()) > 1 or value != value.rstrip("\n\r\x85\u2028\u2029")
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"' if breaks else None)


_OneLine.add_representer(str, _text)


def flow(value: Any) -> str:
    """Return ``value`` on one line, from which it is read back as it is."""
    line: str = yaml.dump(value, Dumper=_OneLine, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return line.removesuffix("\n...\n").rstrip("\n")
