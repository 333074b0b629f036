"""What a graph says of itself, and which graphs are refused before anything of them runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ganlib.core.errors import BadInput
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from ganlib.export.contract import Contract, TensorType, caption_pool, describe, read_contract, read_shares
from ganlib.export.onnx import Certificate
from tests.support import graphs
from tests.support.specs import CAPTIONS, CELLS, LETTERS, SHOP

IMAGE = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 28, 28])
NOISE = helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", 784])
LABEL = helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"])
CAPTION = helper.make_tensor_value_info("caption", TensorProto.INT64, ["batch", 16])


def graph(
    inputs: tuple[Any, ...] = (NOISE,),
    output: Any = IMAGE,
    nodes: tuple[Any, ...] = (),
    domains: tuple[str, ...] = ("",),
    metadata: dict[str, str] | None = None,
) -> Any:
    """A real model: noise of 784 numbers reshaped to pixels."""
    form = numpy_helper.from_array(np.array([-1, 1, 28, 28], np.int64), "form")
    body = (
        *nodes,
        helper.make_node("Reshape", ["noise", "form"], ["shaped"]),
        helper.make_node("Cast", ["shaped"], ["image"], to=TensorProto.UINT8),
    )
    made = helper.make_graph(list(body), "g", list(inputs), [output], [form])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid(domain, 20) for domain in domains])
    helper.set_model_props(model, metadata or {})
    return model


def refused(model: Any) -> str:
    """The message with which ``model`` is refused; it is one line."""
    with pytest.raises(BadInput) as caught:
        describe(model.SerializeToString(), "m.onnx")
    text = str(caught.value)
    assert text.startswith("m.onnx")
    assert "\n" not in text
    return text


def test_an_exported_file_s_contract_is_read_from_the_graph_itself(
    exported: tuple[Path, Certificate],
) -> None:
    contract = read_contract(exported[0])
    assert contract == Contract(inputs={"noise": TensorType(dtype="float32", dims=(None, 6))})
    assert contract.noise_dim == 6


def test_a_graph_with_label_and_caption_is_understood() -> None:
    contract = describe(graph((NOISE, LABEL, CAPTION)).SerializeToString(), "m").contract
    assert contract.inputs == {
        "noise": TensorType(dtype="float32", dims=(None, 784)),
        "label": TensorType(dtype="int64", dims=(None,)),
        "caption": TensorType(dtype="int64", dims=(None, 16)),
    }


def test_metadata_comes_with_it() -> None:
    model = graph(metadata={"family": "vae", "contract_version": "1"})
    assert describe(model.SerializeToString(), "m").metadata == {"family": "vae", "contract_version": "1"}


def test_a_file_for_a_later_contract_asks_for_an_update() -> None:
    assert "Update ganlib" in refused(graph(metadata={"contract_version": "3"}))


def colour(spec: DatasetSpec, *conditions: Any, metadata: dict[str, str] | None = None) -> Any:
    """A graph of version 2 for ``spec``, by its own word."""
    dims = spec.image.dims
    made = graph(
        (helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", spec.image.nbytes]), *conditions),
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", *dims]),
    )
    made.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array([-1, *dims], np.int64), "form"))
    helper.set_model_props(made, metadata or {"contract_version": "2", "dataset": spec.model_dump_json()})
    return made


@pytest.mark.parametrize("spec", [MNIST, SHOP, CELLS, LETTERS], ids=lambda spec: str(spec.name))
def test_a_file_of_version_2_says_what_its_images_are_like(spec: DatasetSpec) -> None:
    found = describe(colour(spec).SerializeToString(), "m").contract
    assert (found.version, found.spec) == (2, spec)


def test_a_file_of_version_1_draws_mnist() -> None:
    found = describe(graph(metadata={"contract_version": "1"}).SerializeToString(), "m").contract
    assert (found.version, found.spec) == (1, MNIST)
    assert describe(graph().SerializeToString(), "m").contract.version == 1


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (None, "does not say what its images are like"),
        ("{", "what this ganlib cannot read (dataset)"),
        ('{"name": "shop", "image": {"channels": 2, "height": 32, "width": 32}}', "cannot read (image.channels)"),
        (CELLS.model_dump_json(), "the contract says image uint8[batch, 3, 64, 64] and nothing else"),
    ],
)
def test_a_file_of_version_2_that_says_nothing_or_something_else_is_refused(dataset: str | None, words: str) -> None:
    said = {"contract_version": "2"} | ({"dataset": dataset} if dataset else {})
    assert words in refused(colour(SHOP, metadata=said))


def test_labels_of_a_data_set_without_classes_are_refused() -> None:
    assert "its data set cells has no classes" in refused(colour(CELLS, LABEL))


def test_shares_that_a_file_keeps_are_read_and_nonsense_is_none() -> None:
    assert read_shares({"shares": "[0.5, 0.25, 0.25]"}, 3) == (0.5, 0.25, 0.25)
    for nonsense in ("[", "7", "{}", "[0.5, 0.5]", "[2, -1, 0]", "[0.1, 0.1, 0.1]", '["a", "b", "c"]', "[1, 0, null]"):
        assert read_shares({"shares": nonsense}, 3) == ()
    assert read_shares({}, 3) == ()


def test_captions_that_a_file_keeps_are_read_and_nonsense_is_none() -> None:
    assert caption_pool({"captions": json.dumps(CAPTIONS)}) == CAPTIONS
    for nonsense in ("[", "7", '{"a": 1}', "[1, 2]"):
        assert caption_pool({"captions": nonsense}) == ()


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ((LABEL,), "no input `noise`"),
        ((NOISE, helper.make_tensor_value_info("extra", TensorProto.FLOAT, ["batch"])), "'extra'"),
        ((helper.make_tensor_value_info("noise", TensorProto.FLOAT, [2, 784]),), "the batch must be free"),
        (
            (helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", "width"]),),
            "the contract says float32",
        ),
        (
            (helper.make_tensor_value_info("noise", TensorProto.DOUBLE, ["batch", 784]),),
            "float64[batch, 784]",
        ),
        ((NOISE, helper.make_tensor_value_info("label", TensorProto.INT32, ["batch"])), "int32[batch]"),
        ((NOISE, helper.make_tensor_value_info("caption", TensorProto.INT64, ["batch"])), "rank 2"),
    ],
)
def test_inputs_outside_the_contract_are_refused(inputs: tuple[Any, ...], words: str) -> None:
    assert words in refused(graph(inputs))


@pytest.mark.parametrize(
    "output",
    [
        helper.make_tensor_value_info("picture", TensorProto.UINT8, ["batch", 1, 28, 28]),
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 28, 28]),
        helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 28, 28]),
        helper.make_tensor_value_info("image", TensorProto.UINT8, [2, 1, 28, 28]),
    ],
)
def test_another_output_is_refused(output: Any) -> None:
    assert "the contract says image uint8[batch, 1, 28, 28] and nothing else" in refused(graph(output=output))


def test_weights_in_another_file_are_refused_before_any_other_file_is_opened(tmp_path: Path) -> None:
    model = graph()
    model.graph.initializer.append(numpy_helper.from_array(np.zeros(1000, np.float32), "w"))
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    (tmp_path / "m.data").unlink()
    with pytest.raises(BadInput, match="keeps its weights in another file"):
        read_contract(tmp_path / "m.onnx")


def test_weights_in_another_file_are_found_in_a_constant_of_an_inner_graph_too() -> None:
    secret = TensorProto(name="s", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    secret.external_data.add(key="location", value="../secret.bin")
    value = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])
    inner = helper.make_graph([helper.make_node("Constant", [], ["c"], value=secret)], "inner", [], [value])
    branch = helper.make_node("If", ["yes"], ["c2"], then_branch=inner, else_branch=inner)
    assert "keeps its weights in another file" in refused(graph(nodes=(branch,)))


def test_operators_of_another_domain_are_refused_even_in_an_inner_graph() -> None:
    value = helper.make_tensor_value_info("c", TensorProto.FLOAT, [1])
    inner = helper.make_graph([helper.make_node("Evil", ["noise"], ["c"], domain="evil.ops")], "inner", [], [value])
    branch = helper.make_node("If", ["yes"], ["c2"], then_branch=inner, else_branch=inner)
    assert "evil.ops" in refused(graph(nodes=(branch,)))
    assert "com.microsoft" in refused(graph(domains=("", "com.microsoft")))


def test_randomness_inside_the_graph_is_refused() -> None:
    node = helper.make_node("RandomNormalLike", ["noise"], ["r"])
    assert "RandomNormalLike" in refused(graph(nodes=(node,)))


@pytest.mark.parametrize(
    "data", [b"", b"not a model", b"\x08\x07" * 50, bytes(1000)], ids=["empty", "text", "fields", "zeros"]
)
def test_bytes_that_are_no_model_are_refused_with_their_size_and_digest(data: bytes) -> None:
    with pytest.raises(BadInput, match=rf"m\.onnx is not an ONNX model or is damaged \({len(data):,} bytes, sha256 "):
        describe(data, "m.onnx")


def test_a_truncated_file_is_refused_wherever_it_was_cut(exported: tuple[Path, Certificate]) -> None:
    data = exported[0].read_bytes()
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(BadInput):
            describe(data[: int(len(data) * share)], "m.onnx")


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read"):
        read_contract(tmp_path / "none.onnx")


def contract(**inputs: tuple[str, tuple[int | None, ...]]) -> Contract:
    """A contract written short."""
    return Contract(inputs={name: TensorType(dtype=dtype, dims=dims) for name, (dtype, dims) in inputs.items()})


NARROW, WIDE = ("float32", (None, 64)), ("float32", (None, 128))
DIGIT, TEXT, LONG = ("int64", (None,)), ("int64", (None, 16)), ("int64", (None, 32))


def test_noise_of_another_width_is_accepted_because_callers_read_it() -> None:
    assert contract(noise=WIDE).accepts(contract(noise=NARROW))


def test_an_input_the_champion_accepts_may_not_go_missing() -> None:
    assert contract(noise=NARROW).problems(contract(noise=NARROW, label=DIGIT)) == ("input 'label' is not accepted",)


def test_an_input_that_callers_do_not_give_yet_may_not_be_asked_for() -> None:
    assert contract(noise=NARROW, label=DIGIT).problems(contract(noise=NARROW)) == (
        "it must be given 'label', which callers do not give",
    )


def test_an_input_may_not_change_its_type_or_length() -> None:
    ours, theirs = contract(noise=NARROW, caption=LONG), contract(noise=NARROW, caption=TEXT)
    assert ours.problems(theirs) == ("input 'caption' is int64[batch, 32] instead of int64[batch, 16]",)
    assert not contract(noise=("float64", (None, 64))).accepts(contract(noise=NARROW))


def test_a_model_of_another_data_set_or_other_classes_is_no_successor() -> None:
    shop, cells = (contract(noise=NARROW, label=DIGIT).model_copy(update={"spec": spec}) for spec in (SHOP, CELLS))
    assert cells.problems(shop) == (
        "it draws cells instead of shop",
        "its images are 3x64x64 instead of 3x32x32",
        "its classes are none instead of hat, shoe, Wellington boot, 裏",
    )
    fewer = shop.model_copy(update={"spec": SHOP.model_copy(update={"class_names": ("hat", "shoe")})})
    assert fewer.problems(shop) == ("its classes are hat, shoe instead of hat, shoe, Wellington boot, 裏",)
    plain, bare = (each.model_copy(update={"inputs": {"noise": shop.inputs["noise"]}}) for each in (shop, fewer))
    assert bare.accepts(plain), "no caller names a class"


def test_a_file_of_version_2_may_follow_one_of_version_1() -> None:
    old = Contract(version=1, inputs={"noise": TensorType(dtype="float32", dims=(None, 64))})
    assert contract(noise=NARROW).accepts(old)
    kept = Contract.model_validate_json('{"version": 1, "inputs": {"noise": {"dtype": "float32", "dims": [null, 64]}}}')
    assert kept == old, "as a registry keeps it since before there was another data set"


def test_every_contract_accepts_itself() -> None:
    for one in (contract(noise=NARROW), contract(noise=NARROW, label=DIGIT, caption=TEXT)):
        assert one.accepts(one)


def test_a_file_of_onnxruntime_s_own_format_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    graphs.write(tmp_path / "g.onnx")
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.optimized_model_filepath = str(tmp_path / "g.ort")
    onnxruntime.InferenceSession(tmp_path / "g.onnx", options)
    with pytest.raises(BadInput, match=r"g\.ort is in onnxruntime's own format .* name the \.onnx file"):
        describe((tmp_path / "g.ort").read_bytes(), "g.ort")
