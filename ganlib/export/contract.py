"""The contract every exported graph keeps, read back from the ONNX file itself rather than from what made it.

=========  =========  =========================================  ================================================
name       direction  type                                       meaning
=========  =========  =========================================  ================================================
noise      in         float32 [batch, noise_dim]                 standard normal, the only randomness
label      in         int64 [batch]                              place of a class name, conditional models only
caption    in         int64 [batch, caption_len]                 UTF-8 bytes, zero padded, text models only
image      out        uint8 [batch, channels, height, width]     finished pixels
=========  =========  =========================================  ================================================

The file's ``metadata_props`` say which data set the images are like: a :class:`ganlib.data.spec.DatasetSpec` as JSON
under ``dataset``. Version 1 of the contract had no such entry; its files draw MNIST.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ganlib.core.errors import BadInput, Corrupt
from ganlib.core.files import sha256_bytes
from ganlib.core.record import Record
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec

VERSION = 2
"""Of the graphs that are exported; those of version 1 are read too."""

VERSION_KEY = "contract_version"
DATASET_KEY = "dataset"
LABEL_RANGE_KEY = "label_range"
"""The smallest and the largest label, a JSON list: the graph itself does not look at what it is given."""
CAPTIONS_KEY = "captions"
"""Captions of the training images, a JSON list: what a batch draws from that was given none."""
SHARES_KEY = "shares"
"""Shares of the classes, or of the ``captions``, among the training images, a JSON list: how often a batch draws each
that was given none. A file of data that has about as many of each has no such list: each is drawn alike."""
JUDGE_KEY = "judge"
"""sha256 of the judge that knows this data; absent where none does."""
NOISE_DIM_KEY = "noise_dim"
PARITY_KEY = "parity"
WEIGHTS_KEY = "weights_sha256"
_ORT = b"ORTM"  # in the header of onnxruntime's own files
_MEND = (
    "Download or export it again. If another tool rewrote it (onnxslim, onnxsim, an optimiser), name the file that it "
    "was made from: the digest is of that one's weights."
)

_INPUTS = {"noise": ("float32", 2), "label": ("int64", 1), "caption": ("int64", 2)}
_DOMAINS = ("", "ai.onnx")
_RANDOM = {
    "RandomNormal",
    "RandomNormalLike",
    "RandomUniform",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}


class TensorType(Record):
    """Element type (numpy's name) and dimensions of a graph's input; ``None`` is the batch, of any size."""

    dtype: str
    dims: tuple[int | None, ...]

    def __str__(self) -> str:
        """As in ``float32[batch, 64]``."""
        return f"{self.dtype}[{', '.join('batch' if size is None else str(size) for size in self.dims)}]"


class Contract(Record):
    """What a graph must be given, and what it gives: ``image``, uint8 ``[batch, channels, height, width]``."""

    version: int = VERSION
    inputs: dict[str, TensorType]
    spec: DatasetSpec = MNIST
    """What the images are like; of records that were kept before there was another data set, MNIST."""

    @property
    def noise_dim(self) -> int:
        """Width of ``noise``."""
        size = self.inputs["noise"].dims[1]
        assert size is not None  # noqa: S101  (read_contract refuses such a graph)
        return size

    def problems(self, champion: Contract) -> tuple[str, ...]:
        """Why a caller of ``champion`` would break on this graph; empty if none would.

        The width of the noise may differ, because callers read it from the file. An input that the champion
        does not have is a problem too: onnxruntime refuses a call that leaves one out. The version of the contract
        says only how the file tells what it draws.
        """
        problems = []
        ours, theirs = self.spec, champion.spec
        if ours.name != theirs.name:
            problems.append(f"it draws {ours.name} instead of {theirs.name}")
        if ours.image != theirs.image:
            problems.append(f"its images are {ours.image} instead of {theirs.image}")
        if "label" in champion.inputs and ours.class_names != theirs.class_names:
            problems.append(f"its classes are {_listed(ours.class_names)} instead of {_listed(theirs.class_names)}")
        problems += self._input_problems(champion)
        return tuple(problems)

    def _input_problems(self, champion: Contract) -> list[str]:
        problems = []
        for name, theirs in champion.inputs.items():
            ours = self.inputs.get(name)
            if ours is None:
                problems.append(f"input {name!r} is not accepted")
            elif ours.dtype != theirs.dtype or (name != "noise" and ours.dims != theirs.dims):
                problems.append(f"input {name!r} is {ours} instead of {theirs}")
        return problems + [
            f"it must be given {name!r}, which callers do not give"
            for name in self.inputs
            if name not in champion.inputs
        ]

    def accepts(self, champion: Contract) -> bool:
        """Whether this graph can replace ``champion`` without breaking a caller."""
        return not self.problems(champion)


class Description(Record):
    """What an ONNX file says of itself."""

    contract: Contract
    metadata: dict[str, str]


def _listed(names: tuple[str, ...], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", ... ({len(names):,})" if len(names) > most else "") or "none"


def caption_pool(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the captions that a file keeps to be drawn from; empty if it has none, or none that can be read."""
    try:
        pool = json.loads(metadata.get(CAPTIONS_KEY, "[]"))
    except ValueError:
        return ()
    return tuple(text for text in pool if isinstance(text, str)) if isinstance(pool, list) else ()


def read_shares(metadata: Mapping[str, str], choices: int) -> tuple[float, ...]:
    """Return how often each of ``choices`` classes or captions is drawn, with the sum 1.

    Empty: all alike, as the file says nothing else, or nothing that can be read.
    """
    try:
        shares = json.loads(metadata.get(SHARES_KEY, "[]"))
        sound = len(shares) == choices and min(shares) >= 0 and abs(sum(shares) - 1) < 1e-6
    except (ValueError, TypeError):
        return ()
    return tuple(map(float, shares)) if sound else ()


def read_contract(path: Path) -> Contract:
    """The contract of the ONNX file at ``path``. See :func:`describe` for what is refused."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    return describe(data, str(path)).contract


def describe(data: bytes, name: str) -> Description:
    """Contract and metadata of an ONNX file's bytes; no session is made, nothing outside the bytes is read.

    Raises:
        BadInput: not an ONNX file, or one that needs other files or operators that are not ONNX's own, draws
            random numbers, or has inputs or an output outside the contract. ``name`` names it in the message.
        Corrupt: the weights are not those that were exported.
    """
    model = parse(data, name)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    _refuse_foreign_parts(model, name)
    _check_weights(model, metadata, name)
    version = _version(metadata, name)
    spec = MNIST if version == 1 else _spec(metadata, name)
    inputs = _inputs(model.graph, name)
    if "label" in inputs and not spec.class_names:
        raise BadInput(f"{name} asks for a label, and its data set {spec.name} has no classes.")
    _check_output(model.graph, spec, name)
    return Description(contract=Contract(version=version, inputs=inputs, spec=spec), metadata=metadata)


def parse(data: bytes, name: str) -> Any:
    """``data`` as an ``onnx.ModelProto`` with a graph in it.

    Raises:
        BadInput: it is none; the message tells its size and SHA-256, to compare with those of the original.
    """
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if data[4:8] == _ORT:
        raise BadInput(f"{name} is in onnxruntime's own format (.ort): name the .onnx file that it was made from.")
    try:
        model = onnx.load_model_from_string(data)
    except DecodeError:
        model = None
    if model is None or not model.graph.node or not model.graph.output:
        raise BadInput(f"{name} is not an ONNX model or is damaged ({len(data):,} bytes, sha256 {sha256_bytes(data)}).")
    return model


def weights_sha256(model: Any) -> str:
    """Digest of all initialisers of an ``onnx.ModelProto``, by name: lets a bare file prove that it is whole.

    It is of the tensors' content and not of the file, so it survives being loaded and saved by another tool.
    """
    digest = hashlib.sha256()
    for tensor in sorted(model.graph.initializer, key=lambda tensor: str(tensor.name)):
        digest.update(f"{tensor.name}:{tensor.data_type}:{list(tensor.dims)}:".encode())
        digest.update(_content(tensor))
    return digest.hexdigest()


def _content(tensor: Any) -> bytes:
    from onnx import numpy_helper

    return bytes(tensor.raw_data) if tensor.HasField("raw_data") else bytes(numpy_helper.to_array(tensor).tobytes())


def _check_weights(model: Any, metadata: dict[str, str], name: str) -> None:
    digest = metadata.get(WEIGHTS_KEY)
    if digest is None:
        return
    actual = weights_sha256(model)
    if actual != digest:
        raise Corrupt(f"the weights in {name}", expected=digest, actual=actual, hint=_MEND)


def nodes(graph: Any) -> Iterator[Any]:
    """All nodes, those of control flow's inner graphs included."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from nodes(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    """All stored tensors: initialisers, dense and sparse, and attributes, of inner graphs too."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _refuse_foreign_parts(model: Any, name: str) -> None:
    from onnx import TensorProto

    if any(tensor.data_location == TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise BadInput(f"{name} keeps its weights in another file; the contract asks for one self-contained file.")
    foreign = {entry.domain for entry in model.opset_import} | {node.domain for node in nodes(model.graph)}
    foreign |= {function.domain or function.name for function in model.functions}
    if foreign - set(_DOMAINS):
        raise BadInput(f"{name} needs operators that are not ONNX's own: {', '.join(sorted(foreign - set(_DOMAINS)))}.")
    random_nodes = {node.op_type for node in nodes(model.graph)} & _RANDOM
    if random_nodes:
        raise BadInput(
            f"{name} draws random numbers inside the graph ({', '.join(sorted(random_nodes))}); `noise` must be all."
        )


def _version(metadata: dict[str, str], name: str) -> int:
    text = metadata.get(VERSION_KEY, "1")
    if text not in ("1", str(VERSION)):
        raise BadInput(f"{name} keeps contract version {text}; this ganlib knows 1 and {VERSION}. Update ganlib.")
    return int(text)


def _spec(metadata: dict[str, str], name: str) -> DatasetSpec:
    """Return what the file's metadata say of its data set."""
    try:
        return DatasetSpec.model_validate_json(metadata[DATASET_KEY])
    except KeyError:
        raise BadInput(f"{name} does not say what its images are like: it has no {DATASET_KEY!r} in it.") from None
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or DATASET_KEY
        raise BadInput(f"{name} says of its data set what this ganlib cannot read ({where}).") from error


def _type(value: Any) -> TensorType:
    """A graph's input or output. A free first dimension becomes ``None``, other free ones -1."""
    from onnx import helper

    tensor = value.type.tensor_type
    try:
        dtype = str(helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)
    except KeyError:
        dtype = "unknown"
    sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
    return TensorType(dtype=dtype, dims=tuple(None if not at and size < 0 else size for at, size in enumerate(sizes)))


def _inputs(graph: Any, name: str) -> dict[str, TensorType]:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: _type(value) for value in graph.input if value.name not in weights}
    if "noise" not in inputs:
        raise BadInput(f"{name} has no input `noise`, so all its images would be the same.")
    for key, kind in inputs.items():
        if key not in _INPUTS:
            raise BadInput(f"{name} asks for an input {key!r} that the contract does not know: {', '.join(_INPUTS)}.")
        dtype, rank = _INPUTS[key]
        if kind.dims[:1] != (None,):
            raise BadInput(f"{name}: input {key!r} is {kind}: the batch must be free.")
        if kind.dtype != dtype or len(kind.dims) != rank or any(size is None or size < 1 for size in kind.dims[1:]):
            raise BadInput(f"{name}: input {key!r} is {kind}, the contract says {dtype} of rank {rank}, batch first.")
    return inputs


def _check_output(graph: Any, spec: DatasetSpec, name: str) -> None:
    contract = {"image": TensorType(dtype="uint8", dims=(None, *spec.image.dims))}
    outputs = {value.name: _type(value) for value in graph.output}
    if outputs != contract:
        text = ", ".join(f"{key} {value}" for key, value in outputs.items())
        raise BadInput(f"{name} gives {text}; the contract says image {contract['image']} and nothing else.")
