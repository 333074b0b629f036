"""The gate's report: the decision, both models' figures side by side, and what both draw from the same noise."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ganlib.core.progress import doing
from ganlib.evaluation import table
from ganlib.generation.pictures import side_by_side
from ganlib.jobs.measuring.deltas import Delta
from ganlib.registry.gate import Decision
from ganlib.registry.version import Version

if TYPE_CHECKING:
    from ganlib.config import MarkConfig
    from ganlib.generation.session import OnnxModel

REPORT = "gate/report.html"
"""The challenger's run keeps it under this name."""
_IMAGES = 60  # of each model
_COLUMNS = 10
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #bbb;padding:.3rem .6rem;text-align:left}"
    ".no{background:#fdd}.ok{background:#dfd}img{max-width:100%}"
)


@doing("draw the gate's page")
def page(
    decision: Decision, challenger: Version, champion: Version | None, png: bytes, deltas: Sequence[Delta] = ()
) -> str:
    """Return a page of HTML that needs nothing else: the picture ``png`` is embedded.

    ``deltas`` is by how much the challenger's figures differ from the champion's.
    """
    title, *_ = decision.summary().splitlines()
    checks = [
        f'<tr class="{"ok" if check.passed else "no"}"><td>{"pass" if check.passed else "fail"}</td>'
        f"<td>{_text(check.name)}</td><td>{_text(check.detail)}</td></tr>"
        for check in decision.checks
    ]
    rules = [f"{name} {value}" for name, value in decision.policy.model_dump(exclude={"limits"}).items()]
    rules += [f"{name} {limit or 'not limited'}" for name, limit in decision.policy.limits.items()]
    policy = ", ".join(rules)
    body = [
        f"<h1>{_text(title)}</h1>",
        "<table><tr><th></th><th>check</th><th>found</th></tr>", *checks, "</table>",
        f"<p>Policy: {_text(policy)}.</p>",
        *_figures(champion, challenger, deltas),
        "<h2>The same noise</h2>",
        f'<img alt="images of the same noise" src="data:image/png;base64,{base64.b64encode(png).decode()}">',
    ]  # fmt: skip
    head = f'<meta charset="utf-8"><title>{_text(title)}</title><style>{_STYLE}</style>'
    return "\n".join(["<!doctype html>", head, *body, ""])


def picture(models: Sequence[OnnxModel], titles: Sequence[str], seed: int, mark: MarkConfig) -> bytes:
    """Return one PNG: what both make of the same noise, the champion at the left and the challenger at the right."""
    return side_by_side.picture(models, titles, seed, count=_IMAGES, columns=_COLUMNS, beside=True, mark=mark)


def _figures(champion: Version | None, challenger: Version, deltas: Sequence[Delta]) -> list[str]:
    """The table of figures, in the picture's order, and by how much they differ."""
    versions = [version for version in (champion, challenger) if version and version.evaluation]
    evaluations = [version.evaluation for version in versions if version.evaluation]
    if not evaluations:
        return []
    columns = [{line.name: line for line in table.lines(evaluation)} for evaluation in evaluations]
    heads = [f"version {version.version} ({version.family})" for version in versions]
    changes = {each.name: f"{each.change:+.3g} {each.bounds()}".rstrip() for each in deltas}
    rows = []
    for name, line in columns[-1].items():
        values = [column[name].value if name in column else "-" for column in columns]
        cells = [name, *values, *([changes.get(line.figure, "")] if changes else []), line.real, line.better]
        rows.append("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>")
    difference = ["challenger less champion"] if changes else []
    head = "".join(f"<th>{_text(cell)}</th>" for cell in ["", *heads, *difference, "real images", "better"])
    return [f"<table><tr>{head}</tr>", *rows, "</table>", f"<p>{_text(table.note(evaluations[-1]))}</p>"]


def _text(value: str) -> str:
    return html.escape(value)
