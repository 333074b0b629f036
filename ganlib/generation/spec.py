"""What decides the files of a batch, and how its images are cut into shards."""

from __future__ import annotations

from ganlib.config import MarkConfig
from ganlib.core.errors import BadInput
from ganlib.core.record import Record
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.spec import DatasetSpec
from ganlib.generation.condition_record import ConditionRecord

_LAST = 2**63  # image numbers are int64 in files


class BatchSpec(Record):
    """What decides the files of a folder. A folder is resumed by the same job only."""

    model_sha256: str
    seed: int
    count: int
    shard_size: int
    block: int
    """Images one call of onnxruntime works on."""
    noise: str
    """The algorithm that makes noise of (seed, index)."""
    condition: ConditionRecord = ConditionRecord()
    """What was asked of a conditional model."""
    provider: str
    """onnxruntime's execution provider, as read from the session."""
    start: int = 0
    """Number of the first image."""
    file_format: str = "png"
    """One of :func:`ganlib.generation.formats.names`."""
    truncation: float = 1.0
    """What the noise is multiplied by."""
    dataset: DatasetSpec = MNIST
    """What the model's images are like; of manifests that do not say it, MNIST."""
    mark: MarkConfig | None = None
    """What marks each image for others' readers; None: the job was begun before there were marks."""
    metadata: bool = False
    """Whether each shard has the file that its format calls ``metadata``; older PNG jobs have none."""

    signed: bool = False
    """Whether each PNG file has content credentials (:mod:`ganlib.generation.credentials`), whoever signed them."""

    @property
    def shard_count(self) -> int:
        """How many shards there are; the last one may be smaller."""
        return -(-self.count // self.shard_size)

    def images(self, shard: int) -> range:
        """Indices of the images in ``shard``."""
        first, last = shard * self.shard_size, min((shard + 1) * self.shard_size, self.count)
        return range(self.start + first, self.start + last)

    def shard_of(self, index: int) -> int:
        """The shard that image number ``index`` is in."""
        return (index - self.start) // self.shard_size

    def differences(self, other: BatchSpec) -> list[str]:
        """Where ``self`` (what is there) and ``other`` (what is asked for) differ, in words."""
        return [
            f"{name} is {getattr(self, name)}, not {getattr(other, name)}"
            for name in BatchSpec.model_fields
            if name != "dataset" and getattr(self, name) != getattr(other, name)  # the model decides that
        ]


def file_name(index: int) -> str:
    """Return the name of image number ``index``'s PNG file, in its shard."""
    return f"{index:08d}.png"


def require_positive(**numbers: int) -> None:
    """Raise :class:`BadInput` for the first number below one."""
    for name, number in numbers.items():
        if number < 1:
            raise BadInput(f"{name.replace('_', ' ')} must be at least 1 (got {number}).")


def require_range(start: int, count: int) -> None:
    """Raise :class:`BadInput` unless ``start`` to ``start + count - 1`` are numbers of images."""
    if start < 0 or start + count > _LAST:
        raise BadInput(f"start must be at least 0, and start + count at most {_LAST:,} (got {start:,} + {count:,}).")
