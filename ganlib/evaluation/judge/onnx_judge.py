"""A judge that is an ONNX file: one that was trained for a data version here, or a file of the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes
from ganlib.core.processes import usable_cores
from ganlib.core.progress import doing
from ganlib.data.spec import DatasetSpec
from ganlib.evaluation.judge.judge import Judge, JudgeOutput
from ganlib.export.runtime import first_line, open_session

DATASET_KEY = "dataset"
"""Of the metadata: the :class:`DatasetSpec` that a judge was trained for, as JSON; a file of the user's may lack it."""
HELP = "docs/judges.md says what a judge's file is; with judge.source: auto one is trained for the data"


class OnnxJudge(Judge):
    """A graph from ``image`` uint8 [batch, channels, height, width] to ``features`` float32 [batch, d], and perhaps to
    ``logits`` float32 [batch, classes]."""

    def __init__(self, data: bytes, spec: DatasetSpec, name: str) -> None:
        """Open the bytes of an ONNX file as a judge of images that ``spec`` describes; ``name`` is for people.

        Raises:
            BadInput: it is no graph that onnxruntime runs, or not one from such images to features.
        """
        self.sha256, self.name = sha256_bytes(data), name
        self.image, self._spec = spec.image, spec
        self._session = open_session(data, name)
        self._require_form()
        self._has_logits = "logits" in self._outputs()
        self.class_names = spec.class_names if self._has_logits else ()

    @property
    def metadata(self) -> Mapping[str, str]:
        """The file's own notes."""
        notes: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        return notes

    def require_sight(self, images: np.ndarray) -> None:
        """Look at real ``images``: a judge to which all of them are the same measures nothing.

        Raises:
            BadInput: its features are one constant vector, or not finite, or it fails on such images.
        """
        features = self.features(images).features
        if np.ptp(features, axis=0).max() <= 1e-6 * max(1.0, float(np.abs(features).max())):
            raise BadInput(
                f"judge {self.name} gives the same features for each of {len(images)} real images: it sees nothing. "
                f"{HELP}."
            )

    def _parts(self, images: np.ndarray, batch: int) -> Iterator[JudgeOutput]:
        # A call runs on its thread alone, so that what is said of an image does not depend on the number of cores.
        with ThreadPoolExecutor(usable_cores()) as pool:
            yield from pool.map(self._batch, (images[start : start + batch] for start in range(0, len(images), batch)))

    def _batch(self, images: np.ndarray) -> JudgeOutput:
        outputs = ["features", "logits"] if self._has_logits else ["features"]
        try:
            features, *logits = self._session.run(outputs, {"image": np.ascontiguousarray(images)})
        except Exception as error:  # onnxruntime's exceptions have no common base but this one
            raise BadInput(f"judge {self.name} fails on {list(images.shape)}: {first_line(error)}") from error
        for output, array, width in zip(outputs, (features, *logits), (None, self._spec.num_classes), strict=False):
            if array.ndim != 2 or len(array) != len(images) or width not in (None, array.shape[1]):
                form = f"[{len(images)}, {width or 'd'}]"
                raise BadInput(f"judge {self.name} gives {output} {list(array.shape)}, not {form}. {HELP}.")
            if not np.isfinite(array).all():
                raise BadInput(f"judge {self.name} gives {output} that hold NaN or infinity. {HELP}.")
        return JudgeOutput(features, softmax(logits[0]) if logits else np.zeros((len(images), 0), np.float32))

    def _outputs(self) -> dict[str, Any]:
        return {each.name: each for each in self._session.get_outputs()}

    def _require_form(self) -> None:
        """Raise BadInput unless inputs and outputs are as the class says, as far as the graph tells."""
        inputs = {each.name: each for each in self._session.get_inputs()}
        dims = ", ".join(map(str, self.image.dims))
        if set(inputs) != {"image"} or not _fits(inputs["image"], "uint8", (None, *self.image.dims)):
            raise BadInput(
                f"judge {self.name} takes {_described_ports(inputs)}; images of {self._spec.name} are image "
                "uint8[batch, "
                f"{dims}], with a batch of any size. {HELP}."
            )
        outputs = self._outputs()
        if "features" not in outputs or not _fits(outputs["features"], "float", (None, None)):
            raise BadInput(
                f"judge {self.name} gives {_described_ports(outputs)}, and no features float[batch, d] with a batch "
                "of any size. "
                f"{HELP}."
            )
        classes = self._spec.num_classes
        if "logits" in outputs and not (classes and _fits(outputs["logits"], "float", (None, classes))):
            count = f"{classes} classes" if classes else "no classes"
            raise BadInput(
                f"judge {self.name} gives {_described_ports({'logits': outputs['logits']})}, but {self._spec.name} "
                f"has {count}: "
                f"without that output it can serve. {HELP}."
            )


@doing("open the judge")
def open_judge(path: Path, spec: DatasetSpec, name: str | None = None) -> OnnxJudge:
    """Open the ONNX file at ``path`` as a judge of images that ``spec`` describes.

    Raises:
        BadInput: there is no such file, it is no judge of such images, or it was trained for another data set.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the judge {path}: {error.strerror}. {HELP}.") from error
    judge = OnnxJudge(data, spec, name or path.name)
    own = judge.metadata.get(DATASET_KEY)
    if own is not None and (own_spec := _spec(own, judge)).class_names != spec.class_names:
        raise BadInput(
            f"judge {judge.name} was trained for {own_spec.name}, whose classes are not those of {spec.name}. With "
            "judge.source: auto one is trained for it; run: ganlib judge train"
        )
    return judge


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities float32 [n, k] that ``logits`` [n, k] stand for."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: np.ndarray = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return probabilities


def _spec(text: str, judge: Judge) -> DatasetSpec:
    try:
        return DatasetSpec.model_validate_json(text)
    except ValueError as error:
        raise BadInput(f"judge {judge.name} has metadata {DATASET_KEY!r} that is no data set's. {HELP}.") from error


def _fits(port: Any, kind: str, dims: tuple[int | None, ...]) -> bool:
    """Whether an input or output can have ``dims``, of which None is open: a name, or unknown to the graph."""
    if port.type != f"tensor({kind})":
        return False
    shape = port.shape or [None] * len(dims)  # a graph may leave the rank open, too
    return len(shape) == len(dims) and all(
        not isinstance(has, int) if i == 0 else dim is None or not isinstance(has, int) or has == dim
        for i, (has, dim) in enumerate(zip(shape, dims, strict=True))
    )


def _described_ports(ports: Mapping[str, Any]) -> str:
    """As in ``image float[batch, 3, 299, 299]``."""
    return "; ".join(
        f"{name} {port.type.removeprefix('tensor(').rstrip(')')}[{', '.join(map(str, port.shape))}]"
        for name, port in ports.items()
    )
