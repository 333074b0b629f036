"""Models of each shape and kind, written in milliseconds."""

from __future__ import annotations

import pytest

from ganlib.generation.session import OnnxModel
from tests.support import graphs
from tests.support.specs import CAPTIONS, ICONS, SHOP
from tests.unit.generation.formats.suite import Models


@pytest.fixture(scope="session")
def every_shape(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Models]:
    """Models of 28 x 28 grey and of colour: unconditional, of labels, and of captions."""
    folder = tmp_path_factory.mktemp("shapes")

    def model(name: str, *kind: object) -> OnnxModel:
        graphs.write(folder / name, *kind)  # type: ignore[arg-type]
        return OnnxModel(folder / name)

    return {
        "grey": Models(model("a.onnx", 0), model("b.onnx", 1, "label"), model("c.onnx", 2, "caption")),
        "colour": Models(
            model("d.onnx", 3, None, SHOP),
            model("e.onnx", 4, "label", SHOP),
            model("f.onnx", 5, "caption", ICONS, CAPTIONS),
        ),
    }


@pytest.fixture(params=["grey", "colour"])
def models(every_shape: dict[str, Models], request: pytest.FixtureRequest) -> Models:
    """The models of one shape after the other."""
    return every_shape[request.param]
