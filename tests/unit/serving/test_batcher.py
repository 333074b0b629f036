"""Rows of many requests in one block, and each request's own images back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ganlib.core.errors import BadInput, GanlibError
from ganlib.generation.noise import BLOCK
from ganlib.generation.sampling import SamplingRequest
from ganlib.generation.session import OnnxModel
from ganlib.serving.batcher import Engine, rows_are_independent
from tests.support import graphs
from tests.unit.serving.running import LONG


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> OnnxModel:
    path = tmp_path_factory.mktemp("engine") / "g.onnx"
    graphs.write(path)
    return OnnxModel(path)


@pytest.fixture(scope="module")
def engine(model: OnnxModel) -> Iterator[Engine]:
    made = Engine(model, threads=2)
    yield made
    made.close()
    made.join()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asked=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 200) | st.integers(2**40, 2**40 + 70), st.integers(1, 150)),
        min_size=1,
        max_size=6,
    ),
    share=st.booleans(),
)
def test_whatever_else_is_asked_at_once_each_request_gets_the_images_of_a_batch_job(
    model: OnnxModel, engine: Engine, asked: list[tuple[int, int, int]], share: bool
) -> None:
    engine.share = share
    promises = [engine.images(SamplingRequest(seed), start, count) for seed, start, count in asked]
    for promise, (seed, start, count) in zip(promises, asked, strict=True):
        assert np.array_equal(promise.result(LONG), model.images(seed, start, count))


def test_requests_that_wait_share_blocks(model: OnnxModel) -> None:
    seen: list[int] = []
    engine = Engine(model, window=60, threads=1, observe=seen.append)
    promises = [engine.images(SamplingRequest(seed), 0, 8) for seed in range(16)]
    wait(promises)
    engine.close()
    engine.join()
    assert seen == [BLOCK, BLOCK]


def test_closing_answers_what_was_asked_and_takes_no_more(model: OnnxModel) -> None:
    engine = Engine(model, window=60, threads=1)
    promise = engine.images(SamplingRequest(0), 0, 3)
    engine.close()
    engine.join()
    assert np.array_equal(promise.result(0), model.images(0, 0, 3))
    with pytest.raises(BadInput, match="no longer served"):
        engine.images(SamplingRequest(0), 0, 1)


def test_a_request_that_was_given_up_takes_no_room(model: OnnxModel) -> None:
    seen: list[int] = []
    engine = Engine(model, window=60, threads=1, observe=seen.append)
    given_up = engine.images(SamplingRequest(1), 0, 40)
    assert given_up.cancel()
    kept = engine.images(SamplingRequest(2), 0, 40)
    engine.close()
    engine.join()
    assert np.array_equal(kept.result(0), model.images(2, 0, 40))
    assert seen == [40]


def test_a_failure_reaches_those_whose_rows_were_in_the_block_and_nobody_else(model: OnnxModel) -> None:
    engine = Engine(model, window=0, threads=1)
    width = model.noise_dim
    broken = engine.run({"noise": np.zeros((3, width + 1), np.float32)})
    with pytest.raises(GanlibError, match="asks for noise"):
        broken.result(LONG)
    assert engine.images(SamplingRequest(0), 0, 1).result(LONG).shape == (1, 1, 28, 28)
    engine.close()


def test_truncation_one_is_none_at_all_and_less_is_other_images(model: OnnxModel, engine: Engine) -> None:
    plain = engine.images(SamplingRequest(5), 7, 9).result(LONG)
    assert np.array_equal(engine.images(SamplingRequest(5, truncation=1.0), 7, 9).result(LONG), plain)
    assert not np.array_equal(engine.images(SamplingRequest(5, truncation=0.5), 7, 9).result(LONG), plain)


def test_a_model_whose_rows_touch_each_other_is_noticed(model: OnnxModel, tmp_path: Path) -> None:
    """Such as one that normalises over the batch; here the brightest pixel of the block is every row's scale."""
    import onnx
    from onnx import TensorProto, helper

    assert rows_are_independent(model)
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["noise"], ["top"], keepdims=1),
            helper.make_node("Div", ["noise", "top"], ["scaled"]),
            helper.make_node("Mul", ["scaled", "grey"], ["bright"]),
            helper.make_node("Clip", ["bright", "none", "grey"], ["clipped"]),
            helper.make_node("Cast", ["clipped"], ["flat"], to=TensorProto.UINT8),
            helper.make_node("Reshape", ["flat", "shape"], ["image"]),
        ],
        "touching",
        [helper.make_tensor_value_info("noise", TensorProto.FLOAT, ["batch", 784])],
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["batch", 1, 28, 28])],
        [
            helper.make_tensor("grey", TensorProto.FLOAT, [], [255.0]),
            helper.make_tensor("none", TensorProto.FLOAT, [], [0.0]),
            helper.make_tensor("shape", TensorProto.INT64, [4], [-1, 1, 28, 28]),
        ],
    )
    touching = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path = tmp_path / "touching.onnx"
    onnx.save(touching, path)
    opened = OnnxModel(path)
    assert not rows_are_independent(opened)
    engine = Engine(opened, threads=2, share=False)
    promises = [engine.images(opened.request(seed), start, 5) for seed in range(3) for start in (0, 61)]
    expected = [opened.images(seed, start, 5) for seed in range(3) for start in (0, 61)]
    assert all(np.array_equal(p.result(LONG), e) for p, e in zip(promises, expected, strict=True))
    engine.close()


def test_threads_end_when_the_engine_is_closed(model: OnnxModel) -> None:
    engine = Engine(model, threads=3)
    threads = set(threading.enumerate()) & set(engine.threads)
    assert len(threads) == 3
    engine.close()
    engine.join()
    assert not threads & set(threading.enumerate())
