"""Whether images were made here: by what they say, by their pixels, and by making them again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ganlib.config import Params
from ganlib.core.errors import BadInput
from ganlib.core.progress import Report, silent
from ganlib.core.project import Project
from ganlib.core.record import Record
from ganlib.generation.detection import index as indexes
from ganlib.generation.detection.image import AnyImage, Claim, pixel_digest, read
from ganlib.generation.detection.index import IndexEntry
from ganlib.generation.detection.likeness import NEAR, outline, undone
from ganlib.jobs.models import fetch

if TYPE_CHECKING:
    from ganlib.generation.session import OnnxModel

Answer = Literal["ours", "says it is ours", "likely ours", "marked by others", "no sign", "unreadable"]


class Detection(Record):
    """What is known of one file."""

    file: str
    answer: Answer
    reason: str
    """In words: what proves it, or what is missing."""
    proof: Literal["pixels", "made again"] | None = None
    """Equal pixels in the index of images that were made; or equal to what the model makes."""
    model_sha256: str | None = None
    seed: int | None = None
    index: int | None = None
    """The image's number."""
    batch: str | None = None
    model: str | None = None
    """Name in the registry."""
    version: int | None = None
    run_id: str | None = None

    def line(self) -> str:
        """For people."""
        return f"{self.file}: {self.answer}: {self.reason}"


class Detections(Record):
    """All files, in order."""

    files: tuple[Detection, ...]

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
    graph = _opened(project, params, model) if model else None
    again = dict(_made_again(graph, seed, start, count, report)) if graph and seed is not None else {}
    detections = []
    for place, file in enumerate(files):
        detections.append(_detect(file, index, graph, again))
        report.advance("detect", place + 1, len(files))
    return Detections(files=tuple(detections))


def _opened(project: Project | None, params: Params | None, model: str) -> OnnxModel:
    from ganlib.generation.session import OnnxModel

    source = fetch(project, params, model)
    return OnnxModel(source.path, sha256=source.sha256)


def _made_again(
    graph: OnnxModel, seed: int, start: int, count: int, report: Report
) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """Digest, seed and number of each image of a range."""
    for at, image in enumerate(graph.draw(graph.request(seed), start, count, report)):
        yield pixel_digest(image), (seed, start + at)


def _detect(file: Path, index: Path | None, graph: OnnxModel | None, again: dict[bytes, tuple[int, int]]) -> Detection:
    try:
        image = read(file)
    except BadInput as error:
        return Detection(file=str(file), answer="unreadable", reason=str(error))
    digest = pixel_digest(image.pixels)
    if index and (entry := indexes.find(index, digest)):
        return _of_entry(file, entry, "ours", "its pixels are those of an image of ours", proof="pixels")
    if graph and digest in again:
        seed, number = again[digest]
        return _of_model(file, graph, seed, number)
    if image.claim:
        return _claimed(file, image, image.claim, graph)
    if index and (likely := _likely(index, image)):
        return _of_entry(file, likely[0], "likely ours", likely[1])
    if image.others:
        return Detection(file=str(file), answer="marked by others", reason="; ".join(image.others))
    return Detection(file=str(file), answer="no sign", reason="that does not make it real")


def _of_entry(
    file: Path, entry: IndexEntry, answer: Answer, reason: str, proof: Literal["pixels"] | None = None
) -> Detection:
    version = f", version {entry.version} of {entry.model}" if entry.version else ""
    return Detection(
        file=str(file),
        answer=answer,
        reason=f"{reason}: number {entry.index} of seed {entry.seed} of model {entry.model_sha256[:12]}{version}, "
        f"in {entry.place}",
        proof=proof,
        batch=entry.place,
        **entry.model_dump(exclude={"place"}),
    )


def _of_model(file: Path, graph: OnnxModel, seed: int, number: int) -> Detection:
    return Detection(
        file=str(file),
        answer="ours",
        reason=f"model {graph.sha256[:12]} makes the same image: number {number} of seed {seed}",
        proof="made again",
        model_sha256=graph.sha256,
        seed=seed,
        index=number,
        run_id=graph.metadata.get("run_id"),
    )


def _claimed(file: Path, image: AnyImage, claim: Claim, graph: OnnxModel | None) -> Detection:
    """What it says, tried on the model where that is at hand."""
    which = f"number {claim.index} of seed {claim.seed} of model {claim.model_sha256[:12]}"
    if graph is None or graph.sha256 != claim.model_sha256:
        reason = f"{which}, by its marks, which anybody can write; --model makes the image again"
    elif _equal(graph, claim, image):
        return _of_model(file, graph, claim.seed, claim.index)
    else:
        reason = f"{which}, by its marks; that model makes another: it was altered, or its marks are another's"
    return Detection(
        file=str(file), answer="says it is ours", reason=reason, model_sha256=claim.model_sha256, seed=claim.seed,
        index=claim.index,
    )  # fmt: skip


def _equal(graph: OnnxModel, claim: Claim, image: AnyImage) -> bool:
    from ganlib.generation.conditions import choose

    try:
        condition = choose(graph, claim.label, claim.caption, files=False)
        again = graph.draw(graph.request(claim.seed, condition, claim.truncation), claim.index, 1)
    except BadInput:
        return False
    return pixel_digest(again[0]) == pixel_digest(image.pixels)


def _likely(index: Path, image: AnyImage) -> tuple[IndexEntry, str] | None:
    """The image that it may be a likeness of, and why."""
    for words, pixels in undone(image.pixels):
        if entry := indexes.find(index, pixel_digest(pixels)):
            return entry, f"{words}, it has the pixels of an image of ours"
    near = indexes.nearest(index, outline(image.pixels))
    if near and near[1] <= NEAR:
        return near[0], f"its outline is that of an image of ours but for {near[1]} of 64 bits, which proves nothing"
    return None
