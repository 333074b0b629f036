"""What the page that runs the champion has to know of it, besides its graph."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import ganlib
from ganlib.config import MarkConfig
from ganlib.core.errors import BadInput
from ganlib.data.conditions import has_grammar
from ganlib.export.contract import caption_pool, read_shares
from ganlib.generation.mark import SYNTHETIC, packet, system_version
from ganlib.generation.noise import ALGORITHM
from ganlib.generation.pictures.interpolate import examples
from ganlib.generation.session import OnnxModel
from ganlib.registry.version import Version

_IDENTITY = "{produce_id}"  # what the page puts an image's own in place of


def describe(version: Version, model: OnnxModel, mark: MarkConfig) -> dict[str, Any]:
    """Return what ``static/answers.js`` reads: names as ``/v1/models`` of `ganlib serve` has them.

    ``packet`` is an image's marks with a place for its identity, and ``card`` what is equal in the cards of all images.
    """
    inputs, metadata, spec = model.contract.inputs, model.metadata, model.spec
    takes = "label" if "label" in inputs else "caption" if "caption" in inputs else None
    captions = _captions(model) if takes == "caption" else []
    choices = len(captions) if takes == "caption" else spec.num_classes
    card = {
        "synthetic": SYNTHETIC,
        "model": "champion",
        "model_sha256": model.sha256,
        "registered_model": version.name,
        "version": version.version,
        "family": version.family,
        "run_id": version.run_id,
        "data_version": version.data_version,
        "commit": metadata.get("source_commit"),
        "producer": mark.producer,
        "noise_dim": model.noise_dim,
        "noise": ALGORITHM,
        "ganlib": ganlib.__version__,
    }
    return {
        **{name: card[name] for name in ("synthetic", "version", "family", "noise_dim")},
        "name": "champion",
        "sha256": model.sha256,
        "takes": takes,
        "image": list(spec.image.dims),
        "class_names": list(spec.class_names),
        "captions": captions,
        "caption_length": inputs["caption"].dims[1] if takes == "caption" else None,
        "drawn": bool(caption_pool(metadata)) and not has_grammar(spec),
        "shares": list(read_shares(metadata, choices)),
        "packet": packet(mark, system_version(model.sha256), _IDENTITY),
        "card": card,
    }


def _captions(model: OnnxModel) -> list[str]:
    with suppress(BadInput):  # its file keeps none, and the page asks for one
        return list(examples(model))
    return []
