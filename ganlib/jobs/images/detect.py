"""Whether images were made here: by what they say, by their pixels, and by making them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.generation.detection.detector import Detection, Detector, Maker
from ganlib.generation.detection.image import pixel_digest, read
from ganlib.generation.detection.index import ImageIndex
from ganlib.jobs.models import fetch


class FileDetection(Detection):
    """What is known of the image in one file."""

    file: str

    def line(self) -> str:
        """For people."""
        return f"{self.file}: {self.answer}: {self.reason}"


class Detections(Record):
    """All files, in order."""

    files: tuple[FileDetection, ...]

    @property
    def ok(self) -> bool:
        """Whether all could be read."""
        return all(each.answer != "unreadable" for each in self.files)

    def summary(self) -> str:
        """A line a file."""
        return "\n".join(each.line() for each in self.files)


def detect(
    project: Project | None,
    params: Params | None,
    files: Sequence[Path],
    *,
    index: Path | None = None,
    model: str | None = None,
    seed: int | None = None,
    start: int = 0,
    count: int = 1000,
    report: Report = silent,
) -> Detections:
    """Say of each of ``files`` whether it was made here. One that cannot be read is told, and the others go on.

    Args:
        project: as for :func:`ganlib.jobs.models.fetch`, which ``model`` needs.
        params: the same.
        files: images of any kind.
        index: made by :func:`ganlib.generation.detection.index.update`; None: pixels are looked up nowhere.
        model: that may have made them: what they say is tried on it.
        seed: with ``model``: images that say nothing are compared with all of this seed's from ``start`` on.
        start: number of the first of these.
        count: how many.
        report: told of progress.

    Raises:
        BadInput: there is no such index or model.
    """
    maker = _opened(project, params, model) if model else None
    detections = []
    with ImageIndex(index) if index else nullcontext() as opened_index:
        detector = Detector(
            opened_index,
            {maker.graph.sha256: maker} if maker else {},
            dict(_made_again(maker, seed, start, count, report)) if maker and seed is not None else {},
        )
        for place, file in enumerate(files):
            detections.append(_detect(file, detector))
            report.advance("detect", place + 1, len(files))
    return Detections(files=tuple(detections))


def _opened(project: Project | None, params: Params | None, model: str) -> Maker:
    from ganlib.generation.session import OnnxModel

    source = fetch(project, params, model)
    graph, version = OnnxModel(source.path, sha256=source.sha256), source.version
    return Maker(
        graph,
        graph.draw,
        model=version.name if version else None,
        version=version.version if version else None,
        run_id=source.trained_by,
    )


def _made_again(
    maker: Maker, seed: int, start: int, count: int, report: Report
) -> Iterator[tuple[bytes, tuple[Maker, int, int]]]:
    """Digest, and seed and number, of each image of a range."""
    for at, image in enumerate(maker.graph.draw(maker.graph.request(seed), start, count, report)):
        yield pixel_digest(image), (maker, seed, start + at)


def _detect(file: Path, detector: Detector) -> FileDetection:
    try:
        image = read(file)
    except BadInput as error:
        return FileDetection(file=str(file), answer="unreadable", reason=str(error))
    return FileDetection(file=str(file), **detector.detect(image).model_dump())
