"""A certificate authority for trying out content credentials: nobody but its owner has a reason to trust it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.core.errors import BadInput
from ganlib.core.files import require_writable, write_bytes

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.x509 import Certificate, Name

AUTHORITY, CHAIN, KEY = "ca.pem", "chain.pem", "key.pem"
"""The authority's certificate; the certificate that signs, with that one below it; its private key."""
_AUTHORITY_NAME, _SIGNER_NAME = "ganlib test authority", "ganlib test signer"


def write_trial_certificate(folder: Path, days: float = 365) -> None:
    """Fill ``folder`` with an authority's certificate, one that it has issued for ``days``, and that one's key.

    The authority's own key is not kept: it issues nothing else.

    Raises:
        BadInput: the folder has such files, which stay, or cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    if there := [name for name in (AUTHORITY, CHAIN, KEY) if (folder / name).exists()]:
        raise BadInput(f"{folder} has {', '.join(there)} already: nothing was changed. Choose another folder.")
    require_writable(folder)
    authority_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _certificate(_AUTHORITY_NAME, authority_key.public_key(), authority_key, days + 1, is_authority=True)
    signer = _certificate(_SIGNER_NAME, key.public_key(), authority_key, days, is_authority=False)
    private = folder / KEY
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    write_bytes(folder / AUTHORITY, authority.public_bytes(Encoding.PEM))
    write_bytes(folder / CHAIN, signer.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM))


def _certificate(
    subject: str, public: EllipticCurvePublicKey, issuer: EllipticCurvePrivateKey, days: float, *, is_authority: bool
) -> Certificate:
    """A certificate by the profile that C2PA asks for, valid from a day ago on."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID

    now, use = datetime.now(UTC), dict.fromkeys(_USES, False)
    use |= {"key_cert_sign": True, "crl_sign": True} if is_authority else {"digital_signature": True}
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(_AUTHORITY_NAME))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**use), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), critical=False)
    )
    if not is_authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer, SHA256())


_USES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _name(text: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "ganlib"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )
