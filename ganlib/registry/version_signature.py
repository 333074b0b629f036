"""The signature of a version's graph: a record beside its bytes, as the evidence is."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ganlib.config.keys import project_keys
from ganlib.core.errors import BadInput
from ganlib.export.signature import sign_graph
from ganlib.registry.records import SIGNATURE, Records
from ganlib.registry.registry import Registry, Version


def sign_version(registry: Registry, version: Version) -> None:
    """Sign the graph of ``version``, which may have been registered before there was a key, with the project's key.

    Raises:
        BadInput: there is no key, or the extra ``signing`` is not installed. Nothing was changed.
        Corrupt: the stored bytes are not those that were registered; the same.
        Unavailable: MLflow does not answer.
    """
    keys = project_keys(registry.store.project)
    if keys.private_file is None:
        raise BadInput("signing.key in params.yaml names no key to sign with. Nothing was changed.")
    with tempfile.TemporaryDirectory() as folder:
        bundle = sign_graph(registry.download(version, Path(folder) / "stored.onnx"), keys)
    value = Records(registry.store).write(registry.model_of(version.version), SIGNATURE, bundle)
    registry.tag(version.version, {SIGNATURE: value})


def read_signature(registry: Registry, version: Version) -> str | None:
    """Return the signature of the graph of ``version``, which nobody has checked yet; None: it was not signed.

    Raises:
        BadInput: it was signed, and the signature was changed or is gone.
        Unavailable: MLflow does not answer.
    """
    if (value := registry.tags(version.version).get(SIGNATURE)) is None:
        return None
    bundle = Records(registry.store).read(registry.model_of(version.version), SIGNATURE, value)
    if bundle is None:
        raise BadInput(f"the signature of {version.uri} was changed or is gone. Nothing was loaded.")
    return bundle
