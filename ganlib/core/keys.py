"""The keys of a project: one that signs, and those whose signatures are trusted. What is private stays in this file.

Elliptic-curve keys (P-256, P-384 or P-521) in PEM files, as OpenSSF's Model Signing takes them.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.core.errors import BadInput

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_FORM = "a key on P-256, P-384 or P-521 in PEM, without a password, is wanted"
_SHORT = 16
"""Hexadecimal places of a fingerprint by which people tell keys apart."""


class KeyRing:
    """A project's private key, if it has one, and the public keys that it trusts."""

    def __init__(
        self, root: Path, private: str | None = None, public: Iterable[str] = (), *, required: bool = False
    ) -> None:
        """Read the files; names are relative to ``root``. What ``private`` signs is trusted, too.

        Args:
            root: the project's folder.
            private: PEM file of the key that signs; None: nothing is signed.
            public: PEM files of the other keys whose signatures are trusted.
            required: what none of them has signed is refused.

        Raises:
            BadInput: a file is missing, or holds no such key. What it holds is not told.
        """
        self.required = required
        self.private_file = root / Path(private).expanduser() if private else None
        self._private = _private_key(self.private_file) if self.private_file else None
        own = [self._private.public_key()] if self._private else []
        self.public_keys = {
            fingerprint(key): key for key in (*own, *(_public_key(root / Path(name).expanduser()) for name in public))
        }
        """Public keys by their fingerprint."""

    def sign(self, text: str) -> str:
        """Return the signature of ``text`` with the fingerprint of its key; empty where there is no private key."""
        if self._private is None:
            return ""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

        public = self._private.public_key()
        signature = self._private.sign(text.encode(), ECDSA(_hash(public)))
        return f"{fingerprint(public)[:_SHORT]}:{base64.b64encode(signature).decode()}"

    def objection(self, text: str, signature: str) -> str | None:
        """Return why ``signature``, of :meth:`sign`, does not vouch for ``text``; None: it does."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

        short, _, content = signature.partition(":")
        key = next((key for name, key in self.public_keys.items() if name[:_SHORT] == short), None)
        if key is None:
            return f"key {short[:_SHORT]} is none of those that this project trusts"
        try:
            key.verify(base64.b64decode(content, validate=True), text.encode(), ECDSA(_hash(key)))
        except (InvalidSignature, ValueError):
            return f"its signature by key {short} does not fit it"
        return None


def fingerprint(key: EllipticCurvePublicKey) -> str:
    """Return the SHA-256 of a public key's PEM, which OpenSSF's signatures have as a hint."""
    return hashlib.sha256(pem(key)).hexdigest()


def pem(key: EllipticCurvePublicKey) -> bytes:
    """Return a public key as a PEM file has it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _private_key(path: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(_content(path), None)
    except (ValueError, TypeError):  # TypeError: it has a password
        key = None
    if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name not in _CURVES:
        raise BadInput(f"signing.key: {path} is no private key that can be used: {_FORM}.")
    return key


def _public_key(path: Path) -> EllipticCurvePublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_content(path))
    except ValueError:
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in _CURVES:
        raise BadInput(f"signing.public_keys: {path} is no public key that can be used: {_FORM}.")
    return key


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"signing: cannot read {path}: {error.strerror}.") from None


def _hash(key: EllipticCurvePublicKey) -> HashAlgorithm:
    """The hash that belongs to a key of that size, as Model Signing has it."""
    from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

    hashes: dict[int, HashAlgorithm] = {256: SHA256(), 384: SHA384(), 521: SHA512()}
    return hashes[key.curve.key_size]
