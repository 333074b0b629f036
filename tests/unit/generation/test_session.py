"""Opening a model, and drawing any of its images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image

from ganlib.core.errors import BadInput, Corrupt, GanlibError
from ganlib.core.files import sha256_file
from ganlib.export.runtime import open_session
from ganlib.generation import session
from ganlib.generation.batch.batch import Manifest, generate
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


# Truncation


def make(model: OnnxModel, out: Path, **changes: Any) -> Manifest:
    """150 images of seed 3 in shards of 60, unless ``changes`` say otherwise."""
    return generate(model, out=out, **{"count": 150, "seed": 3, "shard_size": 60, **changes})


def test_truncation_scales_the_noise_and_is_part_of_the_job(model: OnnxModel, tmp_path: Path) -> None:
    half = model.request(3, truncation=0.5)
    expected = model.run({"noise": noise_block(3, 0, model.noise_dim) * np.float32(0.5)})
    np.testing.assert_array_equal(model.draw(half, 0, 64), expected)
    manifest = make(model, tmp_path / "out", truncation=0.5)
    assert manifest.truncation == 0.5
    with Image.open(tmp_path / "out/shard-00000/00000007.png", formats=["PNG"]) as image:
        assert image.text["ganlib:truncation"] == "0.5"  # type: ignore[attr-defined]
        np.testing.assert_array_equal(np.asarray(image), expected[7, 0])
    with pytest.raises(BadInput, match=r"truncation is 0\.5, not 1\.0"):
        make(model, tmp_path / "out")


@pytest.mark.parametrize("truncation", [0.0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_truncation_out_of_range_is_refused(model: OnnxModel, truncation: float) -> None:
    with pytest.raises(BadInput, match="above 0 and at most 1"):
        model.request(0, truncation=truncation)


# Providers


def test_a_provider_that_is_not_installed_is_an_error_unless_the_processor_may_do_it(model_path: Path) -> None:
    with pytest.raises(BadInput, match=r"has no CUDAExecutionProvider, only .*CPU.*--allow-cpu"):
        OnnxModel(model_path, provider="cuda")
    assert OnnxModel(model_path, provider="cuda", allow_cpu=True).provider == "CPUExecutionProvider"
    with pytest.raises(BadInput, match="Did you mean 'cuda'"):
        OnnxModel(model_path, provider="cudda")


def test_a_silent_fall_back_is_an_error(model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a driver that is missing: onnxruntime knows the provider, and makes a session without it."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.raises(GanlibError, match="on CPUExecutionProvider instead of CUDAExecutionProvider"):
        open_session(model_path.read_bytes(), "g", "cuda")
    assert open_session(model_path.read_bytes(), "g", "cuda", allow_cpu=True).get_providers() == [
        "CPUExecutionProvider"
    ]


def test_every_shard_says_which_provider_made_it(model: OnnxModel, tmp_path: Path) -> None:
    made = make(model, tmp_path / "out")
    assert [shard.provider for shard in made.shards] == [model.provider] * 3


# Memory


class Starved:
    """onnxruntime's session, whose allocator has room for ``room`` calls at a time."""

    def __init__(self, session: Any, room: int) -> None:
        import threading

        self.session, self._room, self._lock = session, room, threading.Lock()
        self._waiting = threading.Condition()
        self.inside = self.refused = self.most = 0

    def run(self, names: list[str], inputs: dict[str, Any]) -> Any:
        with self._lock:
            self.inside += 1
            if self.inside > self._room:
                self.inside -= 1
                self.refused += 1
                raise RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9")
            self.most = max(self.most, self.inside)
        try:
            with self._waiting:
                self._waiting.wait(0.005)  # so that calls meet inside, as they do where memory is short
            return self.session.run(names, inputs)
        finally:
            with self._lock:
                self.inside -= 1


@pytest.mark.parametrize("room", [1, 3])
def test_out_of_memory_works_on_fewer_at_once_and_makes_the_same_images(
    model: OnnxModel, model_path: Path, room: int
) -> None:
    starved = OnnxModel(model_path)
    starved.session = Starved(starved.session, room)  # the boundary: nothing of ours is replaced
    blocks = starved.blocks(starved.request(3), 0, 2000, batch_size=2000, threads=8)
    drawn = np.concatenate([part.images for part in blocks])
    np.testing.assert_array_equal(drawn, model.images(3, 0, 2000))
    assert starved.session.refused >= 1
    assert starved.session.most <= room


def test_memory_that_does_not_suffice_for_one_block_is_told(model_path: Path) -> None:
    starved = OnnxModel(model_path)
    starved.session = Starved(starved.session, 0)
    with pytest.raises(GanlibError, match="not memory enough for 64 images"):
        starved.images(0, 0, 200)
