"""Change single values of a YAML file and leave every other byte, comments included, as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from ganlib.core.errors import BadInput


def set_values(text: str, values: Mapping[str, str | None]) -> str:
    """Return ``text`` with ``section.key`` set to each value.

    Raises:
        BadInput: a section or key is not in ``text`` as a plain block mapping.
    """
    for name, value in values.items():
        node = _find(text, name)
        # A plain word stays plain.
        plain = re.fullmatch(r"[\w./-]+", value or "", re.ASCII) and yaml.safe_load(str(value)) == value
        quoted = yaml.safe_dump(value, default_style='"', width=float("inf")).strip()
        written = "null" if value is None else value if plain else quoted
        text = text[: node.start_mark.index] + written + text[node.end_mark.index :]
    return text


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
    found: list[tuple[tuple[str, ...], Any]] = []
    for key, value in tree.items():
        found += _leaves(value, (*above, key)) if isinstance(value, Mapping) else [((*above, key), value)]
    return found


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
    return text[:start] + (" " if start == end else "") + flow(value) + text[end:]


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


def flow(value: Any) -> str:
    """Return ``value`` on one line."""
    line: str = yaml.safe_dump(value, default_flow_style=True, width=float("inf"), allow_unicode=True)
    return line.removesuffix("\n...\n").rstrip("\n")


def _find(text: str, name: str) -> yaml.ScalarNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for part in name.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == part), None)
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.index == node.end_mark.index:
        raise BadInput(f"params.yaml has no value for {name}; add the line and try again.")
    return node
