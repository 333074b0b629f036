"""Signatures of graphs by OpenSSF's library: what it signed is what it accepts, and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

pytest.importorskip("model_signing.signing", reason="no extra signing: make install")

from ganlib.core.errors import BadInput
from ganlib.core.keys import KeyRing
from ganlib.export.signature import require_folder, require_graph, sign_folder, sign_graph
from tests.support import forks
from tests.support.keys import write_key


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    write_key(tmp_path)
    return KeyRing(tmp_path, "key.pem")


@pytest.fixture
def folder(tmp_path: Path, keys: KeyRing) -> Path:
    """A folder that was signed, with a graph, a card, and a file that came later."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"a graph")
    (folder / "README.md").write_text("a card")
    sign_folder(folder, keys)
    (folder / "later.txt").write_text("mine")
    return folder


def test_what_was_signed_is_accepted_and_each_change_is_one_line(folder: Path, keys: KeyRing, tmp_path: Path) -> None:
    graph, signature = folder / "model.onnx", folder / "model.sig"
    require_folder(graph, keys)
    whole = signature.read_text()
    (folder / "evil.onnx").write_bytes(b"another graph")
    write_key(tmp_path, "other")
    torn, bundle = json.loads(whole), json.loads(whole)
    torn["dsseEnvelope"]["signatures"][0]["sig"] = "AAAA"
    bundle["verificationMaterial"]["publicKey"]["hint"] = next(iter(KeyRing(tmp_path, "other.pem").public_keys))
    for path, name, content, ring, words in (
        (graph, "model.onnx", "a graph?", keys, "does not fit what is beside it"),
        (graph, "README.md", "a better card", keys, "does not fit what is beside it"),
        (graph, "model.sig", json.dumps(torn), keys, "does not fit what is beside it"),
        (graph, "model.sig", "{}", keys, "is no signature of OpenSSF's Model Signing"),
        (graph, "model.sig", "\u20ac", keys, "is no signature of OpenSSF's Model Signing"),
        (graph, "model.sig", whole, KeyRing(tmp_path, "other.pem"), "none of those that this project trusts"),
        (graph, "model.sig", json.dumps(bundle), KeyRing(tmp_path, "other.pem"), "does not fit what is beside it"),
        (folder / "evil.onnx", "model.sig", whole, keys, "is not of evil.onnx: it names README.md, model.onnx"),
    ):
        before = (folder / name).read_text()
        (folder / name).write_text(content, encoding="utf-8")
        with pytest.raises(BadInput, match=words) as refusal:
            require_folder(path, ring)
        assert "\n" not in str(refusal.value)
        (folder / name).write_text(before)
    (folder / "README.md").unlink()
    with pytest.raises(BadInput, match="does not fit what is beside it"):
        require_folder(graph, keys)


def test_a_graph_alone_is_signed_wherever_its_file_is_and_whatever_it_is_called(tmp_path: Path, keys: KeyRing) -> None:
    (tmp_path / "x.onnx").write_bytes(b"a graph")
    bundle = sign_graph(tmp_path / "x.onnx", keys)
    require_graph(tmp_path / "x.onnx", bundle, keys)
    (tmp_path / "x.onnx").write_bytes(b"another")
    with pytest.raises(BadInput, match="does not fit"):
        require_graph(tmp_path / "x.onnx", bundle, keys)


def test_openssf_s_own_command_accepts_it(folder: Path, tmp_path: Path) -> None:
    command = ["model_signing", "verify", "key", str(folder), "--ignore_unsigned_files"]
    command += ["--signature", str(folder / "model.sig"), "--public_key", str(tmp_path / "key.pub")]
    done = forks.run(command, tmp_path, os.environ)
    assert done.returncode == 0, done.stderr
    (folder / "README.md").write_text("a better card")
    assert forks.run(command, tmp_path, os.environ).returncode == 1
