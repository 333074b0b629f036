"""Keys to sign with, made in a millisecond."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ganlib.core.project import Project


def write_key(folder: Path, name: str = "key") -> Path:
    """Write ``NAME.pem``, a private key on P-256, and ``NAME.pub``, its public half; the first one's path."""
    key = ec.generate_private_key(ec.SECP256R1())
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return path


def trust(project: Project, *, key: str | None = None, public: tuple[str, ...] = (), required: bool = False) -> None:
    """Set the keys of ``project``, as a person does in its params.yaml."""
    text = project.params_file.read_text()
    start, end = text.index("signing:"), text.index("\ngate:")
    section = json.dumps({"key": key, "public_keys": public, "required": required})
    project.params_file.write_text(f"{text[:start]}signing: {section}\n{text[end:]}")
