"""A gallery's pages, as HTML that runs no script of its own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import ganlib
from ganlib.evaluation import table
from ganlib.jobs.gallery import drawings
from ganlib.jobs.gallery.content import IMAGES, SEED, Collection, Exhibit
from ganlib.jobs.gallery.drawings import AxisScale, Bar, Chart, Origin
from ganlib.registry.version import Version
from ganlib.serving.app import STATIC as SERVING_STATIC

_TEMPLATES = Path(__file__).parent / "templates"
_CHECKS = "validation_fid"
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)
"""What the pages may load: nothing from elsewhere, and no script that stands in them."""
_SIZE = {
    "width": drawings.WIDTH,
    "height": drawings.HEIGHT,
    "left": drawings.LEFT,
    "right": drawings.RIGHT,
}
_FORM = re.compile(r"<main>(.*?)\s*<div id=\"detect\"", re.DOTALL)  # what comes after it asks a server
_STATUS = '<p id="status" role="status" aria-live="polite">'
_WAIT = (
    "The model is loading. Where that does not end, the page was opened as a file: browsers run it from a web server "
    "only, such as that of: python -m http.server"
)


class Row(NamedTuple):
    """A version's place on the leaderboard."""

    version: Version
    fid: str | None
    bar: Bar | None
    aliases: tuple[str, ...]
    unlike: tuple[str, ...]
    """What its figures do not share with the champion's."""
    is_champion: bool


def render(collection: Collection, time: str, *, draws: bool) -> Iterator[tuple[str, str]]:
    """Give each page's place in the folder, and its HTML.

    Args:
        collection: what to show.
        time: now, UTC, ISO 8601.
        draws: whether there is a page on which the champion runs.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["moment"] = lambda text: f"{text[:16].replace('T', ' ')} UTC"
    environment.globals.update(
        policy=_POLICY, name=collection.name, champion=collection.champion, note=collection.note, time=time,
        draws=draws, ganlib=ganlib.__version__, size=_SIZE, images=IMAGES, seed=SEED,
        shown={exhibit.version.version for exhibit in collection.exhibits},
    )  # fmt: skip
    yield "index.html", environment.get_template("index.html").render(_index(collection))
    for exhibit in collection.exhibits:
        text = environment.get_template("card.html").render(_card(collection, exhibit))
        yield f"cards/{exhibit.version.version}.html", text
    if draws:
        yield "draw.html", environment.get_template("draw.html").render(_draw(collection))


def _index(collection: Collection) -> dict[str, Any]:
    champion, exhibits = collection.champion, collection.exhibits
    checks = {_title(each): each.curves[_CHECKS] for each in exhibits if _CHECKS in each.curves}
    evaluation = champion.evaluation if champion else None
    rows, scale = _rows(collection)
    return {
        "title": collection.name,
        "root": "",
        "rows": rows,
        "level": f"{100 * evaluation.level:.0f}%" if evaluation else "bootstrap",
        "wide": scale.logarithmic,
        "remark": f"Real images have {evaluation.floor_fid}." if evaluation else "",
        "exhibits": exhibits,
        "remainder": collection.remainder,
        "checks": drawings.chart("FID of the moving average on the validation split", checks),
        "losses": {_title(each): charts for each in exhibits if (charts := _charts(each, _CHECKS))},
        "entries": list(reversed(collection.entries)),
        "problems": collection.problems,
        "tree": drawings.lineage([_origin(each, champion) for each in exhibits]),
    }


def _rows(collection: Collection) -> tuple[list[Row], AxisScale]:
    """The leaderboard, and the scale of its bars."""
    champion = collection.champion
    base = champion.evaluation if champion else None

    def unlike(version: Version) -> tuple[str, ...]:
        return version.evaluation.unlike(base) if version.evaluation and base else ()

    def place(version: Version) -> tuple[bool, bool, float]:
        return version.evaluation is None, bool(unlike(version)), _fid(version)

    versions = sorted((each.version for each in collection.exhibits), key=place)
    intervals = [each.evaluation.fid if each.evaluation else None for each in versions]
    scale = drawings.bar_scale(intervals)
    rows = [
        Row(
            version=version,
            fid=str(version.evaluation.fid) if version.evaluation else version.fid_text,
            bar=drawings.bar(scale, figure),
            aliases=version.aliases,
            unlike=unlike(version),
            is_champion=bool(champion and champion.version == version.version),
        )
        for version, figure in zip(versions, intervals, strict=True)
    ]
    return rows, scale


def _fid(version: Version) -> float:
    value = version.evaluation.fid.value if version.evaluation else math.inf
    return value if math.isfinite(value) else math.inf


def _title(exhibit: Exhibit) -> str:
    return f"version {exhibit.version.version} ({exhibit.version.family or '?'})"


def _origin(exhibit: Exhibit, champion: Version | None) -> Origin:
    version = exhibit.version
    return Origin(
        data=f"data {(version.data_version or '?')[:12]}",
        run=f"run {(version.run_id or '?')[:12]}",
        version=_title(exhibit),
        href=f"cards/{version.version}.html",
        is_champion=bool(champion and champion.version == version.version),
    )


def _card(collection: Collection, exhibit: Exhibit) -> dict[str, Any]:
    version, run = exhibit.version, exhibit.run
    evaluation, contract = version.evaluation, version.contract
    inputs = ", ".join(f"{name} {kind}" for name, kind in contract.inputs.items()) if contract else ""
    tags = run.tags if run else {}
    return {
        "title": f"{collection.name}: version {version.version}",
        "root": "../",
        "exhibit": exhibit,
        "version": version,
        "facts": {
            "aliases": ", ".join(version.aliases),
            "created": version.created,
            "sha256": version.sha256,
            "run": version.run_id,
            "source": tags.get("mlflow.source.git.commit", ""),
            "data version": version.data_version,
            "data set": f"{contract.spec.name}, {contract.spec.image}" if contract else "",
            "inputs": inputs,
            "sibling of": f"version {version.sibling_of}" if version.sibling_of else "",
            "training": version.unhealthy,
        },
        "lines": table.lines(evaluation) if evaluation else [],
        "about_figures": table.note(evaluation) if evaluation else "",
        "charts": _charts(exhibit),
        "options": dict(sorted(run.params.items())) if run else {},
        "snippet": _snippet(version, exhibit.noise_dim) if exhibit.noise_dim else "",
    }


def _charts(exhibit: Exhibit, *others: str) -> list[Chart]:
    """A chart of each curve but ``others``."""
    curves = {name: curve for name, curve in exhibit.curves.items() if name not in others}
    return [drawing for name, curve in curves.items() if (drawing := drawings.chart(name, {name: curve}))]


def _snippet(version: Version, noise_dim: int) -> str:
    inputs = version.contract.inputs if version.contract else {}
    more = {"label": ', "label": np.zeros(16, np.int64)', "caption": ', "caption": captions'}
    feeds = "".join(text for name, text in more.items() if name in inputs)
    return "\n".join(
        [
            f"import numpy as np, onnxruntime as ort  # ganlib registry download {version.uri} --out m.onnx",
            "",
            'session = ort.InferenceSession("m.onnx")',
            f"noise = np.random.default_rng(0).standard_normal((16, {noise_dim}), dtype=np.float32)",
            f'images = session.run(["image"], {{"noise": noise{feeds}}})[0]',
        ]
    )


def _draw(collection: Collection) -> dict[str, Any]:
    """The form of `ganlib serve`, whose answers come from the champion's graph itself."""
    (form,) = _FORM.findall((SERVING_STATIC / "index.html").read_text(encoding="utf-8"))
    return {"title": f"{collection.name}: draw", "root": "", "form": form.replace(_STATUS, f"{_STATUS}{_WAIT}")}
