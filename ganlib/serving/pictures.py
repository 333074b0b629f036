"""From images to what is sent: PNG files that say they are synthetic, sheets, and JSON with a card."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import ganlib
from ganlib.config import MarkConfig
from ganlib.generation.formats.base import texts
from ganlib.generation.mark import SOURCE_TYPE, SYNTHETIC, aigc_keys, packet_of_models
from ganlib.generation.noise import ALGORITHM
from ganlib.generation.pictures.contact_sheet import contact_sheet
from ganlib.generation.png import Encoder, international_chunk, text_chunk, with_chunks
from ganlib.serving.schema import Image, Images, ImagesRequest, Provenance, WalkRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ganlib.data.spec import DatasetSpec
    from ganlib.serving.pool import LoadedModel


def with_facts(png: bytes, facts: Mapping[str, str]) -> bytes:
    """``png`` with ``facts`` as text chunks before its pixels: ASCII as tEXt, the rest as UTF-8 in iTXt."""
    chunks = b"".join(
        (text_chunk if text.isascii() else international_chunk)(name, text) for name, text in facts.items()
    )
    return with_chunks(png, chunks)


def card(entry: LoadedModel, query: ImagesRequest | WalkRequest, condition: str, mark: MarkConfig) -> Provenance:
    """Return where the answer to ``query`` comes from; ``condition`` is as in a batch's manifest."""
    model, open_model = entry.model, entry.open_model
    walk = {"to_seed": query.to_seed, "to_start": query.to_start} if isinstance(query, WalkRequest) else {}
    return Provenance(
        model=entry.name,
        model_sha256=model.sha256,
        registered_model=open_model.registered_model,
        version=open_model.version,
        family=model.metadata.get("family"),
        run_id=open_model.run_id or model.metadata.get("run_id"),
        data_version=model.metadata.get("data_version"),
        commit=model.metadata.get("source_commit"),
        seed=query.seed,
        start=query.start,
        count=query.steps if isinstance(query, WalkRequest) else query.count,
        producer=mark.producer,
        condition=condition,
        truncation=query.truncation,
        noise_dim=model.noise_dim,
        noise=ALGORITHM,
        provider=model.provider,
        ganlib=ganlib.__version__,
        onnxruntime=_onnxruntime(),
        **walk,
    )


def single(
    provenance: Provenance, image: NDArray[np.uint8], index: int, description: Mapping[str, str] | None
) -> bytes:
    """Return one image, uint8 ``[channels, height, width]``, as the very file that `ganlib generate` writes."""
    return _one(_encoder(provenance), image, index, description)


def _one(encoder: Encoder, image: NDArray[np.uint8], index: int, description: Mapping[str, str] | None) -> bytes:
    return encoder.encode(image[None], index, [description] if description else None)[0]


def _encoder(provenance: Provenance) -> Encoder:
    return Encoder(
        model_sha256=provenance.model_sha256,
        seed=provenance.seed,
        truncation=provenance.truncation,
        mark=_mark(provenance),
    )


def _mark(provenance: Provenance) -> MarkConfig:
    return MarkConfig(producer=provenance.producer)


def sheet(provenance: Provenance, images: NDArray[np.uint8], columns: int | None = None) -> bytes:
    """Return all images, uint8 ``[n, C, H, W]``, on one PNG with what the card says in its text chunks."""
    facts = {
        "synthetic": SYNTHETIC,
        "model_sha256": provenance.model_sha256,
        "seed": str(provenance.seed),
        "index": str(provenance.start),
        "count": str(provenance.count),
        "condition": provenance.condition,
        "truncation": str(provenance.truncation),
    }
    if provenance.to_seed is not None:
        facts |= {"to_seed": str(provenance.to_seed), "to_index": str(provenance.to_start)}
    return with_facts(contact_sheet(images, _packet(provenance), columns=columns, quick=True), facts)


def npy(images: NDArray[np.uint8]) -> bytes:
    """Return an array file of ``images``, uint8 ``[n, channels, height, width]``."""
    import numpy as np

    file = io.BytesIO()
    np.save(file, images, allow_pickle=False)
    return file.getvalue()


def as_json(
    provenance: Provenance,
    spec: DatasetSpec,
    images: NDArray[np.uint8],
    conditions: Mapping[str, NDArray[Any]],
    *,
    pixels: bool = False,
) -> bytes:
    """Return an :class:`Images` of ``images``; ``conditions`` is what was asked for each, by the input's name."""
    descriptions: Sequence[Mapping[str, str] | None] = texts(spec, conditions) or [None] * len(images)
    encoder = _encoder(provenance)
    items = [
        _image(
            provenance,
            encoder,
            spec,
            image,
            at if provenance.to_seed is not None else provenance.start + at,
            descriptions[at],
            pixels,
        )
        for at, image in enumerate(images)
    ]
    return Images(card=provenance, images=items).model_dump_json().encode()


def _image(
    provenance: Provenance,
    encoder: Encoder,
    spec: DatasetSpec,
    image: NDArray[np.uint8],
    index: int,
    description: Mapping[str, str] | None,
    pixels: bool,
) -> Image:
    content: dict[str, Any] = dict(description or {})
    if "label" in content:
        label = int(content["label"])
        content = {"label": label, "class_name": spec.class_names[label]}
    if pixels:
        return Image(index=index, pixels=(image if len(image) > 1 else image[0]).tolist(), **content)
    # Between two images there is no number to make one again by.
    png = _one(encoder, image, index, description) if provenance.to_seed is None else step(provenance, image, index)
    return Image(index=index, png=base64.b64encode(png).decode(), **content)


def step(provenance: Provenance, image: NDArray[np.uint8], number: int) -> bytes:
    """Return image ``number`` of a walk, uint8 ``[channels, height, width]``, as a PNG of its own size."""
    packet = _packet(provenance, f"-step-{number}")
    facts = {"synthetic": SYNTHETIC, "model_sha256": provenance.model_sha256, "step": str(number)}
    return with_facts(contact_sheet(image[None], packet, scale=1, padding=0, quick=True), facts)


def headers(provenance: Provenance) -> dict[str, str]:
    """Return the marks of all images of an answer as its headers: JSON and arrays have no other place for them."""
    keys = aigc_keys(_mark(provenance), f"{provenance.model_sha256}-{range_of(provenance)}")
    return {"X-Ganlib-Digital-Source-Type": SOURCE_TYPE, "X-Ganlib-AIGC": json.dumps(keys, separators=(",", ":"))}


def range_of(provenance: Provenance) -> str:
    """Return which images of its model an answer holds: seed, first and last; of a walk, where it begins and ends."""
    begin = f"{provenance.seed}-{provenance.start}"
    if provenance.to_seed is not None:
        return f"{begin}-to-{provenance.to_seed}-{provenance.to_start}"
    return begin if provenance.count == 1 else f"{begin}-{provenance.start + provenance.count - 1}"


def _packet(provenance: Provenance, more: str = "") -> str:
    return packet_of_models(_mark(provenance), [provenance.model_sha256], range_of(provenance) + more)


@cache
def _onnxruntime() -> str:
    return metadata.version("onnxruntime")
