"""Change single values of a YAML file and leave every other byte, comments included, as it was."""

from __future__ import annotations

import re
from collections.abc import Mapping

import yaml

from ganlib.errors import BadInput


def set_values(text: str, values: Mapping[str, str | None]) -> str:
    """``text`` with ``section.key`` set to each value.

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


def _find(text: str, name: str) -> yaml.ScalarNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for part in name.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        node = next((value for key, value in pairs if key.value == part), None)
    if not isinstance(node, yaml.ScalarNode) or node.start_mark.index == node.end_mark.index:
        raise BadInput(f"params.yaml has no value for {name}; add the line and try again.")
    return node
