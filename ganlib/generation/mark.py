"""The marks by which others' programs see that an image was made by a model, as one XMP packet.

Two vocabularies, which docs/marks.md explains: IPTC's Photo Metadata Standard 2025.1, and the field ``AIGC`` of China's
GB 45438-2025. The packet is written by ISO 16684-1 in its shortest form, as each image has its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

from ganlib.config import MarkConfig

SYNTHETIC = "trainedAlgorithmicMedia"
"""What a trained model made, in IPTC's vocabulary of digital source types."""
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE_TYPE = f"{_SOURCE_TYPES}{SYNTHETIC}"
"""The same as IPTC has it in files: by its address."""
COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
"""What has such a part beside others, as a sheet of real images and what became of them."""
SYSTEM = "ganlib"
KEYWORD = "XML:com.adobe.xmp"
"""Of the PNG chunk in which readers look for XMP."""
PACKET_BYTES = 1536
"""An upper bound of a packet, with the longest producer."""
_MADE_BY_A_MODEL = "1"  # GB 45438-2025: 1 it is, 2 it may be, 3 it is suspected to be
_INDEX = "{index}"


def identity(model_sha256: str, seed: int, index: int | str) -> str:
    """Return what identifies an image for good: model, seed and number make the same one again."""
    return f"{model_sha256}-{seed}-{index}"


def system_version(*models: str) -> str:
    """Return which models it was, by their sha256, as short as people and programs tell models apart."""
    return f"model {', '.join(each[:12] for each in models)}"


def aigc(mark: MarkConfig, produce_id: str) -> str:
    """Return the field ``AIGC`` as JSON."""
    return json.dumps(aigc_keys(mark, produce_id), ensure_ascii=False, separators=(",", ":"))


def aigc_keys(mark: MarkConfig, produce_id: str) -> dict[str, str]:
    """Return the seven keys of the field ``AIGC`` in the standard's order, of which the last four are for others."""
    return {
        "Label": _MADE_BY_A_MODEL,
        "ContentProducer": mark.producer,
        "ProduceID": produce_id,
        "ReservedCode1": "",
        "ContentPropagator": "",
        "PropagateID": "",
        "ReservedCode2": "",
    }


def note(mark: MarkConfig) -> str:
    """Return what whoever has images made should know of ``mark``; empty: nothing."""
    return "" if mark.producer else "mark.producer in params.yaml is empty: the marks name no producer"


def packet_of_models(mark: MarkConfig, models: Sequence[str], which: str) -> str:
    """Return the packet of a picture of several images of ``models`` (their sha256); ``which`` tells them apart."""
    return packet(mark, system_version(*models), "-".join((*models, which)))


def packet_of_run(mark: MarkConfig, run_id: str, which: str, source: str = SYNTHETIC) -> str:
    """Return the packet of a picture that the training ``run_id`` made, whose model has no file yet."""
    return packet(mark, f"run {run_id}", f"{run_id}-{which}", source)


def packet(mark: MarkConfig, version: str, produce_id: str, source: str = SYNTHETIC) -> str:
    """Return the XMP packet of one image or sheet, which no program is to write in that does not know its format."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"'
        f' Iptc4xmpExt:DigitalSourceType="{_SOURCE_TYPES}{source}" Iptc4xmpExt:AISystemUsed="{SYSTEM}"'
        f' Iptc4xmpExt:AISystemVersionUsed="{version}">'
        f"<TC260:AIGC>{escape(aigc(mark, produce_id))}</TC260:AIGC>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def packet_parts(mark: MarkConfig, model_sha256: str, seed: int) -> tuple[bytes, bytes]:
    """Return what stands before and after an image's number in its packet: equal for all images of a job."""
    whole = packet(mark, system_version(model_sha256), identity(model_sha256, seed, _INDEX))
    before, _, after = whole.rpartition(_INDEX)
    return before.encode(), after.encode()


def of_image(mark: MarkConfig, model_sha256: str, seed: int, index: int | str) -> dict[str, str]:
    """Return the same by its names, for files that have no place for XMP."""
    return {
        "DigitalSourceType": SOURCE_TYPE,
        "AISystemUsed": SYSTEM,
        "AISystemVersionUsed": system_version(model_sha256),
        "AIGC": aigc(mark, identity(model_sha256, seed, index)),
    }


def of_all(mark: MarkConfig, model_sha256: str, seed: int) -> dict[str, str]:
    """Return the same for all images of a job at once: ``{index}`` stands for each one's number."""
    return of_image(mark, model_sha256, seed, _INDEX)
