"""What a conditional model is asked for, for any image by its number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, get_args

from ganlib.core.errors import BadInput, unknown
from ganlib.core.files import sha256_bytes
from ganlib.data import conditions, text
from ganlib.export.contract import caption_pool, read_shares
from ganlib.generation import label_file
from ganlib.generation.condition_record import Choice, ConditionRecord
from ganlib.generation.noise import BLOCK, philox

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec
    from ganlib.export.contract import Contract

_STREAM = 1  # of Philox's key: the noise has 0


class GraphDescription(Protocol):
    """What says what a graph takes: an opened model, or the description of its file."""

    @property
    def contract(self) -> Contract:
        """Return its inputs and its data set."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """Return what the file says of itself."""


class Condition(Protocol):
    """The input besides noise and its values for the 64 images of a block."""

    @property
    def record(self) -> ConditionRecord:
        """Return what a job's record keeps of it."""

    def values(self, seed: int, block: int) -> NDArray[np.int64] | None:
        """Return the values for block number ``block``: int64 [64], of captions [64, length]; None: no such input."""

    def require(self, count: int) -> None:
        """Raise :class:`BadInput` unless something is asked for each of ``count`` images."""

    def codes(self, values: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return what ``values`` ask for as a measurement takes it: int64 [n, 4]; None if no measurement knows it.

        The columns are those of :meth:`ganlib.data.mnist.captions.CaptionMeaning.codes`: a class, and three attributes,
        0 where they are not asked for.
        """


@dataclass(frozen=True)
class Unconditional:
    """Nothing: the graph takes noise alone."""

    record: ConditionRecord = field(default_factory=ConditionRecord)

    def values(self, seed: int, block: int) -> None:
        """See :class:`Condition`."""

    def require(self, count: int) -> None:
        """See :class:`Condition`: there is no limit."""

    def codes(self, values: NDArray[np.int64]) -> None:
        """See :class:`Condition`."""


@dataclass(frozen=True)
class ClassLabels:
    """Labels: drawn, in turn, all the same, or from a file."""

    spec: DatasetSpec
    record: ConditionRecord
    table: tuple[int, ...] = ()
    """The labels of a file, the first for image 0."""
    shares: tuple[float, ...] = ()
    """How often ``data`` draws each class."""

    @classmethod
    def of(cls, spec: DatasetSpec, option: str, shares: tuple[float, ...] = ()) -> ClassLabels:
        """Return what ``option`` means: ``balanced``, ``uniform``, ``data``, the name of a class or its number.

        ``shares`` are those of the classes in the data; empty: they are about even, and ``data`` is ``uniform``.

        Raises:
            BadInput: it is none of them; the nearest name is offered.
        """
        if option == "data" and shares:
            return cls(spec, ConditionRecord(kind="labels", choice="data"), shares=shares)
        if option in get_args(Choice):
            choice: Choice = "balanced" if option == "balanced" else "uniform"
            return cls(spec, ConditionRecord(kind="labels", choice=choice))
        label = label_of(spec, option, get_args(Choice))
        return cls(spec, ConditionRecord(kind="labels", class_name=spec.class_names[label]))

    @classmethod
    def of_file(cls, spec: DatasetSpec, path: Path) -> ClassLabels:
        """Return the labels in the file at ``path``: see :func:`ganlib.generation.label_file.read`.

        Raises:
            BadInput: it cannot be read, or a line names no class.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"cannot read the labels {path}: {error.strerror}.") from error
        labels = label_file.read(path, data, lambda name: label_of(spec, name))
        return cls(spec, ConditionRecord(kind="labels", file=path.name, sha256=sha256_bytes(data)), tuple(labels))

    def values(self, seed: int, block: int) -> NDArray[np.int64]:
        """See :class:`Condition`: int64 [64]."""
        import numpy as np

        numbers = np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.int64)
        if self.table:
            rows = np.minimum(numbers, len(self.table) - 1)  # what pads the last block is never written
            return np.array([self.table[row] for row in rows.tolist()], np.int64)
        if self.record.class_name is not None:
            return np.full(BLOCK, self.spec.class_names.index(self.record.class_name), np.int64)
        if self.record.choice == "balanced":
            return numbers % self.spec.num_classes
        return conditions.draw("label", self.spec, philox(seed, block, _STREAM), BLOCK, shares=self.shares)

    def require(self, count: int) -> None:
        """See :class:`Condition`: a file has so many lines."""
        if self.table and count > len(self.table):
            raise BadInput(
                f"{self.record}: {len(self.table):,} labels for {count:,} images (start and count). Nothing was made; "
                "add labels, or ask for fewer images."
            )

    def codes(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """See :class:`Condition`."""
        import numpy as np

        return np.pad(values[:, None], ((0, 0), (0, 3)))


@dataclass(frozen=True)
class Captions:
    """Captions: drawn from MNIST's grammar or from those of the training images, or one for all."""

    spec: DatasetSpec
    length: int
    """Bytes of UTF-8 that the graph takes."""
    pool: tuple[str, ...] = ()
    """What is drawn from where there is no grammar."""
    shares: tuple[float, ...] = ()
    """How often each of the pool is drawn; empty: all alike."""
    caption: str | None = None
    """The one for all images."""

    @property
    def record(self) -> ConditionRecord:
        """See :class:`Condition`."""
        if self.caption is not None:
            return ConditionRecord(kind="captions", caption=self.caption)
        return ConditionRecord(kind="captions", choice="data" if self.shares else "uniform")

    def with_caption(self, caption: str) -> Captions:
        """Return the same with ``caption`` for all images.

        Raises:
            BadInput: it does not fit, or the grammar does not know what it asks for.
        """
        condition = replace(self, caption=caption)
        condition.encoded(caption)
        return condition

    def encoded(self, caption: str) -> NDArray[np.int64]:
        """Return a caption as the graph takes it: int64 [length]."""
        if conditions.has_grammar(self.spec):
            from ganlib.data.mnist import captions

            return captions.encode(caption)
        return conditions.encode(caption, self.length)

    def values(self, seed: int, block: int) -> NDArray[np.int64]:
        """See :class:`Condition`: int64 [64, length]."""
        import numpy as np

        if self.caption is not None:
            return np.tile(self.encoded(self.caption), (BLOCK, 1))
        random = philox(seed, block, _STREAM)
        return conditions.draw("caption", self.spec, random, BLOCK, self.pool, self.shares)

    def require(self, count: int) -> None:
        """See :class:`Condition`: there is no limit, but there must be captions to draw from."""
        if not (self.pool or conditions.has_grammar(self.spec) or self.caption is not None):
            raise BadInput("this model's file keeps no captions to draw from: give one with --caption.")

    def codes(self, values: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """See :class:`Condition`: None of captions that follow no grammar."""
        import numpy as np

        if not conditions.has_grammar(self.spec):
            return None
        from ganlib.data.mnist import captions

        return np.array([captions.parse(text).codes() for text in texts(values)], np.int64).reshape(-1, 4)


def choose(
    model: GraphDescription, labels: str | None = None, caption: str | None = None, *, files: bool = True
) -> Condition:
    """Return what to ask of ``model``.

    Args:
        model: opened, or the description of its file.
        labels: for models with classes: a class name (or its number), ``balanced`` (the classes in turn), ``uniform``
            (drawn from the seed and the image's number), ``data`` (so, each class as often as the training data have
            it, as for None), or a file with a name a line, the first for image 0. A file with a header may have more
            columns than ``label``, separated by commas.
        caption: for models of captions: one for all images. None: drawn from the seed and the image's number.
        files: whether ``labels`` may be a file.

    Raises:
        BadInput: the model does not take that, there is no such class, a bad line of the file (its number is told), or
            a caption that the graph does not take.
    """
    contract = model.contract
    if labels is not None and "label" not in contract.inputs:
        raise BadInput(f"--labels {labels}: this model takes no label{_takes(contract)}.")
    if caption is not None and "caption" not in contract.inputs:
        raise BadInput(f"--caption: this model takes no caption{_takes(contract)}.")
    if "label" in contract.inputs:
        return _labels(model, labels or "data", files)
    if "caption" in contract.inputs:
        pool = caption_pool(model.metadata)
        shares = read_shares(model.metadata, len(pool))
        captions = Captions(contract.spec, contract.inputs["caption"].dims[1] or 0, pool, shares)
        return captions if caption is None else captions.with_caption(caption)
    return Unconditional()


def recorded(model: GraphDescription, record: ConditionRecord, labels: str | None = None) -> Condition:
    """Return what an earlier job asked, from its record.

    Args:
        model: opened, or the description of its file.
        record: of the job.
        labels: the file of labels, if that job had one.

    Raises:
        BadInput: the labels are needed and not given, or are others than those of that time.
    """
    if record.file is not None and labels is None:
        raise BadInput(f"these images were made with {record}: name that file with --labels. Nothing was changed.")
    if record.kind == "labels" and labels is None and "label" in model.contract.inputs:
        spec = model.contract.spec
        shares = read_shares(model.metadata, spec.num_classes) if record.choice == "data" else ()
        return ClassLabels(spec, record, shares=shares)
    condition = choose(model, labels, record.caption)
    if condition.record != record:
        raise BadInput(f"these images were made with {record}, not {condition.record}. Nothing was changed.")
    return condition


def label_of(spec: DatasetSpec, name: str, others: Sequence[str] = ()) -> int:
    """Return the label of the class ``name``; where no class is called by a number, its number serves too.

    Raises:
        BadInput: there is no such class; the nearest name is offered, ``others`` among them.
    """
    if name in spec.class_names:
        return spec.class_names.index(name)
    by_number = name.isascii() and name.isdigit() and not any(each.isdigit() for each in spec.class_names)
    if by_number and int(name) < spec.num_classes:
        return int(name)
    raise unknown("class", name, (*spec.class_names, *others))


def texts(values: NDArray[np.int64]) -> Sequence[str]:
    """Return captions, int64 [n, length] of UTF-8 bytes, as text."""
    return [text.from_bytes(row) for row in values]


def _takes(contract: Contract) -> str:
    others = sorted(set(contract.inputs) - {"noise"})
    return f", only a {' and a '.join(others)}" if others else ": it is unconditional"


def _labels(model: GraphDescription, option: str, files: bool) -> ClassLabels:
    spec = model.contract.spec
    try:
        return ClassLabels.of(spec, option, read_shares(model.metadata, spec.num_classes))
    except BadInput:
        if files and label_file.names_file(option):
            return ClassLabels.of_file(spec, Path(option))
        raise
