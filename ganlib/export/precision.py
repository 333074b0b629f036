"""The same graph with fewer bits: float16 throughout, or int8 where weights are multiplied.

Inputs and output stay what the contract says, and the operators ONNX's own. A sibling is not equal to its parent: its
certificate says how far its images are from the parent's, in place of how far the parent's are from torch's.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.files import sha256_bytes, write_bytes
from ganlib.export import contract
from ganlib.export.onnx import Certificate, ExportError
from ganlib.export.runtime import first_line, open_session

if TYPE_CHECKING:
    from numpy.typing import NDArray

Precision = Literal["fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

PRECISION_KEY = "precision"
PARENT_KEY = "parent_sha256"
CALIBRATION_KEY = "calibration"

Inputs = Mapping[str, "NDArray[Any]"]
"""A batch for a graph: what it asks for, by name."""

_QUANTISED_OPS = ["Conv", "ConvTranspose", "Gemm", "MatMul"]
"""Where the weights are. Of the rest nothing is gained, and a softmax or the last step to grey levels loses."""
_CONVERTING = threading.Lock()  # logging is silenced for the whole process meanwhile


def write(
    parent: Path,
    precision: Precision,
    path: Path,
    *,
    calibration: Sequence[Inputs],
    calibration_text: str,
    batches: Sequence[Inputs],
) -> Certificate:
    """Write the graph at ``parent`` in ``precision`` to ``path``, and measure how far its images are from the parent's.

    Args:
        parent: a float32 graph of the contract.
        precision: ``fp16``: weights and products in float16; what is in float64 stays, such as a prior's sampling.
            ``int8``: weights (signed, by channel) and activations (unsigned) of convolutions and matrix products,
            statically quantised in QDQ form; a product inside a Loop stays.
        path: replaced atomically, once everything below holds.
        calibration: batches whose smallest and largest activations set the scales of ``int8``.
        calibration_text: what those batches are, for the file's metadata.
        batches: that both graphs draw.

    Its ``metadata_props`` are the parent's, with ``precision``, ``parent_sha256``, ``calibration`` (int8), its own
    digest of weights and its own certificate. The same arguments give the same bytes on one machine, with the same
    versions.

    Raises:
        BadInput: ``parent`` is no graph of the contract, or not float32 itself.
        ExportError: the result would not keep the contract.
        NoSpace: ``path`` cannot be written.
    """
    data, description = _read_parent(parent)
    model = _convert(data, precision, calibration, parent)
    certificate = _compare(data, model.SerializeToString(), batches, next(o.version for o in model.opset_import))
    facts = {
        **description.metadata,
        PRECISION_KEY: precision,
        PARENT_KEY: sha256_bytes(data),
        contract.WEIGHTS_KEY: contract.weights_sha256(model),
        contract.PARITY_KEY: certificate.model_dump_json(),
    }
    if precision == "int8":
        facts[CALIBRATION_KEY] = calibration_text
    write_bytes(path, with_metadata(model, facts, description.contract, f"the {precision} graph of {parent}"))
    return certificate


def _read_parent(parent: Path) -> tuple[bytes, contract.Description]:
    """Return the graph's bytes and what it says of itself; raise :class:`BadInput` unless it is a float32 one."""
    try:
        data = parent.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {parent}: {error.strerror}.") from error
    description = contract.describe(data, str(parent))
    if other := description.metadata.get(PRECISION_KEY):
        raise BadInput(f"{parent} is {other} already: siblings are made of the float32 graph that it came from.")
    return data, description


def _convert(data: bytes, precision: Precision, calibration: Sequence[Inputs], parent: Path) -> Any:
    """Return the converted graph, an ONNX model that its checker accepts."""
    import onnx

    with _CONVERTING, _unheard():
        try:
            model = _half(data) if precision == "fp16" else _eight_bits(data, calibration)
            onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # two converters and the checker raise a dozen unrelated types
            raise ExportError(
                f"{parent} cannot be made {precision}: {first_line(error)}. Nothing was written."
            ) from error
    return model


def with_metadata(model: Any, facts: Mapping[str, str], promise: contract.Contract, name: str) -> bytes:
    """Return the bytes of ``model`` with ``facts`` as its metadata; it has to keep the contract ``promise``."""
    del model.metadata_props[:]
    for key in sorted(facts):
        model.metadata_props.add(key=key, value=facts[key])
    content: bytes = model.SerializeToString(deterministic=True)
    try:
        after = contract.describe(content, name).contract
    except BadInput as error:
        raise ExportError(f"{error} Nothing was written.") from error
    if after != promise:
        raise ExportError(f"{name} asks for other inputs. Nothing was written.")
    return content


def _half(data: bytes) -> Any:
    """Float32 weights and products to float16."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = convert_float_to_float16(onnx.load_model_from_string(data), keep_io_types=True)
    _keep_noise_whole(model.graph)
    return model


def _keep_noise_whole(graph: Any) -> None:
    """Let what casts ``noise`` to float64 read it as it came: the converter has rounded it to float16 for everyone.

    It has also put that Cast last, behind what needs it; here it comes first, as ONNX asks.
    """
    from onnx import TensorProto

    inputs = {value.name for value in graph.input}
    sources = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Cast" and node.input[0] in inputs and node.attribute[0].i == TensorProto.FLOAT16
    }
    for node in graph.node:
        if node.op_type == "Cast" and node.input[0] in sources:
            node.input[0] = sources[node.input[0]]
    needs = {name for node in contract.nodes(graph) for name in node.input}
    casts = [node for node in graph.node if node.output[0] in sources and node.output[0] in needs]
    others = [node for node in graph.node if node.output[0] not in sources]
    del graph.node[:]
    graph.node.extend([*casts, *others])


class _Batches:
    """``calibration`` as onnxruntime's calibration takes it."""

    def __init__(self, batches: Sequence[Inputs]) -> None:
        self._left = iter(batches)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch; None after the last one."""
        batch = next(self._left, None)
        return None if batch is None else dict(batch)


def _eight_bits(data: bytes, calibration: Sequence[Inputs]) -> Any:
    """Static quantisation of the products, as pairs of QuantizeLinear and DequantizeLinear."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory(prefix="ganlib-int8-") as folder:
        out = Path(folder) / "model.onnx"
        quantize_static(
            onnx.load_model_from_string(data),
            str(out),
            _Batches(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_QUANTISED_OPS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load_model(out)


def _compare(parent: bytes, sibling: bytes, batches: Sequence[Inputs], opset: int) -> Certificate:
    """Draw ``batches`` by both."""
    import numpy as np

    ours, theirs = (open_session(data, "the sibling") for data in (sibling, parent))
    worst, differing, total, images, pixels = 0, 0, 0, 0, 0
    for batch in batches:
        try:
            actual, reference = (session.run(["image"], dict(batch))[0] for session in (ours, theirs))
        except Exception as error:  # onnxruntime's exceptions have no common base but this one
            raise GanlibError(f"the sibling fails: {first_line(error)}. Nothing was written.") from error
        gaps = np.abs(actual.astype(np.int16) - reference.astype(np.int16))
        worst, total = max(worst, int(gaps.max())), total + int(gaps.sum())
        differing, images = differing + int(np.count_nonzero(gaps)), images + len(gaps)
        pixels += gaps.size
    return Certificate(
        opset=opset,
        batches=tuple(sorted({len(batch["noise"]) for batch in batches})),
        max_pixel_difference=worst,
        differing_share=differing / pixels,
        images_compared=images,
        mean_difference=total / pixels,
        parent=sha256_bytes(parent),
    )


@contextmanager
def _unheard() -> Iterator[None]:
    """Keep the converters' advice off the user's screen: they give it to the root logger."""
    root, nobody, before = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(nobody)  # without any, the first remark would add one that stays
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        root.removeHandler(nobody)
