"""Content credentials (C2PA): a signed statement in a PNG file that a model made it, and which; the extra ``c2pa``.

A signature has random numbers in it, so that no two are alike. It is one chunk of the file: without it, the file is the
very one that is made without signing.
"""

from __future__ import annotations

import io
import json
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ganlib
from ganlib.core.errors import BadInput
from ganlib.core.extras import require_extra
from ganlib.core.files import first_line
from ganlib.generation.mark import SYSTEM

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

ASSERTION = "ganlib.image"
"""Label of what says which model, seed and number made an image."""
_CHUNK = b"caBX"  # of a PNG file: the manifest store of C2PA
_SIGNATURE_BYTES = 8  # of PNG
_MORE = 1024  # bytes that another image's credentials may have more than the first one's
_CURVES = {256: b"es256", 384: b"es384", 521: b"es512"}
_SETTINGS = {"builder": {"thumbnail": {"enabled": False}}}
_QUICK = {**_SETTINGS, "verify": {"verify_after_sign": False}}
"""For all but the first: looking at each signature again takes as long as making it."""
_FACTS = ("0" * 64, 2**64 - 1, 2**63 - 1)
"""Of a model, the longest seed and number: with them a certificate is tried out."""


class CredentialSigner:
    """Signs PNG files with a certificate and its key."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Read both and sign a picture for trial, so that whatever is wrong with them is told before any work.

        Args:
            certificate: PEM file of the certificate that signs and those that vouch for it, in that order.
            key: PEM file of its private key, without a password.

        Raises:
            BadInput: a file cannot be read, the key is not the certificate's, the certificate is not valid now or not
                meant for this, or the extra ``c2pa`` is not installed. Nothing that is in the key's file is told.
        """
        require_extra("c2pa", "c2pa", "--c2pa-cert")
        import c2pa

        self._chain = _content("--c2pa-cert", certificate)
        algorithm, pkcs8 = _checked(self._chain, certificate, _content("--c2pa-key", key), key)
        self._context = c2pa.Context.from_dict(_SETTINGS)
        try:
            info = c2pa.C2paSignerInfo(alg=algorithm, sign_cert=self._chain, private_key=pkcs8, ta_url=None)
            self._signer = c2pa.Signer.from_info(info)
            more = len(self.sign(_SPECIMEN, *_FACTS, title="0" * 24)) - len(_SPECIMEN)
        except c2pa.C2paError as error:
            raise BadInput(f"--c2pa-cert {certificate} cannot sign: {first_line(error)}. Nothing was made.") from None
        self._context = c2pa.Context.from_dict(_QUICK)
        self.more_bytes = more + _MORE
        """An upper bound of what credentials add to a file."""

    def sign(self, png: bytes, model_sha256: str, seed: int, index: int, *, title: str) -> bytes:
        """Return ``png`` with credentials that say it was created by the model, with the seed and the number."""
        import c2pa

        # In words, as in the file's text chunks: C2PA's JSON holds no integer above 2**63, and seeds are.
        facts = {"model_sha256": model_sha256, "seed": str(seed), "index": str(index)}
        statement = {
            "claim_generator_info": [{"name": SYSTEM, "version": ganlib.__version__}],
            "title": title,
            "format": "image/png",
            "assertions": [{"label": ASSERTION, "data": facts}],
        }
        out = io.BytesIO()
        with c2pa.Builder(json.dumps(statement), context=self._context) as builder:
            builder.set_intent(c2pa.C2paBuilderIntent.CREATE, c2pa.C2paDigitalSourceType.TRAINED_ALGORITHMIC_MEDIA)
            builder.sign(self._signer, "image/png", io.BytesIO(png), out)
        return out.getvalue()


def without_credentials(png: bytes) -> bytes:
    """Return a PNG file as it is without them: what is the same whoever signs it, and when."""
    at, parts = _SIGNATURE_BYTES, [png[:_SIGNATURE_BYTES]]
    while at + 12 <= len(png):
        end = at + 12 + int(struct.unpack(">I", png[at : at + 4])[0])
        if png[at + 4 : at + 8] != _CHUNK:
            parts.append(png[at:end])
        at = end
    return b"".join([*parts, png[at:]])


def _content(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"{option}: cannot read {path}: {error.strerror}. Nothing was made.") from None


def _checked(chain: bytes, chain_file: Path, key: bytes, key_file: Path) -> tuple[bytes, bytes]:
    """The name of the algorithm, and the key as PKCS #8, if it is that of the certificate and this one is valid now."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
        load_pem_private_key,
    )
    from cryptography.x509 import load_pem_x509_certificates

    try:
        certificate = load_pem_x509_certificates(chain)[0]
    except ValueError:
        raise BadInput(f"--c2pa-cert: {chain_file} holds no certificate in PEM. Nothing was made.") from None
    try:
        private: Any = load_pem_private_key(key, None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise BadInput(
            f"--c2pa-key: {key_file} is no private key in PEM without a password. Nothing was made."
        ) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise BadInput(f"--c2pa-key: {key_file} is not the key of the certificate {chain_file}. Nothing was made.")
    _require_valid(certificate, chain_file)
    return _algorithm(private), private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _require_valid(certificate: Certificate, path: Path) -> None:
    now = datetime.now(UTC)
    if now > certificate.not_valid_after_utc:
        raise BadInput(f"--c2pa-cert: {path} ran out on {certificate.not_valid_after_utc:%Y-%m-%d}. Nothing was made.")
    if now < certificate.not_valid_before_utc:
        raise BadInput(
            f"--c2pa-cert: {path} is valid from {certificate.not_valid_before_utc:%Y-%m-%d} on. Nothing was made."
        )


def _algorithm(key: Any) -> bytes:
    """C2PA's name of what such a key signs by."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if isinstance(key, EllipticCurvePrivateKey):
        return _CURVES.get(key.curve.key_size, b"es256")
    return b"ed25519" if isinstance(key, Ed25519PrivateKey) else b"ps256"


_SPECIMEN = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
    "0000000a49444154789c636000000002000148afa4710000000049454e44ae426082"
)
"""A picture of one pixel."""
