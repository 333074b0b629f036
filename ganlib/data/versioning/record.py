"""What a data version is: records that other layers read."""

from __future__ import annotations

from ganlib.core.record import Record
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec


class Pixels(Record):
    """Statistics of a split's pixels, in grey levels 0..255."""

    mean: float
    std: float


class Twins(Record):
    """Images of a source that another image of it equals, exactly or nearly. All of a kind are in one split."""

    repeated: int
    """How many such images there are, each copy counted."""
    left_out: int
    """Images given for training that the source's own test split has, too, or nearly: they are in no split."""
    labels_differ: int
    """Of ``repeated``, those whose copies do not all have the same label."""
    near: int = 0
    """How many images are nearly, but not exactly, the same as another."""

    def __str__(self) -> str:
        """Return a line for people."""
        alike = [f"{self.repeated:,} images have an exact copy"] if self.repeated else []
        alike += [f"{self.near:,} images are nearly the same as another"] if self.near else []
        left = (
            f"; {self.left_out:,} of them were given for training and are in the test split, too: left out of training"
            if self.left_out
            else ""
        )
        differ = f"; {self.labels_differ:,} bear different labels in different copies" if self.labels_differ else ""
        return f"{' and '.join(alike)}: what is alike is kept on one side of the split{left}{differ}"


class Summary(Record):
    """``data/prepared/summary.json``: what is known of the prepared splits, and nothing of the machine."""

    raw: dict[str, str]
    """File in ``data/raw`` -> sha256."""
    files: dict[str, str]
    """Prepared file name -> sha256."""
    counts: dict[str, int]
    """Split -> number of images."""
    classes: dict[str, tuple[int, ...]]
    """Split -> number of images of each class; empty where there are none."""
    pixels: dict[str, Pixels]
    seed: int
    validation_one_in: int
    test_one_in: int | None
    """None where the source has a test split of its own."""
    twins: Twins | None = None
    """None, and not written, where no two images are the same."""
    spec: DatasetSpec = MNIST
    """What the images are. MNIST's is not written: data versions are older than this field."""

    def untold(self) -> set[str]:
        """Return the names of the fields that are not written, because there is nothing to tell."""
        return {name for name, nothing in (("twins", None), ("spec", MNIST)) if getattr(self, name) == nothing}


class DataVersion(Record):
    """A state of the data that a run can name and anyone can get back."""

    md5: str
    """DVC's hash of ``data/prepared``, with its ``.dir`` ending: the same on every machine."""
    raw_md5: str
    """The same of ``data/raw``."""
    commit: str | None
    """Git revision of the checkout; None where there is no git."""
    dirty: bool
    """Tracked files differ from ``commit``."""
    source: str
    """``data.source`` as DVC recorded it."""
    source_sha256: dict[str, str]
    """File in ``data/raw`` -> sha256."""
    counts: dict[str, int]
    """Images of train, validation and test."""
    twins: Twins | None = None
    """What is known of images that occur more than once; None where none does."""
    spec: DatasetSpec = MNIST
    """What the images are."""
    parent: str | None = None
    """md5 of the data version that new images were added to; None: it was not made so."""

    @property
    def id(self) -> str:
        """Short form for names and tables."""
        return self.md5[:12]
