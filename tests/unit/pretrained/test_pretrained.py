"""Graphs that ship with the package: whole, small, and of use to somebody who has nothing but the package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlib import families, pretrained
from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_file
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.export.contract import describe
from ganlib.jobs.models import fetch
from tests.unit.cli.test_cli import ganlib, refused

NAMES = pretrained.names()
OFFLINE = """
import socket

def refuse(*_):
    raise OSError("this machine has no network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from ganlib.cli import main
main()
"""
"""The command line in a process that reaches nobody."""


def offline(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", OFFLINE, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)


@pytest.mark.parametrize("name", NAMES)
def test_what_ships_is_what_its_card_says(name: str) -> None:
    model = pretrained.find(name)
    card, described = model.card, describe(model.path.read_bytes(), name)
    assert (card.family, card.bytes) == (name, model.path.stat().st_size)
    assert card.sha256 == sha256_file(model.path)
    assert name in families.names()
    assert described.metadata["family"] == name
    assert described.metadata["data_version"] == card.data.md5 == card.evaluation.data_version
    assert described.metadata.get("precision", "fp32") == card.precision
    assert described.contract.spec == card.data.spec
    assert described.metadata["judge"] == card.evaluation.judge_sha256 == load_judge().sha256
    if card.float32:
        assert described.metadata["parent_sha256"] == card.float32.sha256
        assert card.evaluation.unlike(card.float32.evaluation) == ()
        assert abs(card.float32.fid_change.value) < 0.01 * card.evaluation.floor_fid.value


def test_all_of_them_are_a_small_download() -> None:
    assert {"cgan", "dcgan"} <= set(NAMES)
    assert pretrained.EXAMPLE.removeprefix(pretrained.PREFIX) in NAMES
    graphs = list(pretrained.FOLDER.glob("*.onnx"))
    assert sorted(path.stem for path in graphs) == NAMES
    assert sum(path.stat().st_size for path in graphs) <= pretrained.MOST_BYTES


def test_images_at_once_where_there_is_nothing_but_the_package(tmp_path: Path) -> None:
    words = ("--labels", "7", "--count", "64", "--out", "out/sevens")
    done = offline(tmp_path, "generate", "--model", "pretrained:cgan", *words)
    assert done.returncode == 0, done.stderr
    images = np.stack([np.asarray(Image.open(path)) for path in sorted(tmp_path.rglob("*.png"))])[:, None]
    assert images.shape == (64, 1, 28, 28)
    assert np.mean(load_judge().features(images).classes == 7) >= 0.95
    assert offline(tmp_path, "verify", "out/sevens").returncode == 0
    next(tmp_path.rglob("*.png")).unlink()
    assert offline(tmp_path, "repair", "out/sevens").returncode == 0, "by the name in the manifest"


def test_other_verbs_take_one_as_well(tmp_path: Path) -> None:
    exported = json.loads(ganlib("export", "pretrained:cgan", "--out", "m.onnx", "--json", cwd=tmp_path).stdout)
    assert exported["sha256"] == pretrained.find("cgan").sha256 == sha256_file(tmp_path / "m.onnx")
    walk = ("--pairs", "1", "--frames", "2", "--labels", "3")
    assert ganlib("show", "interpolate", "pretrained:cgan", "--out", "walk", *walk, cwd=tmp_path).returncode == 0
    assert "run_id" in ganlib("explain", "pretrained:cgan", cwd=tmp_path).stdout


def test_a_name_that_does_not_exist_is_one_line_with_the_nearest(tmp_path: Path) -> None:
    line = refused(ganlib("generate", "--model", "pretrained:cgna", "--out", "out", cwd=tmp_path))
    assert "unknown pretrained model 'cgna'. Did you mean 'cgan'? Known: " in line
    assert list(tmp_path.iterdir()) == []


def test_who_has_no_model_is_offered_one(tmp_path: Path) -> None:
    line = refused(ganlib("generate", "--out", "out", cwd=tmp_path))
    assert "no params.yaml" in line
    assert pretrained.EXAMPLE in line


def test_the_families_say_which_ship(tmp_path: Path) -> None:
    rows = {row["family"]: row["pretrained"] for row in json.loads(ganlib("families", "--json", cwd=tmp_path).stdout)}
    assert [name for name, card in sorted(rows.items()) if card] == NAMES
    assert rows["cgan"]["sha256"] == pretrained.find("cgan").sha256
    lines = [line.split() for line in ganlib("families", cwd=tmp_path).stdout.splitlines()]
    assert [words[0] for words in lines if words[1] == "*"] == NAMES
    told = " ".join(ganlib("families", "cgan", cwd=tmp_path).stdout.split())
    assert f"draw from it: {rows['cgan']['command']}" in told


def test_a_damaged_file_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(pretrained.FOLDER, tmp_path / "copy", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "copy")
    graph = tmp_path / "copy" / "cgan.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(Corrupt, match=r"is damaged: expected sha256 .* Install ganlib again"):
        fetch(None, None, "pretrained:cgan")
    graph.unlink()
    with pytest.raises(Corrupt, match="found no file"):
        fetch(None, None, "pretrained:cgan")
    (tmp_path / "copy" / "cgan.json").write_text("{")
    with pytest.raises(BadInput, match="is not JSON"):
        fetch(None, None, "pretrained:cgan")
