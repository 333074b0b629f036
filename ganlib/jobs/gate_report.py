"""The gate's report: the decision, both models' figures side by side, and what both draw from the same noise."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

import numpy as np

from ganlib.evaluation import table
from ganlib.registry.gate import Decision
from ganlib.registry.versions import Version

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ganlib.generation.session import OnnxModel

REPORT = "gate/report.html"
"""The challenger's run keeps it under this name."""
_IMAGES = 60  # of each model
_COLUMNS = 20
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left}"
    ".no{background:#fdd}.ok{background:#dfd}img{max-width:100%}"
)


def page(decision: Decision, challenger: Version, champion: Version | None, pictures: dict[str, bytes]) -> str:
    """A page of HTML that needs nothing else: ``pictures`` are PNGs by title, embedded."""
    title, *_ = decision.summary().splitlines()
    checks = [
        f'<tr class="{"ok" if check.passed else "no"}"><td>{"pass" if check.passed else "fail"}</td>'
        f"<td>{_text(check.name)}</td><td>{_text(check.detail)}</td></tr>"
        for check in decision.checks
    ]
    policy = ", ".join(f"{name} {value}" for name, value in decision.policy.model_dump().items())
    body = [
        f"<h1>{_text(title)}</h1>",
        "<table><tr><th></th><th>check</th><th>found</th></tr>", *checks, "</table>",
        f"<p>Policy: {_text(policy)}.</p>",
        *_figures(challenger, champion),
        *(
            f'<h2>{_text(name)}</h2><img alt="{_text(name)}" src="data:image/png;base64,'
            f'{base64.b64encode(png).decode()}">'
            for name, png in pictures.items()
        ),
    ]  # fmt: skip
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
    return "\n".join(["<!doctype html>", head, *body, ""])


def pictures(models: dict[str, OnnxModel], seed: int) -> dict[str, bytes]:
    """A sheet a model, by title: the first images of ``seed``, so of the same noise and the same wishes."""
    from ganlib.generation.sheet import contact_sheet

    def drawn(model: OnnxModel) -> NDArray[np.uint8]:
        return model.images(seed, 0, _IMAGES)

    return {title: contact_sheet(drawn(model), columns=_COLUMNS) for title, model in models.items()}


def _figures(challenger: Version, champion: Version | None) -> list[str]:
    versions = [version for version in (challenger, champion) if version and version.evaluation]
    evaluations = [version.evaluation for version in versions if version.evaluation]
    if not evaluations:
        return []
    columns = [{line.name: line for line in table.lines(found)} for found in evaluations]
    heads = [f"version {version.version} ({version.family})" for version in versions]
    rows = []
    for name, line in columns[0].items():
        cells = [name, *(column[name].value if name in column else "-" for column in columns), line.real, line.better]
        rows.append("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{_text(cell)}</th>" for cell in ["", *heads, "real images", "better"])
    return [f"<table><tr>{head}</tr>", *rows, "</table>", f"<p>{_text(table.note(evaluations[0]))}</p>"]


def _text(value: str) -> str:
    return html.escape(value)
