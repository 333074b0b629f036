"""A graph in other runtimes: what is there draws the same images, what is not says how to have it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ganlib.core.errors import BadInput
from ganlib.jobs.measuring.runtimes import RUNTIMES, RuntimeResult, check_runtimes
from tests import factories

_BLACK = """
import numpy as np
class Core:
    def read_model(self, path): return self
    def compile_model(self, *_): return self
    def create_infer_request(self): return self
    def infer(self, inputs): return {"image": np.zeros((len(inputs["noise"]), 1, 28, 28), np.uint8)}
"""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real generator's ONNX file."""
    path = tmp_path_factory.mktemp("graph") / "g.onnx"
    factories.graph(path)
    return path


def test_the_probe_of_onnxruntime_draws_the_images_of_our_own_session(graph: Path) -> None:
    check = check_runtimes(graph, "g", names=["onnxruntime"])
    (ours,) = check.results
    assert (ours.max_pixel_difference, ours.differing, ours.speed, ours.fault) == (0, 0, 1, None)
    assert ours.images_per_second
    assert check.ok
    assert "the same" in check.summary()


def test_a_runtime_that_draws_other_images_is_told_from_one_that_is_not_there(
    graph: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "openvino").mkdir()
    (tmp_path / "openvino" / "__init__.py").write_text(_BLACK)
    facts = tmp_path / "openvino-1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: openvino\nVersion: 1\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    check = check_runtimes(graph, "g", node=None, names=["openvino", "onnxruntime-web"])
    _, black, web = check.results
    assert (black.version, black.ok, black.absent) == ("1", False, False)
    assert black.max_pixel_difference
    assert (web.absent, web.fault) == (True, "not here (npm install onnxruntime-web)")
    assert not check.ok
    assert "OTHERS" in check.summary()


def test_one_that_rounds_otherwise_still_draws_the_same_images() -> None:
    assert RuntimeResult(runtime="tinygrad", max_pixel_difference=1).ok
    assert not RuntimeResult(runtime="tinygrad", max_pixel_difference=2).ok
    assert not RuntimeResult(runtime="tinygrad", fault="fails: no").ok


def test_what_is_asked_for_and_is_not_there_is_one_line(graph: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is no program"):
        check_runtimes(graph, "g", python=tmp_path / "python")
    with pytest.raises(BadInput, match="no folder node_modules"):
        check_runtimes(graph, "g", node=tmp_path)
    with pytest.raises(BadInput, match="tinygrad"):
        check_runtimes(graph, "g", names=["tinygrd"])
    assert set(RUNTIMES) >= {"onnxruntime", "openvino", "onnxruntime-node"}
