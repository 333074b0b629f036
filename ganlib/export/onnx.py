"""A net to one self-contained ONNX file, with measured proof that onnxruntime draws what torch draws."""

from __future__ import annotations

import copy
import logging
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ganlib.config import ExportConfig
from ganlib.core.errors import BadInput, GanlibError
from ganlib.core.files import require_writable, write_bytes
from ganlib.core.record import Record
from ganlib.data import conditions
from ganlib.export import contract
from ganlib.export.loops import scans_to_loops
from ganlib.export.runtime import first_line, open_session

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ganlib.data.conditions import Condition
    from ganlib.data.spec import DatasetSpec
    from ganlib.export.sampler import Sampler

Inputs: TypeAlias = "dict[str, NDArray[Any]]"
"""A batch for a graph: what it asks for, by name, in the contract's order."""

# torch.export patches torch's globals while it traces; families that train side by side in threads export one
# by one.
_TRACING = threading.Lock()
_PARITY_KEY = 0x706172697479  # "parity": its noise is no user's seed


class ExportError(GanlibError):
    """A net cannot become a graph that keeps the contract. No file was written."""


class Certificate(Record):
    """How far the graph's images in onnxruntime are from the net's own in torch, on the same noise (CPU)."""

    opset: int
    batches: tuple[int, ...]
    """Batch sizes that were run."""
    max_pixel_difference: int
    """Levels of a channel, 0..255; 1 is what rounding at a half can give."""
    differing_share: float
    """Share of all values compared (a pixel has one a channel) that differ at all, 0..1."""
    images_compared: int
    mean_difference: float | None = None
    """Levels, over all values compared; only of a sibling (see :mod:`ganlib.export.precision`)."""
    parent: str | None = None
    """sha256 of the graph that a sibling was compared with, in torch's place."""

    def ok(self, limit: int) -> bool:
        """Whether no pixel is off by more than ``limit`` levels."""
        return self.max_pixel_difference <= limit


def export(
    net: nn.Module,
    noise_dim: int,
    path: Path,
    config: ExportConfig,
    metadata: Mapping[str, str],
    spec: DatasetSpec,
    condition: Condition | None = None,
) -> Certificate:
    """Write ``net`` to ``path`` as one ONNX file that keeps the contract, and measure it against torch.

    Args:
        net: float32 noise ``[batch, noise_dim]``, and the condition if there is one, to float32 images
            ``[batch, channels, height, width]`` in [-1, 1]. It is copied; its mode and device do not matter and do
            not change.
        noise_dim: width of the noise.
        path: replaced atomically, once everything below holds.
        config: opset, and the batch sizes to compare.
        metadata: goes into the file's ``metadata_props``, beside the contract's version, the data set, ``noise_dim``,
            a digest of the weights, and the certificate (JSON under ``parity``).
        spec: what the images are like, and the names of the classes that labels stand for.
        condition: the graph's input besides ``noise``, if it has one.

    The same net, configuration and metadata give the same bytes (on one machine, with the same versions).

    Raises:
        ExportError: the net's images have the wrong form or are not finite, the batch is baked into the
            graph, it draws its own randomness, or all images are equal.
        BadInput, NoSpace: ``path`` cannot be written.
    """
    import torch

    require_writable(path.parent)  # before the work, not after it
    sampler = _sampler(net)
    captions = contract.caption_pool(metadata)

    def inputs(batch: int) -> Inputs:
        return _inputs(batch, noise_dim, condition, spec, captions)

    with torch.no_grad():
        _check_net(sampler, inputs(2), spec)
        model = _trace(sampler, inputs(2), config.opset)
        certificate = _certify(sampler, model, map(inputs, config.parity_batches), config)
    facts = {
        **metadata,
        contract.VERSION_KEY: str(contract.VERSION),
        contract.DATASET_KEY: spec.model_dump_json(),
        **({contract.LABEL_RANGE_KEY: f"[0, {spec.num_classes - 1}]"} if condition == "label" else {}),
        contract.NOISE_DIM_KEY: str(noise_dim),
        contract.WEIGHTS_KEY: contract.weights_sha256(model),
        contract.PARITY_KEY: certificate.model_dump_json(),
    }
    for key in sorted(facts):
        model.metadata_props.add(key=key, value=facts[key])
    data = model.SerializeToString(deterministic=True)
    _keeps_contract(data, noise_dim, condition)
    write_bytes(path, data)
    return certificate


def _sampler(net: nn.Module) -> Sampler:
    from ganlib.export.sampler import Sampler

    return Sampler(copy.deepcopy(net)).cpu().eval()


def _check_net(sampler: Sampler, inputs: Inputs, spec: DatasetSpec) -> None:
    import torch

    images, shape = _draw(sampler.net, inputs), [2, *spec.image.dims]
    if images.dtype != torch.float32 or list(images.shape) != shape:
        raise ExportError(f"the net gives {images.dtype} {list(images.shape)} for a batch of 2, not float32 {shape}.")
    if not torch.isfinite(images).all():
        raise ExportError("the net's images are not finite: training has diverged, export an earlier checkpoint.")


def _trace(sampler: Sampler, inputs: Inputs, opset: int) -> Any:
    """The graph as a checked ``onnx.ModelProto`` without names of this machine's files in it."""
    import onnx
    import torch

    # A batch of one is specialised by torch.export, so the example has two.
    batch = torch.export.Dim("batch")
    with tempfile.TemporaryDirectory(prefix="ganlib-export-") as folder, _TRACING, _quiet():
        # Absolute, because external data would follow the working folder otherwise.
        file = Path(folder).resolve() / "model.onnx"
        try:
            torch.onnx.export(
                sampler,
                tuple(map(torch.from_numpy, inputs.values())),
                file,
                dynamo=True,
                input_names=list(inputs),
                output_names=["image"],
                dynamic_shapes=_shapes(inputs, batch),
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # torch.export and the exporter raise a dozen unrelated types
            cause = error.__cause__ or error
            raise ExportError(f"torch cannot export the net: {first_line(cause)}") from error
        files = sorted(entry.name for entry in Path(folder).iterdir())
        if files != [file.name]:
            raise ExportError(f"the exporter made {', '.join(files)} where one self-contained file was asked for.")
        model = contract.parse(file.read_bytes(), "the exported graph")
    _forget_source(model)
    scans_to_loops(model)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"the exported graph is not valid ONNX: {first_line(error)}") from error
    return model


def _shapes(inputs: Inputs, batch: Any) -> tuple[Any, ...]:
    """Dynamic shapes in the form of the sampler's signature: noise, then a tuple of the rest, if there is any."""
    noise, *conditions = [{0: batch} for _ in inputs]
    return (noise, tuple(conditions)) if conditions else (noise,)


def _forget_source(model: Any) -> None:
    """Drop the stack traces, with paths of this machine, that the exporter hangs on all parts of a graph."""
    del model.metadata_props[:]
    _forget(model.graph)


def _forget(graph: Any) -> None:
    """The same for one graph and those inside its nodes, such as the body of a Loop."""
    parts = (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer)
    for part in parts:
        del part.metadata_props[:]
        part.ClearField("doc_string")
    for attribute in (attribute for node in graph.node for attribute in node.attribute):
        for inner in (attribute.g, *attribute.graphs):
            if inner.node:
                _forget(inner)


def _certify(sampler: Sampler, model: Any, batches: Iterable[Inputs], config: ExportConfig) -> Certificate:
    import numpy as np

    session = open_session(model.SerializeToString(), "the exported graph")
    worst, differing, pixels, first, variety = 0, 0, 0, None, False
    for inputs in batches:
        reference = _draw(sampler, inputs).numpy()
        actual = _run(session, inputs, reference.shape)
        pixels += reference.size
        gaps = np.abs(actual.astype(np.int16) - reference.astype(np.int16))
        worst, differing = max(worst, int(gaps.max())), differing + int(np.count_nonzero(gaps))
        first = actual[:1] if first is None else first
        variety = variety or bool((actual != first).any())
    images = sum(config.parity_batches)
    if images > 1 and not variety:
        raise ExportError(f"all of {images:,} images are equal whatever the noise: the generator has collapsed.")
    return Certificate(
        opset=config.opset,
        batches=config.parity_batches,
        max_pixel_difference=worst,
        differing_share=differing / pixels,
        images_compared=images,
    )


def _draw(net: nn.Module, inputs: Inputs) -> Tensor:
    import torch

    try:
        images: Tensor = net(*map(torch.from_numpy, inputs.values()))
    except RuntimeError as error:
        shapes = ", ".join(f"{name} {list(array.shape)}" for name, array in inputs.items())
        raise ExportError(f"the net fails on {shapes}: {first_line(error)}") from error
    return images


def _run(session: Any, inputs: Inputs, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """One call, whose output must have ``shape``: a baked batch shows here, not in the checker."""
    batch = len(inputs["noise"])
    try:
        images: NDArray[np.uint8] = session.run(["image"], inputs)[0]
    except Exception as error:  # onnxruntime's exceptions have no common base but this one
        raise ExportError(f"the exported graph fails on a batch of {batch}: {first_line(error)}") from error
    if images.shape != shape:
        raise ExportError(f"the exported graph gives {list(images.shape)} for a batch of {batch}.")
    return images


def _keeps_contract(data: bytes, noise_dim: int, condition: Condition | None) -> None:
    try:
        description = contract.describe(data, "the exported graph").contract
    except BadInput as error:
        raise ExportError(str(error)) from error
    names = {"noise", condition} if condition else {"noise"}
    if set(description.inputs) != names or description.noise_dim != noise_dim:
        inputs = ", ".join(f"{name} {kind}" for name, kind in description.inputs.items())
        others = f" and {condition}" if condition else " alone"
        raise ExportError(f"the exported graph asks for {inputs}; expected noise float32[batch, {noise_dim}]{others}.")


def _inputs(
    batch: int, noise_dim: int, condition: Condition | None, spec: DatasetSpec, captions: tuple[str, ...]
) -> Inputs:
    """Standard normal noise for parity, and a uniform condition: another draw for each batch size."""
    import numpy as np

    random = np.random.Generator(np.random.Philox(key=[_PARITY_KEY, batch]))
    inputs: Inputs = {"noise": random.standard_normal((batch, noise_dim), np.float32)}
    if condition:
        inputs[condition] = conditions.draw(condition, spec, random, batch, captions)
    return inputs


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks (torchvision is absent, pytree deprecations) off the user's screen."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
