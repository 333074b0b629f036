"""The keys that a project's ``params.yaml`` names."""

from __future__ import annotations

from pathlib import Path

from ganlib.config import load
from ganlib.core.keys import KeyRing
from ganlib.core.project import Project


def project_keys(project: Project | None) -> KeyRing:
    """Return the keys of ``project``, as its file says and nothing else; without a project, none.

    Raises:
        BadInput: a file of a key is missing, or holds none.
    """
    if project is None:
        return KeyRing(Path())
    signing = load(project.params_file).signing
    return KeyRing(project.root, signing.key, signing.public_keys, required=signing.required)
