"""A verified ONNX model, ready to draw any of its images."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganlib.core.errors import BadInput, Corrupt, GanlibError
from ganlib.core.files import sha256_bytes
from ganlib.core.processes import usable_cores
from ganlib.core.progress import Report, silent
from ganlib.export.contract import describe
from ganlib.export.runtime import first_line, open_session
from ganlib.generation.concurrency import ConcurrencyLimit, is_out_of_memory
from ganlib.generation.conditions import Condition, choose
from ganlib.generation.noise import BLOCK
from ganlib.generation.sampling import SamplingRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageBlock:
    """Neighbouring images and what was asked for each."""

    first: int
    """Number of the first one."""
    images: NDArray[np.uint8]
    """uint8 ``[n, channels, height, width]``."""
    conditions: Mapping[str, NDArray[np.int64]]
    """The graph's inputs besides noise, by name, n rows each."""

    @property
    def stop(self) -> int:
        """One past the last image."""
        return self.first + len(self.images)

    def cut(self, start: int, stop: int) -> ImageBlock:
        """Images ``start`` to ``stop - 1``, as far as they are here."""
        start = max(start, self.first)
        part = slice(start - self.first, stop - self.first)
        return ImageBlock(start, self.images[part], {name: values[part] for name, values in self.conditions.items()})


_AHEAD = 4  # blocks a thread computes ahead of the reader, so that encoding and inference overlap


class OnnxModel:
    """One opened graph. Image i depends only on (model sha256, seed, i) on a given machine.

    The file is read once: the bytes that were hashed are the bytes that run.
    """

    def __init__(
        self, path: Path, *, sha256: str | None = None, provider: str = "cpu", allow_cpu: bool = False
    ) -> None:
        """Open the ONNX file at ``path``; nothing of it runs before it has been checked.

        Args:
            path: the file.
            sha256: what its digest must be, in lower-case hex (``None``: the file has to vouch for itself).
            provider: ``cpu``, ``cuda`` or ``tensorrt``.
            allow_cpu: take the processor if the provider is not to be had.

        Raises:
            Corrupt: the digest is another one.
            GanlibError: onnxruntime took another provider.
            BadInput: no such file, not ONNX, or outside the contract (see
                :func:`ganlib.export.contract.describe`).
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"cannot read the model {path}: {error.strerror}.") from error
        self.path, self.sha256 = path, sha256_bytes(data)
        if sha256 is not None and self.sha256 != sha256:
            raise Corrupt(path, expected=sha256, actual=self.sha256, hint="Nothing of it was run; download it again.")
        description = describe(data, str(path))
        self.contract, self.metadata, self.spec = description.contract, description.metadata, description.contract.spec
        self.noise_dim, self._limit = self.contract.noise_dim, ConcurrencyLimit()
        self.session = open_session(data, str(path), provider, allow_cpu=allow_cpu)
        self.provider: str = self.session.get_providers()[0]

    def request(self, seed: int, condition: Condition | None = None, truncation: float = 1.0) -> SamplingRequest:
        """Return a request for images of ``seed``; ``condition`` None: drawn from the seed.

        Raises:
            BadInput: a seed that does not fit 64 bits, or a truncation out of range.
        """
        return SamplingRequest(seed, condition or choose(self), truncation)

    def images(
        self, seed: int, start: int, count: int, condition: Condition | None = None, report: Report = silent
    ) -> NDArray[np.uint8]:
        """Images ``start`` to ``start + count - 1`` of :meth:`request`, uint8 ``[count, channels, height, width]``.

        Raises:
            BadInput: a negative start, a count below one, or a seed that does not fit 64 bits.
        """
        return self.draw(self.request(seed, condition), start, count, report)

    def draw(self, request: SamplingRequest, start: int, count: int, report: Report = silent) -> NDArray[np.uint8]:
        """Images ``start`` to ``start + count - 1`` of ``request``, uint8 ``[count, channels, height, width]``.

        Raises:
            BadInput: a negative start, or a count below one.
        """
        import numpy as np

        if start < 0 or count < 1:
            raise BadInput(f"cannot draw {count} images from number {start} on: both must be positive.")
        images = np.empty((count, *self.spec.image.dims), np.uint8)
        for block in self.blocks(request, start, start + count):
            images[block.first - start : block.stop - start] = block.images
            report.advance("draw images", block.stop - start, count)
        return images

    def blocks(
        self,
        request: SamplingRequest,
        start: int,
        stop: int,
        batch_size: int | None = None,
        threads: int | None = None,
    ) -> Iterator[ImageBlock]:
        """Images ``start`` to ``stop - 1``, some tens at a time, computed ahead in threads.

        Args:
            request: seed, condition and truncation.
            start: the first image.
            stop: one past the last image.
            batch_size: how many images may be worked on at once, rounded up to whole blocks; decides memory,
                not content. ``None``: enough to keep the threads busy.
            threads: how many blocks are worked on at once; ``None``: one a core that this process may use.

        Raises:
            BadInput: something is asked for fewer images than these.
        """
        request.condition.require(stop)
        blocks = range(start // BLOCK, -(-stop // BLOCK))
        for block in self._blocks(request, blocks, batch_size, threads):
            yield block.cut(start, stop)

    def _blocks(
        self, request: SamplingRequest, blocks: range, batch_size: int | None, threads: int | None
    ) -> Iterator[ImageBlock]:
        """Whole blocks in order."""
        threads = threads or usable_cores()
        ahead = threads * _AHEAD if batch_size is None else -(-batch_size // BLOCK)
        waiting: deque[Future[ImageBlock]] = deque()
        with ThreadPoolExecutor(min(threads, ahead), thread_name_prefix="ganlib-onnx") as pool:
            try:
                for block in blocks:
                    waiting.append(pool.submit(self._block, request, block))
                    if len(waiting) >= ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:  # the reader stopped early: do not make it wait for what it will not read
                for future in waiting:
                    future.cancel()

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """Images of the given inputs, uint8 ``[n, channels, height, width]``, in blocks of :data:`BLOCK` on the calling
        thread.

        Args:
            inputs: by name, all that the graph asks for, as the contract says, with n rows each.

        Raises:
            BadInput: they are not.
        """
        import numpy as np

        self._require(inputs)
        count = len(inputs["noise"])
        out = np.empty((count, *self.spec.image.dims), np.uint8)
        for start in range(0, count, BLOCK):
            # The last block is filled up with repeats: onnxruntime always works on a whole one.
            rows = np.minimum(np.arange(start, start + BLOCK), count - 1)
            images = self._call({name: value[rows] for name, value in inputs.items()})
            out[start : start + BLOCK] = images[: count - start]
        return out

    def one(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """One image of one row of inputs, uint8 ``[1, channels, height, width]``, in a call of its own: what latency is
        measured of.

        Its bytes may differ from those in a block by rounding; :meth:`run` gives the same ones always.
        """
        image: NDArray[np.uint8] = self.session.run(["image"], dict(inputs))[0]
        return image

    def _require(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Raise :class:`BadInput` unless ``inputs`` are what the graph asks for."""
        form = {name: (kind.dtype, kind.dims[1:]) for name, kind in self.contract.inputs.items()}
        actual = {name: (value.dtype.name, value.shape[1:]) for name, value in inputs.items()}
        if actual != form or len({len(value) for value in inputs.values()}) != 1:
            takes = ", ".join(f"{name} {kind}" for name, kind in self.contract.inputs.items())
            raise BadInput(
                f"{self.path} asks for {takes}; given were "
                f"{', '.join(f'{name} {value.dtype}{list(value.shape)}' for name, value in inputs.items())}."
            )

    def _block(self, request: SamplingRequest, block: int) -> ImageBlock:
        inputs = request.inputs(self.noise_dim, block)
        images = self._call(inputs)
        del inputs["noise"]
        return ImageBlock(block * BLOCK, images, inputs)

    def _call(self, inputs: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
        """One whole block. Where memory runs out, half as many are worked on at once from then on."""
        while True:
            with self._limit.turn() as limit:
                try:
                    images: NDArray[np.uint8] = self.session.run(["image"], inputs)[0]
                    break
                except Exception as error:  # onnxruntime's exceptions have no common base but this one
                    if not is_out_of_memory(error):
                        raise GanlibError(f"onnxruntime failed on {self.path}: {first_line(error)}") from error
                    if limit == 1:
                        raise GanlibError(
                            f"there is not memory enough for {BLOCK} images of {self.path} at once "
                            f"({first_line(error)}). What is already there was kept; "
                            "free some and run the same command again."
                        ) from error
                    self._limit.halve()
        if images.shape != (BLOCK, *self.spec.image.dims):
            raise BadInput(f"{self.path} gives {list(images.shape)} for a batch of {BLOCK}.")
        return images
