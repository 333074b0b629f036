"""YAML at libyaml's speed, which is ten times Python's: every command reads ``params.yaml`` and ``dvc.lock``."""

from __future__ import annotations

from typing import Any

import yaml


def parse_yaml(text: str | bytes) -> Any:
    """Return what ``text`` says in plain YAML.

    Raises:
        yaml.YAMLError: it is none. The words are those of PyYAML's own parser, which shows the place.
    """
    try:
        loader = yaml.CSafeLoader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (AttributeError, ValueError, yaml.YAMLError):  # PyYAML may have been built without libyaml
        return yaml.safe_load(text)
