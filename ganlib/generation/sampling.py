"""What decides each image of a model: the seed, the condition and the truncation."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ganlib.core.errors import BadInput
from ganlib.generation.conditions import Condition, Unconditional
from ganlib.generation.noise import BLOCK, noise_block, require_seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class SamplingRequest:
    """The images of a seed; image i has the noise and the condition of its number."""

    seed: int
    """0 to 2**64 - 1."""
    condition: Condition = field(default_factory=Unconditional)
    truncation: float = 1.0
    """What the noise is multiplied by: below 1, images nearer to the middle of what the model knows."""

    def __post_init__(self) -> None:
        """Refuse a seed or a truncation out of range."""
        require_seed(self.seed)
        require_truncation(self.truncation)

    def inputs(self, noise_dim: int, block: int) -> dict[str, NDArray[Any]]:
        """Return the graph's inputs for the 64 images of block number ``block``; ``noise_dim`` is the noise's width."""
        import numpy as np

        noise = noise_block(self.seed, block, noise_dim)
        if self.truncation != 1:
            noise *= np.float32(self.truncation)
        return {"noise": noise, **self.conditions(block)}

    def conditions(self, block: int) -> dict[str, NDArray[np.int64]]:
        """Return the graph's inputs besides noise for block number ``block``."""
        name = self.condition.record.input_name
        values = self.condition.values(self.seed, block)
        return {} if name is None or values is None else {name: values}

    def rows(self, noise_dim: int, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Return the graph's inputs for images ``start`` to ``stop - 1``."""
        import numpy as np

        first = start // BLOCK
        blocks = [self.inputs(noise_dim, block) for block in range(first, -(-stop // BLOCK))]
        cut = slice(start - first * BLOCK, stop - first * BLOCK)
        return {name: np.concatenate([block[name] for block in blocks])[cut] for name in blocks[0]}

    def codes(self, numbers: NDArray[np.int64]) -> NDArray[np.int64] | None:
        """Return what is asked for the images ``numbers``, int64 [n], as :meth:`Condition.codes` has it."""
        import numpy as np

        blocks = {int(block): self.condition.values(self.seed, int(block)) for block in np.unique(numbers // BLOCK)}
        values = [rows[number % BLOCK] for number in numbers.tolist() if (rows := blocks[number // BLOCK]) is not None]
        return self.condition.codes(np.stack(values)) if values else None


def require_truncation(truncation: float) -> float:
    """Return ``truncation``.

    Raises:
        BadInput: it is not above 0 and at most 1.
    """
    if not 0 < truncation <= 1:
        raise BadInput(f"--truncation {truncation}: it must be above 0 and at most 1.")
    return truncation
