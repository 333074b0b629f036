"""Every family the whole way: trained, finished, exported with parity, drawn by onnxruntime, measured."""

from __future__ import annotations

import io
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from ganlib import families
from ganlib.config import Params, load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.session import OnnxModel
from ganlib.jobs.measuring.evaluate import evaluate
from ganlib.jobs.measuring.reconstruct import reconstruct
from ganlib.jobs.training.train import train
from ganlib.tracking import history
from ganlib.tracking.store import MlflowStore, connect
from tests.services import project as projects

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(projects.make(tmp_path_factory.mktemp("zoo") / "project"))


@pytest.fixture(scope="module")
def params(project: Project) -> Params:
    small = [f"families.{name}.channels=8" for name in ("sagan", "tcgan", "vqgan")]  # which take longest to draw
    # The codes of ten steps are too alike for a mixture that draws different images.
    longer = ["budgets.smoke.families={ae: {steps: 60, seconds: 60}}", "families.ae.batch_size=32"]
    return load(project.params_file, [*small, *longer])


@pytest.mark.parametrize("name", families.names())
def test_a_family_trains_exports_with_parity_draws_and_is_measured(
    name: str, project: Project, params: Params, tmp_path: Path
) -> None:
    result = train(project, params, name)
    certificate = result.certificate
    assert certificate.batches == (1, 2, 7, 64, 1000)
    assert certificate.ok(params.gate.max_pixel_difference)

    model = OnnxModel(result.onnx, sha256=result.sha256)
    assert model.metadata["family"] == name
    expected = {"noise", families.load(name).condition} - {None}
    assert set(model.contract.inputs) == expected
    images = model.images(0, 0, 200)
    assert len(np.unique(images.reshape(200, -1), axis=0)) > 20

    logged = history.read(connect(project), result.run_id).metrics
    if "held_out_reconstruction_mse" in logged:
        again = reconstruct(project, params, f"runs:/{result.run_id}", out=tmp_path / "pairs", count=8)
        assert again.mse == pytest.approx(logged["held_out_reconstruction_mse"], rel=1e-6)
        assert Image.open(again.file).size == Image.open(io.BytesIO(contact_sheet(images[:16], None, columns=8))).size
    else:
        with pytest.raises(BadInput, match="no encoder"):
            reconstruct(project, params, f"runs:/{result.run_id}", out=tmp_path / "pairs")

    found = evaluate(project, params, f"runs:/{result.run_id}")
    assert np.isfinite(found.fid.value)
    assert set(found.agreement) == {
        None: set(), "label": {"class"}, "caption": {"class", "thickness", "slant", "size"}
    }[families.load(name).condition]  # fmt: skip

    sources = {name: source_type(file) for name, file in pictures(connect(project), result.run_id, tmp_path).items()}
    assert sources.pop("data/sheet.png") is None, "real images"
    assert {"evaluation/samples.png"} < sources.keys()
    assert any(name.startswith("grids/") for name in sources)
    mixed = {name for name, source in sources.items() if source == "compositeWithTrainedAlgorithmicMedia"}
    assert mixed == sources.keys() & {"pictures/reconstructions.png"}
    assert {source for name, source in sources.items() if name not in mixed} == {"trainedAlgorithmicMedia"}


def pictures(store: MlflowStore, run_id: str, folder: Path) -> dict[str, Path]:
    """All PNG files among a run's artifacts, by their names there."""
    top = store.download(run_id, "", folder)
    return {path.relative_to(top).as_posix(): path for path in top.rglob("*.png")}


def source_type(file: Path) -> str | None:
    """IPTC's DigitalSourceType of a PNG, as a parser of XML has it; None: it has no XMP."""
    with Image.open(file) as image:
        image.load()
        packet = image.info.get("XML:com.adobe.xmp")
    if packet is None:
        return None
    (description,) = ET.fromstring(packet).iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")  # noqa: S314  (our own)
    found = description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    return found and found.rpartition("/")[2]
