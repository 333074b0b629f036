"""Whether an image was made here: by its pixels, by making it again, by what it says, by what it is like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ganlib.core.errors import BadInput
from ganlib.core.record import Record
from ganlib.generation.detection.image import AnyImage, Claim, pixel_digest
from ganlib.generation.detection.index import ImageIndex, IndexEntry
from ganlib.generation.detection.likeness import undone
from ganlib.generation.spec import require_range

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.generation.sampling import SamplingRequest
    from ganlib.generation.session import OnnxModel

Answer = Literal["ours", "says it is ours", "likely ours", "marked by others", "no sign", "unreadable"]


class Detection(Record):
    """What is known of one image. There is no answer "real"."""

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


@dataclass(frozen=True)
class Maker:
    """A model at hand, which makes images again, and what is known of where it came from."""

    graph: OnnxModel
    draw: Callable[[SamplingRequest, int, int], NDArray[np.uint8]]
    """As :meth:`OnnxModel.draw`: request, first image, how many."""
    model: str | None = None
    """Name in the registry."""
    version: int | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class Detector:
    """What an image is held against."""

    index: ImageIndex | None = None
    """None: pixels are looked up nowhere."""
    makers: Mapping[str, Maker] | None = None
    """By their model's sha256."""
    again: Mapping[bytes, tuple[Maker, int, int]] | None = None
    """Digests of pixels that were made again for this, each with its maker, seed and number."""

    def detect(self, image: AnyImage) -> Detection:
        """Say what is known of ``image``: what proves it comes first, then what it says, then what it is like.

        Raises:
            Unavailable: the index cannot be read just now.
        """
        digest = pixel_digest(image.pixels)
        if self.index and (entry := self.index.find(digest)):
            return _of_entry(entry, "ours", "its pixels are those of an image of ours", proof="pixels")
        if self.again and digest in self.again:
            return _of_maker(*self.again[digest])
        if image.claim:
            return self._of_claim(image, image.claim, digest)
        if self.index and (likely := _likely(self.index, image)):
            return _of_entry(likely[0], "likely ours", likely[1])
        if image.sheet is not None:
            reason = f"a picture of several images, {image.sheet}, by its marks, which anybody can write"
            return Detection(answer="says it is ours", reason=reason)
        if image.others:
            return Detection(answer="marked by others", reason="; ".join(image.others))
        return Detection(answer="no sign", reason="that does not make it real")

    def _of_claim(self, image: AnyImage, claim: Claim, digest: bytes) -> Detection:
        """What it says, tried on the model where that is at hand."""
        which = f"number {claim.index} of seed {claim.seed} of model {claim.model_sha256[:12]}, by its marks"
        maker = (self.makers or {}).get(claim.model_sha256)
        if maker is None:
            reason = f"{which}, which anybody can write; with that model at hand it would be made again and compared"
        elif _makes(maker, claim, digest):
            return _of_maker(maker, claim.seed, claim.index)
        else:
            reason = f"{which}; that model makes another: it was altered, or its marks are another's"
        return Detection(
            answer="says it is ours", reason=reason, model_sha256=claim.model_sha256, seed=claim.seed, index=claim.index
        )


def _of_entry(entry: IndexEntry, answer: Answer, reason: str, proof: Literal["pixels"] | None = None) -> Detection:
    which = f"number {entry.index} of seed {entry.seed} of model {entry.model_sha256[:12]}"
    return Detection(
        answer=answer,
        reason=f"{reason}: {which}{_registered(entry)}, in {entry.place}",
        proof=proof,
        batch=entry.place,
        **entry.model_dump(exclude={"place"}),
    )


def _of_maker(maker: Maker, seed: int, number: int) -> Detection:
    name = f"model {maker.graph.sha256[:12]}{_registered(maker)}"
    return Detection(
        answer="ours",
        reason=f"made again, it is the same: number {number} of seed {seed} of {name}",
        proof="made again",
        model_sha256=maker.graph.sha256,
        seed=seed,
        index=number,
        model=maker.model,
        version=maker.version,
        run_id=maker.run_id or maker.graph.metadata.get("run_id"),
    )


def _registered(origin: IndexEntry | Maker) -> str:
    return f", version {origin.version} of {origin.model}" if origin.version else ""


def _makes(maker: Maker, claim: Claim, digest: bytes) -> bool:
    """Whether ``maker`` makes pixels of ``digest`` where ``claim`` says so."""
    from ganlib.generation.conditions import choose

    try:
        condition = choose(maker.graph, claim.label, claim.caption, files=False)
        require_range(claim.index, 1)
        again = maker.draw(maker.graph.request(claim.seed, condition, claim.truncation), claim.index, 1)
    except BadInput:
        return False
    return pixel_digest(again[0]) == digest


def _likely(index: ImageIndex, image: AnyImage) -> tuple[IndexEntry, str] | None:
    """The image that it may be a likeness of, and why."""
    for words, pixels in undone(image.pixels):
        if entry := index.find(pixel_digest(pixels)):
            return entry, f"{words}, it has the pixels of an image of ours"
    if near := index.nearest(image.pixels):
        levels = f"{near[1]:.1f} of 255 levels"
        return near[0], f"over 8 x 8 fields it is as bright as an image of ours but for {levels}, which proves nothing"
    return None
