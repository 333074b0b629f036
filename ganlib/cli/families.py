"""``ganlib families``."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import perhaps_project, show
from ganlib.cli.options import Json

if TYPE_CHECKING:
    from ganlib.data.spec import DatasetSpec
    from ganlib.jobs.measuring.results import FamilyResult
    from ganlib.pretrained import PretrainedCard

Rows = Mapping[str, "FamilyResult"]
Cards = Mapping[str, "PretrainedCard"]


def families(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Show all that was measured of these alone.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the generator families, with the FID that each has reached at budgets standard and best.

    A lower FID is better; `x real` is the FID as a multiple of what real images score. Both were measured on MNIST. Of
    other data versions the list says which families cannot be trained on them, and why. Of those with a star a trained
    graph ships with ganlib: --model pretrained:NAME.
    """
    from ganlib import families as zoo
    from ganlib import pretrained
    from ganlib.jobs.measuring import results

    selection = zoo.require_all(names) if names else tuple(zoo.names())
    rows, best, cards = results.load(), results.load(budget=results.BEST), pretrained.cards()
    width = max(shutil.get_terminal_size((100, 24)).columns, 80)
    about = {name: zoo.about(name) for name in selection}
    spec = _other_data()
    unfit = {name: zoo.unfit(name, spec) if spec else None for name in selection}
    show(
        [
            {
                "family": name,
                "about": text,
                "unfit": unfit[name],
                "measured": rows[name].model_dump(mode="json") if name in rows else None,
                "measured_best": best[name].model_dump(mode="json") if name in best else None,
                "pretrained": cards[name].model_dump(mode="json") if name in cards else None,
            }
            for name, text in about.items()
        ],
        as_json=as_json,
        text=lambda: "\n".join([(_details if names else _table)(about, rows, best, cards, width), *_fit(spec, unfit)]),
    )


def _other_data() -> DatasetSpec | None:
    """Return what the data version here holds; None if that is MNIST, on which all were measured, or there is none."""
    from ganlib.core.errors import BadInput
    from ganlib.data.raw import MNIST_SOURCE
    from ganlib.data.versioning import state

    project, _ = perhaps_project(None)
    try:
        spec = state.summary(project).spec if project else None
    except BadInput:
        return None
    return None if spec and spec.name == MNIST_SOURCE else spec


def _fit(spec: DatasetSpec | None, unfit: Mapping[str, str | None]) -> list[str]:
    """Say on which data all was measured, and which families do not fit those that are here."""
    if spec is None:
        return []
    reasons = [reason for reason in unfit.values() if reason]
    rest = f"; {'the others fit' if len(reasons) < len(unfit) else 'none fits'}" if reasons else "; all of these fit it"
    return [f"the FIDs are MNIST's, not those of {spec.name} ({spec.image}) here{rest}", *reasons]


def _table(about: Mapping[str, str], rows: Rows, best: Rows, cards: Cards, width: int) -> str:

    def figures(row: FamilyResult | None) -> str:
        if row is None:
            return f"{'-':>6} {'':>6} {'':>5}"
        evaluation = row.evaluation
        return f"{evaluation.fid.value:>6.3g} {evaluation.fid_over_floor:>6.1f} {row.train_seconds / 60:>5.1f}"

    def line(name: str) -> str:
        start = f"{name:8}{'*' if name in cards else ' '}{figures(rows.get(name))}   {figures(best.get(name))}   "
        return start + textwrap.shorten(
            about[name].partition(": ")[2] or about[name], width - len(start), placeholder=" ..."
        )

    columns = f"{'FID':>6} {'x real':>6} {'min':>5}"
    head = [f"{'budget':8} {'standard':^19}   {'best':^19}", f"{'family':8} {columns}   {columns}   what it is"]
    tail = "minutes of training; *: ships as pretrained:NAME; more: ganlib families NAME"
    return "\n".join([*head, *map(line, about), tail])


def _details(about: Mapping[str, str], rows: Rows, best: Rows, cards: Cards, width: int) -> str:
    from ganlib.jobs.measuring.results import BEST

    def described(name: str) -> str:
        figures = rows[name].summary() if name in rows else "not measured yet"
        longer = best[name].summary(BEST) if name in best else ""
        graph = cards[name].summary() if name in cards else ""
        lines = [about[name], *figures.splitlines(), *longer.splitlines(), *graph.splitlines()]
        body = "\n".join(
            textwrap.fill(line, width - 9, subsequent_indent="  ", break_on_hyphens=False) for line in lines
        )
        return f"{name:8} {textwrap.indent(body, ' ' * 9).lstrip()}"

    return "\n".join(map(described, about))
