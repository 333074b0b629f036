"""Says of pictures that are sent whether they were made here. Nothing is read but the request's body and the index."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from ganlib.core.errors import BadInput, Unavailable
from ganlib.generation.detection.detector import Detection, Detector, Maker
from ganlib.serving.problems import Busy, TooLarge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.config import ServeConfig
    from ganlib.generation.detection.index import ImageIndex
    from ganlib.generation.sampling import SamplingRequest
    from ganlib.serving.pool import LoadedModel, ModelPool


class PictureReader:
    """Looks at one picture after the other, in a thread of its own: images are made meanwhile."""

    def __init__(self, pool: ModelPool, limits: ServeConfig, index: ImageIndex | None) -> None:
        """``index`` None: pixels are looked up nowhere. Of an image of a model in ``pool`` the model makes it again."""
        self._pool, self._limits, self._index = pool, limits, index
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ganlib-detect")

    def detect(self, data: bytes) -> Future[Detection]:
        """Promise what is known of the picture whose file ``data`` is.

        Raises:
            TooLarge: by the promise: it has more pixels than are looked at.
            BadInput: by the promise: it is no picture.
        """
        return self._thread.submit(self._detect, data)

    def _detect(self, data: bytes) -> Detection:
        from ganlib.data.importing.decode import TooManyPixels, Unreadable
        from ganlib.generation.detection.image import parse

        try:
            image = parse(data, self._limits.max_picture_pixels)
        except TooManyPixels as error:
            raise TooLarge(f"this picture is too large: {error}.") from error
        except Unreadable as error:
            raise BadInput(
                f"the body is no picture that can be read: {error}. It has to be the file itself."
            ) from error
        with self._pool.use_all() as entries:
            makers = {each.model.sha256: self._maker(each) for each in entries}
            try:
                return Detector(self._index, makers).detect(image)
            except Unavailable as error:  # which names the file: where it lies here is nobody's business
                raise Busy("the index cannot be read just now; ask again.", 503) from error

    def _maker(self, entry: LoadedModel) -> Maker:
        def draw(request: SamplingRequest, start: int, count: int) -> NDArray[np.uint8]:
            return entry.engine.images(request, start, count).result(self._limits.timeout_seconds)

        origin = entry.open_model
        return Maker(entry.model, draw, origin.registered_model, origin.version, origin.run_id)
