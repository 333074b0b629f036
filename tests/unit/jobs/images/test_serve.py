"""What a server is started with: its index, and what is told at its start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganlib.config import MarkConfig, Params, load
from ganlib.core.errors import BadInput
from ganlib.generation.detection import index as indexes
from ganlib.generation.detection.image import pixel_digest
from ganlib.generation.session import OnnxModel
from ganlib.jobs.images.serve import serve
from tests.conftest import ROOT
from tests.support import graphs
from tests.unit.generation.formats.suite import make


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "g.onnx"
    graphs.write(path)
    return path


@pytest.fixture
def params() -> Params:
    return load(ROOT / "params.yaml")


@pytest.mark.parametrize("producer", ["", "Ada"])
def test_marks_that_name_nobody_are_told_once(
    graph: Path, params: Params, monkeypatch: pytest.MonkeyPatch, producer: str
) -> None:
    lines: list[str] = []
    monkeypatch.setattr("ganlib.serving.server.run", lambda *_, **__: None)  # it ends as soon as it would begin
    params = params.model_copy(update={"mark": MarkConfig(producer=producer)})
    serve(None, params, [str(graph)], port=0, tell=lines.append)
    assert [line for line in lines if "mark.producer" in line] == (
        [] if producer else ["mark.producer in params.yaml is empty: the marks name no producer"]
    )


def test_a_server_looks_up_in_the_index_that_it_was_given_and_closes_it(
    graph: Path, params: Params, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = OnnxModel(graph)
    make(model, tmp_path / "out", "npy", count=3, seed=5)
    indexes.update(tmp_path / "detect.db", [tmp_path / "out"])
    seen: list[Any] = []

    def run(application: object, server: Any, *_: object, **__: object) -> None:
        index = server.reader._index  # noqa: SLF001  (what it was given)
        seen.extend((index, index.find(pixel_digest(model.images(5, 2, 1)[0])).place))

    monkeypatch.setattr("ganlib.serving.server.run", run)
    serve(None, params, [str(graph)], port=0, index=tmp_path / "detect.db")
    assert seen[1] == "out", "and no more of the place"
    with pytest.raises(Exception, match="closed"):
        seen[0].find(b"")
    with pytest.raises(BadInput, match=r"there is no index at .*missing\.db"):
        serve(None, params, [str(graph)], port=0, index=tmp_path / "missing.db")
