"""Opening a model, and drawing any of its images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_file
from ganlib.generation import session
from ganlib.generation.noise import noise_block
from ganlib.generation.session import OnnxModel


def test_an_opened_model_tells_its_digest_its_contract_and_its_metadata(model: OnnxModel, model_path: Path) -> None:
    assert model.sha256 == sha256_file(model_path)
    assert model.noise_dim == 6
    assert set(model.contract.inputs) == {"noise"}
    assert model.metadata["family"] == "dcgan"
    assert model.provider == "CPUExecutionProvider"


def test_the_right_digest_opens_and_a_wrong_one_is_named_with_the_actual_one(model_path: Path) -> None:
    actual = sha256_file(model_path)
    assert OnnxModel(model_path, sha256=actual).sha256 == actual
    with pytest.raises(Corrupt) as caught:
        OnnxModel(model_path, sha256="0" * 64)
    assert (caught.value.expected, caught.value.actual) == ("0" * 64, actual)
    assert caught.value.exit_code == 2


def test_every_single_flipped_byte_is_noticed_when_the_digest_is_known(model_path: Path, tmp_path: Path) -> None:
    data, damaged = model_path.read_bytes(), tmp_path / "damaged.onnx"
    for at in range(0, len(data), 997):
        damaged.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        with pytest.raises(Corrupt):
            OnnxModel(damaged, sha256=sha256_file(model_path))


@pytest.mark.parametrize("data", [b"", b"not a model", bytes(500)])
def test_a_file_that_is_no_model_is_one_line_and_exit_code_2(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(BadInput) as caught:
        OnnxModel(tmp_path / "m.onnx")
    assert "is not an ONNX model or is damaged" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot read the model"):
        OnnxModel(tmp_path / "none.onnx")


def test_a_graph_that_onnxruntime_cannot_run_is_one_line_and_nothing_on_the_screen(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", 4])
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 28, 28])
    graph = helper.make_graph([helper.make_node("NoSuchOperator", ["noise"], ["image"])], "g", [noise], [image])
    onnx.save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "m.onnx")
    with pytest.raises(BadInput, match="onnxruntime cannot run") as caught:
        OnnxModel(tmp_path / "m.onnx")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_an_image_is_what_the_graph_makes_of_its_row_of_noise(model: OnnxModel) -> None:
    import onnxruntime

    bare = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    [expected] = bare.run(None, {"noise": noise_block(5, 1, 6)})
    images = model.images(5, 64, 64)
    assert images.dtype == np.uint8
    assert images.shape == (64, 1, 28, 28)
    assert np.abs(images.astype(int) - expected.astype(int)).max() <= 1
    assert len(np.unique(images, axis=0)) == 64


@pytest.fixture(scope="module")
def first_300(model: OnnxModel) -> np.ndarray:
    """Images 0 to 299 of seed 3."""
    return model.images(3, 0, 300)


@settings(deadline=None)
@given(start=st.integers(0, 250), count=st.integers(1, 50), batch_size=st.none() | st.integers(1, 1000))
def test_any_stretch_is_the_same_whatever_its_start_its_length_and_the_batch_size(
    model: OnnxModel, first_300: np.ndarray, start: int, count: int, batch_size: int | None
) -> None:
    np.testing.assert_array_equal(model.images(3, start, count), first_300[start : start + count])
    blocks = model.blocks(model.request(3), start, start + count, batch_size)
    streamed = np.concatenate([drawn.images for drawn in blocks])
    np.testing.assert_array_equal(streamed, first_300[start : start + count])


@pytest.mark.parametrize("processors", [1, 5])
def test_the_number_of_processors_changes_no_image(
    model: OnnxModel, first_300: np.ndarray, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "usable_cores", lambda: processors)
    np.testing.assert_array_equal(model.images(3, 0, 300), first_300)


def test_another_seed_gives_other_images(model: OnnxModel, first_300: np.ndarray) -> None:
    assert not (model.images(4, 0, 300) == first_300).all(axis=(1, 2, 3)).any()


@pytest.mark.parametrize(("seed", "start", "count"), [(0, -1, 5), (0, 0, 0), (0, 0, -3), (-1, 0, 5), (2**64, 0, 5)])
def test_impossible_numbers_are_refused(model: OnnxModel, seed: int, start: int, count: int) -> None:
    with pytest.raises(BadInput):
        model.images(seed, start, count)


def test_a_reader_that_stops_early_does_not_wait_for_the_rest(model: OnnxModel) -> None:
    stream = model.blocks(model.request(0), 0, 64 * 10**9)  # years of work, were it all waited for
    next(stream)
    stream.close()


def test_given_inputs_are_run_in_whole_blocks_and_give_the_images_of_their_rows(model: OnnxModel) -> None:
    noise = np.concatenate([noise_block(3, block, 6) for block in range(2)])[:70]
    np.testing.assert_array_equal(model.run({"noise": noise}), model.images(3, 0, 70))
    assert model.run({"noise": noise[:0]}).shape == (0, 1, 28, 28)


@pytest.mark.parametrize(
    "inputs",
    [
        {"noise": np.zeros((3, 6))},
        {"noise": np.zeros((3, 5), np.float32)},
        {"noise": np.zeros((3, 6), np.float32), "label": np.zeros(3, np.int64)},
        {"label": np.zeros(3, np.int64)},
    ],
)
def test_inputs_that_the_graph_does_not_take_are_refused_with_what_it_does_take(
    model: OnnxModel, inputs: dict[str, np.ndarray]
) -> None:
    with pytest.raises(BadInput, match=r"asks for noise float32\[batch, 6\]; given were"):
        model.run(inputs)
