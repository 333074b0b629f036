"""docs/families: the measured table, and of each measured family its samples and its curves.

``python -m benchmarks.zoo`` after ``ganlib compare ... --train --budget standard --record``, in the same checkout.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

from ganlib import project as projects
from ganlib.jobs import measured
from ganlib.jobs.evaluate import SAMPLES
from ganlib.tracking.store import Store, connect

_HIDDEN = (
    "system",
    "images_per_second",
    "digit_",
    "fid",
    "kid",
    "floor_",
    "held_out_",
    "parity_",
    "train_",
    "confidence",
)


def main() -> None:
    """Rewrite docs/families/README.md and the pictures beside it."""
    project = projects.find()
    folder = project.root / "docs" / "families"
    rows = measured.load()
    (folder / "README.md").write_text(_table(rows))
    store = connect(project)
    for name, row in rows.items():
        _samples(store, row.run_id, folder / "images" / f"{name}.png")
        _curves(store, row.run_id, folder / "images" / f"{name}-curves.png")
        print(name)


def _table(rows: dict[str, measured.Measured]) -> str:
    some = next(iter(rows.values())).evaluation
    columns = (
        "family", "FID", "x F", "digits, rarest to commonest", "as asked", "held out", "images seen", "minutes",
        "images/s", "ONNX kB",
    )  # fmt: skip
    intro = (
        f"Budget `{measured.BUDGET}`. FID of {some.n:,} samples (seed {some.seed}) of the exported graph against the "
        f"test split, with its {100 * some.level:.0f}% interval, and as a multiple of the real-data floor F = "
        f"{some.floor_fid}; judge `{some.judge_sha256[:12]}`, data version `{some.data_version[:12]}`. Each row is one "
        "training run of seed 0. `ganlib families` prints the same rows."
    )
    hardware = "; ".join(sorted({row.hardware for row in rows.values()}))
    lines = [
        "# The families, measured",
        "",
        *textwrap.wrap(intro, 120),
        "",
        "    ganlib compare FAMILY --train --budget standard --record && python -m benchmarks.zoo",
        "",
        _line(columns),
        "|---" * len(columns) + "|",
        *(_line(_cells(name, row)) for name, row in sorted(rows.items(), key=_fid)),
        "",
        f"Trained on {hardware}. Images/s are of onnxruntime on one thread.",
        "",
        "The first hundred samples of each, and the curves of its training:",
        "",
        *(f"[{name}](images/{name}-curves.png)\n\n![{name}](images/{name}.png)\n" for name in sorted(rows)),
        "",
    ]
    return "\n".join(lines)


def _fid(item: tuple[str, measured.Measured]) -> float:
    return item[1].evaluation.fid.value


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(name: str, row: measured.Measured) -> tuple[str, ...]:
    found = row.evaluation
    return (
        f"[{name}]({name}.md)",
        str(found.fid),
        f"{found.fid_over_floor:.1f}",
        f"{100 * min(found.digits):.1f}% to {100 * max(found.digits):.1f}%",
        ", ".join(f"{what} {100 * share.value:.1f}%" for what, share in found.agreement.items()),
        ", ".join(f"{what} {value:.3g}" for what, value in row.held_out.items()),
        f"{row.images_seen:,}",
        f"{row.train_seconds / 60:.1f}",
        f"{row.images_per_second:,.0f}",
        f"{row.onnx_bytes / 1000:,.0f}",
    )


def _samples(store: Store, run_id: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path.write_bytes(store.download(run_id, SAMPLES, Path(folder)).read_bytes())


def _curves(store: Store, run_id: str, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    names = sorted(name for name in store.client.get_run(run_id).data.metrics if not name.startswith(_HIDDEN))
    figure, axes = pyplot.subplots(len(names), 1, figsize=(7, 1.4 * len(names)), sharex=True, squeeze=False)
    for name, (axis,) in zip(names, axes, strict=True):
        history = store.client.get_metric_history(run_id, name)
        axis.plot([point.step for point in history], [point.value for point in history], linewidth=0.7)
        axis.set_ylabel(name.replace("_", " "), fontsize=7)
        axis.tick_params(labelsize=7)
    axes[-1][0].set_xlabel("step", fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
