"""Siblings in fewer bits: real families' graphs, converted, checked and drawn by onnxruntime."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper

from ganlib import families
from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_file
from ganlib.data.mnist.dataset import MNIST
from ganlib.export import precision as precisions
from ganlib.export.contract import describe, nodes
from ganlib.export.onnx import Certificate, export
from ganlib.export.precision import PRECISIONS, Inputs, Precision, write
from ganlib.export.size import parameters
from ganlib.generation.session import OnnxModel
from tests.support import graphs as graphs_by_hand
from tests.support.specs import SHOP
from tests.unit.export.nets import NOISE_DIM, trained_like

SMALL = {
    "cgan": {"channels": 8},
    "sagan": {"channels": 16},
    "tcgan": {"channels": 8},
    "vqgan": {"channels": 8, "codes": 16, "width": 16, "layers": 1, "heads": 2},
}
"""A model of labels, one with attention, one of captions, one with a prior that samples in float64."""
KINDS = ["plain", *SMALL]


def parent(name: str, path: Path) -> None:
    torch.manual_seed(0)
    config, metadata = ExportConfig(parity_batches=(2, 64)), {"family": name, "run_id": "r1"}
    if name == "plain":
        export(trained_like(), NOISE_DIM, path, config, metadata, MNIST)
        return
    made = families.build(name, families.options(name, SMALL[name]), MNIST)
    if name == "vqgan":
        with torch.no_grad():
            made.generator.prior.head.mul_(30)  # as after training: codes that differ
    export(made.generator, made.noise_dim, path, config, metadata, MNIST, condition=made.condition)


def batches(path: Path, seed: int, blocks: int) -> list[Inputs]:
    model = OnnxModel(path)
    return [model.request(seed).inputs(model.noise_dim, block) for block in range(blocks)]


def convert(graph: Path, precision: Precision, out: Path) -> Certificate:
    return write(
        graph,
        precision,
        out,
        calibration=batches(graph, 1, 2),
        calibration_text="128 images of seed 1",
        batches=batches(graph, 5, 4),
    )


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("parents")
    for name in KINDS:
        parent(name, folder / f"{name}.onnx")
    return {name: folder / f"{name}.onnx" for name in KINDS}


@pytest.fixture(scope="module")
def made(graphs: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Path]:
    folder = tmp_path_factory.mktemp("siblings")
    found: dict[tuple[str, str], Path] = {}
    for name, graph in graphs.items():
        for precision in PRECISIONS:
            found[name, precision] = folder / f"{name}-{precision}.onnx"
            convert(graph, precision, found[name, precision])
    return found


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sibling_keeps_the_contract_in_one_smaller_file_of_onnx_s_own_operators(
    name: str, precision: Precision, graphs: dict[str, Path], made: dict[tuple[str, str], Path]
) -> None:
    path, before = made[name, precision], describe(graphs[name].read_bytes(), name)
    found = describe(path.read_bytes(), "the sibling")
    model = onnx.load(path)
    assert found.contract == before.contract
    assert {entry.domain for entry in model.opset_import} == {""}
    assert {node.domain for node in nodes(model.graph)} == {""}
    onnx.checker.check_model(model, full_check=True)
    if name in SMALL:  # the plain one has hardly any weights to shrink
        assert path.stat().st_size < graphs[name].stat().st_size
    for batch in (1, 7):
        inputs = {key: values[:batch] for key, values in batches(path, 3, 1)[0].items()}
        assert OnnxModel(path).session.run(["image"], inputs)[0].shape == (batch, 1, 28, 28)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_its_metadata_say_what_it_is_of_and_its_certificate_is_what_anyone_would_measure(
    name: str, precision: Precision, graphs: dict[str, Path], made: dict[tuple[str, str], Path]
) -> None:
    path = made[name, precision]
    facts = describe(path.read_bytes(), "the sibling").metadata
    assert (facts["family"], facts["run_id"], facts["precision"]) == (name, "r1", precision)
    assert facts["parent_sha256"] == sha256_file(graphs[name])
    assert facts.get("calibration") == ("128 images of seed 1" if precision == "int8" else None)
    certificate = Certificate.model_validate_json(facts["parity"])
    ours, theirs = (OnnxModel(each).images(5, 0, 256).astype(int) for each in (path, graphs[name]))
    gaps = np.abs(ours - theirs)
    assert certificate.parent == sha256_file(graphs[name])
    assert certificate.images_compared == 256
    assert certificate.max_pixel_difference == gaps.max()
    assert certificate.mean_difference == pytest.approx(gaps.mean())
    assert certificate.differing_share == pytest.approx((gaps > 0).mean())
    if name in SMALL:  # the plain one has four channels at most, too few for errors of eight bits to average out
        assert gaps.mean() < 2, "the same images to the eye"


@pytest.mark.parametrize("name", KINDS)
def test_fp16_has_no_float32_weight_and_no_float32_product(name: str, made: dict[tuple[str, str], Path]) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(made[name, "fp16"]))
    kept = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT}
    assert not kept
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    products = [node for node in model.graph.node if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul")]
    assert products
    assert {types[node.output[0]] for node in products} == {TensorProto.FLOAT16}


@pytest.mark.parametrize("name", KINDS)
def test_int8_multiplies_weights_of_eight_bits_with_activations_of_eight_bits(
    name: str, made: dict[tuple[str, str], Path], graphs: dict[str, Path]
) -> None:
    model = onnx.load(made[name, "int8"])
    by_output = {node.output[0]: node for node in model.graph.node}
    convolutions = [node for node in model.graph.node if node.op_type in ("ConvTranspose", "Gemm")]
    assert convolutions
    for node in convolutions:
        assert [by_output[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
    weights = [numpy_helper.to_array(t) for t in model.graph.initializer if t.data_type == TensorProto.INT8]
    assert sum(weight.size for weight in weights) > 1000
    assert max(np.abs(weight).max() for weight in weights) == 127, "all of the eight bits are used"
    if name in SMALL:  # scales and biases are most of the plain one
        counted = [parameters(path.read_bytes(), "g") for path in (made[name, "int8"], graphs[name])]
        assert counted[0] == pytest.approx(counted[1], rel=0.2)


def test_a_prior_s_noise_is_not_rounded_on_its_way_into_float64(made: dict[tuple[str, str], Path]) -> None:
    graph = onnx.load(made["vqgan", "fp16"]).graph
    assert "Scan" not in {node.op_type for node in nodes(graph)}
    doubles = [node for node in graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.DOUBLE]
    assert any(node.input[0] == "noise" for node in doubles)
    rounded = {node.output[0] for node in graph.node if node.op_type == "Cast" and node.input[0] == "noise"}
    rounded -= {node.output[0] for node in doubles}
    readers = {node.op_type for node in nodes(graph) if rounded & set(node.input)}
    assert readers <= {"Shape"}, "a rounded noise has the shape of the other, and nothing else is asked of it"


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_same_parent_gives_the_same_bytes(
    precision: Precision, graphs: dict[str, Path], made: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    convert(graphs["sagan"], precision, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == made["sagan", precision].read_bytes()


def test_other_calibration_gives_other_scales(graphs: dict[str, Path], tmp_path: Path) -> None:
    graph = graphs["plain"]
    for name, seed in (("a", 1), ("b", 2)):
        draws = batches(graph, seed, 1)
        write(graph, "int8", tmp_path / name, calibration=draws, calibration_text="", batches=batches(graph, 5, 1))
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_sibling_of_a_sibling_is_refused_and_nothing_is_written(
    precision: Precision, made: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=f"is {precision} already"):
        convert(made["plain", precision], "int8", tmp_path / "again.onnx")
    with pytest.raises(BadInput, match="cannot read"):
        write(tmp_path / "none.onnx", "fp16", tmp_path / "x.onnx", calibration=[], calibration_text="", batches=[])
    assert list(tmp_path.iterdir()) == []


def test_a_flipped_bit_in_eight_bit_weights_is_found_without_any_registry(made: dict[tuple[str, str], Path]) -> None:
    data = made["cgan", "int8"].read_bytes()
    weights = max((t.raw_data for t in onnx.load_from_string(data).graph.initializer), key=len)
    damaged = bytearray(data)
    damaged[data.index(weights) + 5] ^= 1
    with pytest.raises(Corrupt):
        describe(bytes(damaged), "damaged.onnx")


def test_converting_says_nothing_on_the_user_s_screen_and_leaves_logging_as_it_was(
    graphs: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers, disabled = list(logging.root.handlers), logging.root.manager.disable
    for precision in precisions.PRECISIONS:
        convert(graphs["sagan"], precision, tmp_path / "s.onnx")
    assert capfd.readouterr() == ("", "")
    assert (logging.root.handlers, logging.root.manager.disable) == (handlers, disabled)


def test_in_colour_a_difference_is_a_share_of_all_channels(tmp_path: Path) -> None:
    parent, sibling = tmp_path / "shop.onnx", tmp_path / "fp16.onnx"
    graphs_by_hand.write(parent, condition="label", spec=SHOP)
    found = convert(parent, "fp16", sibling)
    assert OnnxModel(sibling).spec == SHOP
    ours, theirs = (OnnxModel(path).images(5, 0, 256).astype(int) for path in (sibling, parent))
    assert found.images_compared == 256
    assert found.differing_share == np.mean(ours != theirs) > 0
    assert found.mean_difference == np.mean(np.abs(ours - theirs))
