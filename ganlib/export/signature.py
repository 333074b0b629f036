"""Signatures of graphs, as OpenSSF's Model Signing makes and checks them: a Sigstore bundle over the files of a folder.

``model_signing verify key`` checks the same file without ganlib. Needs the extra ``signing``, and no network.
"""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path

from ganlib.core.errors import BadInput
from ganlib.core.extras import require_extra
from ganlib.core.files import first_line, write_bytes
from ganlib.core.keys import KeyRing, pem

GRAPH, SIGNATURE = "model.onnx", "model.sig"
"""What a graph is called in the folder that is signed, and the signature in it."""


def sign_folder(folder: Path, keys: KeyRing) -> None:
    """Sign all files of ``folder`` with the private key of ``keys``: the signature is :data:`SIGNATURE` in it.

    Raises:
        BadInput: the extra ``signing`` is not installed.
    """
    require_signing()
    from model_signing import hashing, signing

    assert keys.private_file is not None  # noqa: S101  (who has no key does not call this)
    place = folder / SIGNATURE
    place.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        part = Path(scratch) / SIGNATURE
        config = signing.Config().use_elliptic_key_signer(private_key=keys.private_file)
        config.set_hashing_config(hashing.Config()).sign(folder, part)
        write_bytes(place, part.read_bytes())


def sign_graph(graph: Path, keys: KeyRing) -> str:
    """Return the signature of a folder that holds ``graph`` as :data:`GRAPH` and nothing else.

    Raises:
        BadInput: as :func:`sign_folder`.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(graph, Path(folder) / GRAPH)
        sign_folder(Path(folder), keys)
        return (Path(folder) / SIGNATURE).read_text(encoding="utf-8")


def require_graph(graph: Path, bundle: str, keys: KeyRing) -> None:
    """Check the signature ``bundle`` of ``graph`` alone, as :func:`sign_graph` gives it.

    Raises:
        BadInput: it is not by a key of ``keys``, or not of these bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(graph, Path(folder) / GRAPH)
        (Path(folder) / SIGNATURE).write_text(bundle, encoding="utf-8")
        require_folder(Path(folder) / GRAPH, keys)


def require_folder(graph: Path, keys: KeyRing) -> None:
    """Check the signature beside ``graph``: all files that it names are as they were signed, the graph among them.

    Raises:
        BadInput: they are not, or it is not by a key of ``keys``, or the extra ``signing`` is not installed.
    """
    require_signing()
    from model_signing import verifying

    place = graph.parent / SIGNATURE
    try:
        hint, names = _claims(place.read_bytes())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{place} is no signature of OpenSSF's Model Signing: {first_line(error)}.") from None
    if hint not in keys.public_keys:
        raise BadInput(f"{place} is by key {hint[:16]}, which is none of those that this project trusts.")
    if graph.name not in names:
        raise BadInput(f"{place} is not of {graph.name}: it names {', '.join(sorted(names)[:5])}.")
    with tempfile.TemporaryDirectory() as scratch:
        key = Path(scratch) / "key.pem"
        key.write_bytes(pem(keys.public_keys[hint]))
        config = verifying.Config().use_elliptic_key_verifier(public_key=key).set_ignore_unsigned_files(True)
        try:
            config.verify(graph.parent, place)
        except Exception as error:  # whatever its libraries raise, it is not signed
            why = first_line(error)
            raise BadInput(f"{place} does not fit what is beside it: {why}. Nothing was loaded.") from None


def require_signing() -> None:
    """Raise :class:`BadInput` where the extra ``signing`` is not installed."""
    require_extra("signing", "model_signing.verifying", "a signature by OpenSSF's Model Signing")


def _claims(bundle: bytes) -> tuple[str, set[str]]:
    """The fingerprint of the key that a bundle names, and the files that it is of; neither is proven by this."""
    content = json.loads(bundle)
    statement = json.loads(base64.b64decode(content["dsseEnvelope"]["payload"]))
    hint = str(content["verificationMaterial"]["publicKey"]["hint"])
    return hint, {str(each["name"]) for each in statement["predicate"]["resources"]}
