"""Keys: what they sign, whom they trust, and what is said of a file that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ganlib.core.errors import BadInput
from ganlib.core.keys import KeyRing
from tests.support.keys import write_key


def test_a_signature_is_trusted_by_whoever_has_the_public_half_and_fits_one_text(tmp_path: Path) -> None:
    write_key(tmp_path)
    signature = KeyRing(tmp_path, "key.pem").sign("a text")
    for ring in (KeyRing(tmp_path, "key.pem"), KeyRing(tmp_path, None, ["key.pub"])):
        assert ring.objection("a text", signature) is None
        assert "does not fit it" in (ring.objection("a texT", signature) or "")
        assert "does not fit it" in (ring.objection("a text", signature[:-3] + "%%%") or "")
        for other in ("", "nonsense", ":", f"{'0' * 16}:{signature.partition(':')[2]}"):
            assert "none of those that this project trusts" in (ring.objection("a text", other) or "")
    write_key(tmp_path, "other")
    assert "none of those" in (KeyRing(tmp_path, "other.pem").objection("a text", signature) or "")
    assert KeyRing(tmp_path, None, ["key.pub"]).sign("a text") == ""


def test_what_is_no_key_is_one_line_that_names_the_file_and_nothing_that_is_in_it(tmp_path: Path) -> None:
    good = write_key(tmp_path).read_text()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    password = serialization.BestAvailableEncryption(b"password")
    files = {
        "rsa": rsa.generate_private_key(65537, 2048).private_bytes(pem, pkcs8, serialization.NoEncryption()),
        "curve": ec.generate_private_key(ec.SECP256K1()).private_bytes(pem, pkcs8, serialization.NoEncryption()),
        "encrypted": ec.generate_private_key(ec.SECP256R1()).private_bytes(pem, pkcs8, password),
        "torn": good[:120].encode(),
        "public": (tmp_path / "key.pub").read_bytes(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=f"signing.key: .*{name} is no private key that can be used") as refusal:
            KeyRing(tmp_path, name)
        assert "\n" not in str(refusal.value)
        assert not any(line in str(refusal.value) for line in content.decode().splitlines())
    with pytest.raises(BadInput, match=r"signing.public_keys: .*key.pem is no public key"):
        KeyRing(tmp_path, None, ["key.pem"])
    with pytest.raises(BadInput, match=r"cannot read .*absent: No such file"):
        KeyRing(tmp_path, "absent")
