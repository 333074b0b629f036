"""`ganlib mark test-ca`: what it makes fits together, and replaces nothing."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificates

from ganlib.core.errors import BadInput
from ganlib.generation.trial_certificate import write_trial_certificate


def test_a_chain_whose_key_its_owner_alone_can_read_and_nothing_is_written_over(tmp_path: Path) -> None:
    write_trial_certificate(tmp_path / "ca")
    assert sorted(path.name for path in (tmp_path / "ca").iterdir()) == ["ca.pem", "chain.pem", "key.pem"]
    assert stat.S_IMODE((tmp_path / "ca" / "key.pem").stat().st_mode) == 0o600
    signer, authority = load_pem_x509_certificates((tmp_path / "ca" / "chain.pem").read_bytes())
    assert load_pem_x509_certificates((tmp_path / "ca" / "ca.pem").read_bytes()) == [authority]
    signer.verify_directly_issued_by(authority)
    before = (tmp_path / "ca" / "key.pem").read_bytes()
    with pytest.raises(BadInput, match=r"has ca.pem, chain.pem, key.pem already: nothing was changed"):
        write_trial_certificate(tmp_path / "ca")
    assert (tmp_path / "ca" / "key.pem").read_bytes() == before
