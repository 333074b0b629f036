"""What a batch job asks of a conditional model, for any image by its number."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ganlib.core.errors import BadInput
from ganlib.core.files import sha256_bytes
from ganlib.data import conditions
from ganlib.data.mnist.dataset import MNIST
from ganlib.generation.noise import BLOCK, philox

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.export.contract import Contract

NOTHING = "none"
_STREAM = 1  # of Philox's key: the noise has 0
_HEADERS, _DIGITS = {"label", "labels", "digit"}, set("0123456789")


class Wanted:
    """The input besides noise: which one, and its values for the 64 images of a block; and how wide the noise is."""

    def __init__(
        self,
        text: str,
        name: str | None = None,
        block: Callable[[int, int], NDArray[np.int64]] | None = None,
        limit: int | None = None,
    ) -> None:
        """``text`` goes into the job's record; ``block`` of (seed, block) gives int64 [64] or [64, length].

        ``limit`` is the number of images that something is asked for, if not any.
        """
        self.text, self.name, self._block, self._limit = text, name, block, limit
        self.truncation = 1.0
        """What the noise is multiplied by: below 1, images nearer to the middle of what the model knows."""

    def require(self, count: int) -> None:
        """Raise :class:`BadInput` unless something is asked for each of ``count`` images."""
        if self._limit is not None and count > self._limit:
            raise BadInput(
                f"{self.text}: {self._limit:,} labels for {count:,} images (start and count). Nothing was made; "
                "add labels, or ask for fewer images."
            )

    def block(self, seed: int, block: int) -> dict[str, NDArray[np.int64]]:
        """The graph's further inputs for block number ``block``."""
        return {self.name: self._block(seed, block)} if self.name and self._block else {}

    def codes(self, seed: int, count: int) -> NDArray[np.int64] | None:
        """What is asked for images 0 to ``count - 1``: int64 [count, 4] :meth:`ganlib.data.mnist.captions.Wish.codes`.

        None if nothing is asked.
        """
        import numpy as np

        if not self.name:
            return None
        blocks = [self.block(seed, block)[self.name] for block in range(-(-count // BLOCK))]
        values = np.concatenate(blocks)[:count]
        if self.name == "label":
            return np.pad(values[:, None], ((0, 0), (0, 3)))
        from ganlib.data.mnist import captions

        texts = (bytes(row[row > 0].astype(np.uint8)).decode() for row in values)
        return np.array([captions.parse(text).codes() for text in texts], np.int64)


def wanted(
    contract: Contract, labels: str | None = None, caption: str | None = None, truncation: float = 1.0
) -> Wanted:
    """What to ask of a model with ``contract``.

    Args:
        contract: of the model.
        labels: for models of digits: a digit, ``balanced`` (0, 1, ..., 9, 0, ...), ``uniform`` (drawn from the seed
            and the image's number, as for None), or a file with a digit a line, the first for image 0. A file with
            a header may have more columns than ``label``, separated by commas.
        caption: for models of captions: one for all images. None: drawn from the seed and the image's number.
        truncation: what the noise is multiplied by, above 0 and at most 1.

    Raises:
        BadInput: the model does not take that, there is no such digit, a bad line of the file (its number is told),
            a caption that the graph does not take, or a truncation out of range.
    """
    if not 0 < truncation <= 1:
        raise BadInput(f"--truncation {truncation}: it must be above 0 and at most 1.")
    made = _asked(contract, labels, caption)
    made.truncation = truncation
    return made


def _asked(contract: Contract, labels: str | None, caption: str | None) -> Wanted:
    inputs = contract.inputs
    if labels is not None and "label" not in inputs:
        raise BadInput(f"--labels {labels}: this model takes no label{_takes(contract)}.")
    if caption is not None and "caption" not in inputs:
        raise BadInput(f"--caption: this model takes no caption{_takes(contract)}.")
    if "label" in inputs:
        return _labels(labels or "uniform")
    if "caption" in inputs:
        return _caption(caption)
    return Wanted(NOTHING)


def again(contract: Contract, text: str, labels: str | None = None, truncation: float = 1.0) -> Wanted:
    """What an earlier job asked, from its record's ``condition``.

    Args:
        contract: of the model.
        text: :attr:`Wanted.text` at that time.
        labels: the file of labels, if that job had one.
        truncation: of that job.

    Raises:
        BadInput: the labels are needed and not given, or are others than those of that time.
    """
    kind, _, value = text.partition(" ")
    if text.startswith("labels of ") and labels is None:
        raise BadInput(f"these images were made with {text}: name that file with --labels. Nothing was changed.")
    if labels is not None:
        made = wanted(contract, labels, None, truncation)
    elif kind in ("label", "labels"):
        made = wanted(contract, value, None, truncation)
    elif kind == "caption":
        made = wanted(contract, None, ast.literal_eval(value), truncation)
    else:
        made = wanted(contract, None, None, truncation)
    if made.text != text:
        raise BadInput(f"these images were made with {text}, not {made.text}. Nothing was changed.")
    return made


def _takes(contract: Contract) -> str:
    others = sorted(set(contract.inputs) - {"noise"})
    return f", only a {' and a '.join(others)}" if others else ": it is unconditional"


def _labels(asked: str) -> Wanted:
    import numpy as np

    if asked == "uniform":
        return Wanted("labels uniform", "label", _drawn("label"))
    if asked == "balanced":
        return Wanted("labels balanced", "label", lambda seed, block: _indices(block) % 10)
    if Path(asked).suffix or Path(asked).is_file():
        return _label_file(Path(asked))
    if asked not in _DIGITS:
        raise BadInput(f"label {asked!r} is not a digit from 0 to 9, 'balanced', 'uniform' or a file of digits.")
    digit = int(asked)
    return Wanted(f"label {digit}", "label", lambda seed, block: np.full(BLOCK, digit, np.int64))


def _label_file(path: Path) -> Wanted:
    import numpy as np

    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the labels {path}: {error.strerror}.") from error
    lines = data.decode("utf-8-sig", errors="replace").splitlines()
    header = [name.strip().strip('"').lower() for name in lines[0].split(",")] if lines else []
    column = next((at for at, name in enumerate(header) if name in _HEADERS), None)
    digits = []
    for number, line in enumerate(lines):
        if number == 0 and column is not None:
            continue
        # Rows of digits need no quotes: what is quoted or has another number of columns is told as it stands.
        cells = [cell.strip() for cell in line.split(",")]
        value = cells[column or 0] if len(cells) == (1 if column is None else len(header)) else line.strip()
        if value not in _DIGITS:
            raise BadInput(f"{path}, line {number + 1}: {value[:40]!r} is not a digit from 0 to 9.")
        digits.append(int(value))
    if not digits:
        raise BadInput(f"{path} has no label in it.")
    table = np.array(digits, np.int64)

    def block(seed: int, block: int) -> NDArray[np.int64]:
        return table[np.minimum(_indices(block), len(table) - 1)]  # what pads the last block is never written

    return Wanted(f"labels of {path.name} (sha256 {sha256_bytes(data)})", "label", block, limit=len(table))


def _caption(asked: str | None) -> Wanted:
    import numpy as np

    if asked is None:
        return Wanted("captions uniform", "caption", _drawn("caption"))
    from ganlib.data.mnist import captions

    encoded = captions.encode(asked)
    return Wanted(f"caption {asked!r}", "caption", lambda seed, block: np.tile(encoded, (BLOCK, 1)))


def _drawn(condition: conditions.Condition) -> Callable[[int, int], NDArray[np.int64]]:
    return lambda seed, block: conditions.draw(condition, MNIST, philox(seed, block, _STREAM), BLOCK)


def _indices(block: int) -> NDArray[np.int64]:
    import numpy as np

    return np.arange(block * BLOCK, (block + 1) * BLOCK, dtype=np.int64)
