"""Signed PNG files: C2PA's own reader accepts them, and batches of them are resumed, verified and repaired."""

from __future__ import annotations

import io
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("c2pa", reason="no extra c2pa: make install")

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ganlib.cli.batches import credential_signer
from ganlib.core.errors import BadInput
from ganlib.generation.batch import manifest as manifests
from ganlib.generation.batch.batch import generate, verify
from ganlib.generation.credentials import CredentialSigner, without_credentials
from ganlib.generation.mark import SOURCE_TYPE
from ganlib.generation.session import OnnxModel
from ganlib.generation.trial_certificate import write_trial_certificate
from ganlib.jobs.images.generate import generate as generate_job
from ganlib.jobs.images.repair import repair
from ganlib.jobs.images.request import GenerateRequest

UNTRUSTED = {"builder": {"thumbnail": {"enabled": False}}}
DAY = timedelta(days=1)
SECOND = "shard-00000/00000001.png"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ca")
    write_trial_certificate(folder)
    return folder


@pytest.fixture(scope="module")
def signer(ca: Path) -> CredentialSigner:
    return CredentialSigner(ca / "chain.pem", ca / "key.pem")


@pytest.fixture(scope="module")
def batch(model: OnnxModel, signer: CredentialSigner, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three signed images in two shards. Tests work on copies."""
    out = tmp_path_factory.mktemp("batch") / "out"
    make(model, out, signer)
    return out


def make(model: OnnxModel, out: Path, signer: CredentialSigner | None) -> manifests.Manifest:
    origin = {"reference": str(model.path)}
    return generate(model, out=out, count=3, seed=7, shard_size=2, signer=signer, origin=origin)


def read(png: bytes, settings: dict[str, Any] = UNTRUSTED) -> tuple[str, dict[str, Any]]:
    """What C2PA's reader says of a file: its verdict, and the statement."""
    import c2pa

    with c2pa.Reader("image/png", io.BytesIO(png), context=c2pa.Context.from_dict(settings)) as reader:
        return reader.get_validation_state(), json.loads(reader.json())


def codes(report: dict[str, Any], kind: str) -> set[str]:
    return {each["code"] for each in report["validation_results"]["activeManifest"][kind]}


def test_c2pa_s_reader_calls_a_file_valid_and_says_what_we_said(batch: Path, ca: Path, model: OnnxModel) -> None:
    png = (batch / SECOND).read_bytes()
    state, report = read(png)
    assert state == "Valid"
    assert codes(report, "failure") == {"signingCredential.untrusted"}, "nobody has a reason to trust this authority"
    statement = report["manifests"][report["active_manifest"]]
    assertions = {each["label"]: each["data"] for each in statement["assertions"]}
    assert assertions["c2pa.actions.v2"]["actions"][0]["action"] == "c2pa.created"
    assert assertions["c2pa.actions.v2"]["actions"][0]["digitalSourceType"] == SOURCE_TYPE
    assert assertions["ganlib.image"] == {"model_sha256": model.sha256, "seed": "7", "index": "1"}
    assert "thumbnail" not in statement
    assert statement["title"] == "00000001.png"

    anchors = {"trust_anchors": (ca / "ca.pem").read_text(), "trust_config": "1.3.6.1.5.5.7.3.4\n"}
    assert read(png, {"trust": anchors, "verify": {"verify_trust": True}})[0] == "Trusted", "who trusts it"
    pixel = bytearray(png)
    pixel[-40] ^= 1
    assert read(bytes(pixel))[0] == "Invalid"


def test_without_its_credentials_a_file_is_the_one_that_nobody_signed_and_so_is_the_digest(
    batch: Path, model: OnnxModel, signer: CredentialSigner, tmp_path: Path
) -> None:
    plain = make(model, tmp_path / "plain", None)
    signed = manifests.read(batch)
    assert signed
    assert (signed.digest, signed.signed, plain.signed) == (plain.digest, True, False)
    assert signed.shards[0].sha256 != plain.shards[0].sha256 == signed.shards[0].unsigned_sha256
    for path in sorted(batch.rglob("*.png")):
        bare = (tmp_path / "plain" / path.relative_to(batch)).read_bytes()
        assert without_credentials(path.read_bytes()) == bare == without_credentials(bare)
        assert 0 < len(path.read_bytes()) - len(bare) <= signer.more_bytes
    again = make(model, tmp_path / "again", signer)
    assert again.digest == signed.digest
    assert again.shards != signed.shards, "no two signatures are alike"


def test_what_was_altered_is_told_and_made_again_with_new_credentials(
    batch: Path, model: OnnxModel, signer: CredentialSigner, tmp_path: Path
) -> None:
    out = shutil.copytree(batch, tmp_path / "out")
    assert verify(out).ok
    whole = (out / SECOND).read_bytes()
    for content in (whole.replace(b"ganlib.image", b"ganlib.imagE"), without_credentials(whole)):
        (out / SECOND).write_bytes(content)
        found = verify(out)
        assert (found.altered, found.damaged) == ((SECOND,), (0,))
        with pytest.raises(BadInput, match=r"takes --c2pa-cert and --c2pa-key\. Nothing was changed"):
            repair(None, None, out)
        assert repair(None, None, out, signer=signer).remade == ("shard-00000",)
        assert verify(out).ok
        assert read((out / SECOND).read_bytes())[0] == "Valid"
    before, after = manifests.read(batch), manifests.read(out)
    assert before
    assert after
    assert (before.digest, before.shards[1]) == (after.digest, after.shards[1])
    assert before.shards[0] != after.shards[0]
    (out / "manifest.json").write_text((out / "manifest.json").read_text().replace(str(after.digest), "0" * 64))
    assert verify(out).altered == ("manifest.json",)


def test_a_batch_goes_on_as_it_was_begun_whichever_certificate_signs(
    batch: Path, model: OnnxModel, signer: CredentialSigner, tmp_path: Path
) -> None:
    out = shutil.copytree(batch, tmp_path / "out")
    shutil.rmtree(out / "shard-00001")
    with pytest.raises(BadInput, match="signed is True, not False"):
        make(model, out, None)
    write_trial_certificate(tmp_path / "other")
    other = CredentialSigner(tmp_path / "other" / "chain.pem", tmp_path / "other" / "key.pem")
    first = (out / SECOND).read_bytes()
    assert make(model, out, other).digest == getattr(manifests.read(batch), "digest", None)
    assert verify(out).ok
    assert (out / SECOND).read_bytes() == first, "what was whole stays"
    make(model, tmp_path / "plain", None)
    (tmp_path / "plain" / SECOND).unlink()
    with pytest.raises(BadInput, match="have no content credentials: leave --c2pa-cert out"):
        repair(None, None, tmp_path / "plain", signer=signer)


def test_other_formats_are_refused_and_nothing_is_made(
    model: OnnxModel, signer: CredentialSigner, tmp_path: Path
) -> None:
    request = GenerateRequest(out=str(tmp_path / "out"), count=1, file_format="npy")
    with pytest.raises(BadInput, match="content credentials are for PNG files, not for npy"):
        generate_job(None, None, str(model.path), request, signer=signer)
    assert not (tmp_path / "out").exists()


def test_what_cannot_sign_is_one_line(ca: Path, tmp_path: Path) -> None:
    chain, key = ca / "chain.pem", ca / "key.pem"
    write_trial_certificate(tmp_path / "old", days=-0.5)
    write_trial_certificate(tmp_path / "other")
    private = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "stranger.pem").write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "empty").touch()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "me")])
    own = x509.CertificateBuilder(name, name, private.public_key(), 1, *(datetime.now(UTC) + d for d in (-DAY, DAY)))
    (tmp_path / "own.pem").write_bytes(own.sign(private, hashes.SHA256()).public_bytes(Encoding.PEM))
    for certificate, private_file, words in (
        (chain, tmp_path / "stranger.pem", r"stranger\.pem is not the key of the certificate .*chain\.pem"),
        (chain, tmp_path / "other" / "key.pem", "is not the key of the certificate"),
        (tmp_path / "old" / "chain.pem", tmp_path / "old" / "key.pem", r"old/chain\.pem ran out on 20"),
        (
            tmp_path / "own.pem",
            tmp_path / "stranger.pem",
            r"own\.pem cannot sign: Signature: the certificate",
        ),
        (tmp_path / "absent", key, "--c2pa-cert: cannot read .*absent: No such file"),
        (chain, tmp_path / "absent", "--c2pa-key: cannot read .*absent: No such file"),
        (tmp_path / "empty", key, "holds no certificate in PEM"),
        (chain, tmp_path / "empty", "is no private key in PEM"),
        (chain, chain, "is no private key in PEM"),
        (chain, None, "--c2pa-cert and --c2pa-key go together"),
        (None, key, "--c2pa-cert and --c2pa-key go together"),
    ):
        with pytest.raises(BadInput, match=words) as refusal:
            credential_signer(certificate, private_file)
        assert str(refusal.value).endswith("Nothing was made.")
        assert "\n" not in str(refusal.value)
    assert credential_signer(None, None) is None
