"""docs/families: the measured table, and on the page of each measured family its figures, samples and curves.

``python -m benchmarks.zoo`` after ``ganlib compare ... --train --budget standard --record``, in the same checkout. Rows
whose runs are not there, because they were measured elsewhere, keep their pictures.
"""

from __future__ import annotations

import tempfile
import textwrap
from collections.abc import Iterable
from pathlib import Path

from benchmarks.pages import put
from ganlib import config, families
from ganlib.core import project as projects
from ganlib.core.project import Project
from ganlib.jobs.images.interpolate import interpolate
from ganlib.jobs.measuring import results
from ganlib.jobs.measuring.evaluate import SAMPLES
from ganlib.tracking import history
from ganlib.tracking.store import Absent, MlflowStore, connect

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
    "validation_fid_gained_by_ema",
)
_FIDS = {"validation_fid": "moving average", "validation_fid_raw": "raw generator"}
"""Drawn together, by name of the metric."""


_GOAL = {
    "ae": 40, "cgan": 10, "dcgan": 15, "gan": 60, "lsgan": 18, "pggan": 20, "r3gan": 10, "sagan": 15, "vae": 80,
    "vgan": 40, "vqgan": 25, "wgan": 40, "wgan_gp": 20,
}  # fmt: skip
"""Times F that each was to reach at most, where that was set beforehand."""
_MARK = "<!-- measured: by python -m benchmarks.zoo -->"


def main() -> None:
    """Rewrite docs/families/README.md, the pictures beside it, and the measured part of the families' pages."""
    project = projects.find()
    params = config.load(project.params_file)
    folder = project.root / "docs" / "families"
    rows = results.load()
    (folder / "README.md").write_text(_table(rows, results.load(budget=results.BEST)))
    (folder / "images").mkdir(exist_ok=True)
    store = connect(project)
    for name, row in rows.items():
        try:
            _samples(store, row.run_id, folder / "images" / f"{name}.png")
            _curves(store, row.run_id, folder / "images" / f"{name}-curves.png")
            _between(project, params, row.run_id, folder / "images", name)
            print(name)
        except Absent:
            print(f"{name}: measured elsewhere, so its pictures stay as they are")
        _page(folder / f"{name}.md", name, row)


def _table(rows: dict[str, results.FamilyResult], best: dict[str, results.FamilyResult]) -> str:
    some = next(iter(rows.values())).evaluation
    columns = (
        "family", "FID", "x F", "goal", "digits, rarest to commonest", "as asked", "held out", "images seen", "minutes",
        "images/s", "ONNX kB",
    )  # fmt: skip
    intro = (
        f"Budget `{results.BUDGET}`. FID of {some.n:,} samples (seed {some.seed}) of the exported graph against the "
        f"test split, with its {100 * some.level:.0f}% interval, and as a multiple of the real-data floor F = "
        f"{some.floor_fid}; judge `{some.judge_sha256[:12]}`, data version `{some.data_version[:12]}`. Each row is one "
        "training run of seed 0. `ganlib families` prints the same rows."
    )
    hardware = "; ".join(
        f"{where} ({', '.join(sorted(name for name, row in rows.items() if row.hardware == where))})"
        for where in sorted({row.hardware for row in rows.values()})
    )
    missing = ", ".join(f"[{name}]({name}.md)" for name in families.names() if name not in rows)
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
        f"Trained on {hardware}. How long a CPU takes is in docs/performance.md.",
        "Images/s are of onnxruntime on one thread of a CPU that had other work beside it.",
        "",
        *(
            [f"Not measured at this budget yet: {missing}. Their pages say what the searches saw.", ""]
            if missing
            else []
        ),
        *(
            [
                "At budget `best` (`--budget best`, for a GPU), the same measure:",
                "",
                _line(columns),
                "|---" * len(columns) + "|",
                *(_line(_cells(name, row)) for name, row in sorted(best.items(), key=_fid)),
                "",
                f"Trained on {'; '.join(sorted({row.hardware for row in best.values()}))}.",
                "",
            ]
            if best
            else []
        ),
        "Samples and training curves are on each family's page. [How to add one](../adding-a-family.md).",
        "",
    ]
    return "\n".join(lines)


def _page(path: Path, name: str, row: results.FamilyResult) -> None:
    """Put the measured part of a family's page in place of what is between the two marks, or at its end."""
    found = row.evaluation
    rarest, commonest = (f"{100 * end(found.class_shares):.1f}%" for end in (min, max))
    shares = f"The rarest class is {rarest} of them, the commonest {commonest}."
    held_out = ", ".join(f"{what.replace('_', ' ')} {value:.4g}" for what, value in row.held_out.items())
    part = [
        "## Measured",
        "",
        *textwrap.wrap(f"{' '.join(row.summary().split())}. {shares}", 120),
        *([f"On the test split: {held_out}."] if held_out else []),
        "",
        f"The first hundred samples, and the training's curves (run of seed 0, {row.date}):",
        "",
        f"![samples of {name}](images/{name}.png)",
        "",
        f"![training curves of {name}](images/{name}-curves.png)",
        "",
        *(
            [
                "From image to image on great circles of the noise (`ganlib show interpolate`), "
                f"[moving](images/{name}-interpolation.gif):",
                "",
                f"![interpolations of {name}](images/{name}-interpolation.png)",
                "",
            ]
            if (path.parent / "images" / f"{name}-interpolation.png").exists()
            else []
        ),
    ]
    put(path, _MARK, "\n".join(part))


def _fid(item: tuple[str, results.FamilyResult]) -> float:
    return item[1].evaluation.fid.value


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(name: str, row: results.FamilyResult) -> tuple[str, ...]:
    found = row.evaluation
    return (
        f"[{name}]({name}.md)",
        str(found.fid),
        f"{found.fid_over_floor:.1f}",
        f"{_GOAL[name]}{' missed' * (found.fid_over_floor > _GOAL[name])}" if name in _GOAL else "",
        f"{100 * min(found.class_shares):.1f}% to {100 * max(found.class_shares):.1f}%",
        ", ".join(f"{what} {100 * share.value:.1f}%" for what, share in found.agreement.items()),
        ", ".join(f"{what} {value:.3g}" for what, value in row.held_out.items()),
        f"{row.images_seen:,}",
        f"{row.train_seconds / 60:.1f}",
        f"{row.images_per_second:,.0f}",
        f"{row.onnx_bytes / 1000:,.0f}",
    )


def _samples(store: MlflowStore, run_id: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path.write_bytes(store.download(run_id, SAMPLES, Path(folder)).read_bytes())


def _between(project: Project, params: config.Params, run_id: str, folder: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        interpolate(project, params, f"runs:/{run_id}", out=Path(made), pairs=6, frames=12)
        for suffix in ("png", "gif"):
            (folder / f"{name}-interpolation.{suffix}").write_bytes(
                (Path(made) / f"interpolation.{suffix}").read_bytes()
            )


def _curves(store: MlflowStore, run_id: str, path: Path) -> None:
    """Every metric over the steps; the validation FIDs of moving average and raw generator share the first row."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    run = history.read(store, run_id)
    names = sorted(name for name in run.metrics if not name.startswith((*_HIDDEN, *_FIDS)))
    rows = [tuple(name for name in _FIDS if name in run.metrics), *((name,) for name in names)]
    rows = [row for row in rows if row]
    figure, axes = pyplot.subplots(len(rows), 1, figsize=(7, 1.4 * len(rows)), sharex=True, squeeze=False)
    for row, (axis,) in zip(rows, axes, strict=True):
        histories = {name: history.curve(store, run_id, name) for name in row}
        for name, values in histories.items():
            axis.plot(list(values), list(values.values()), linewidth=0.7, label=_FIDS.get(name))
        if set(row) == set(_FIDS):
            axis.set_title(_gained(*(histories[name] for name in _FIDS)), fontsize=7)
            axis.set_yscale("log")
            axis.legend(fontsize=6)
        axis.set_ylabel(row[0].replace("_", " "), fontsize=7)
        axis.tick_params(labelsize=7)
    axes[-1][0].set_xlabel("step", fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _gained(average: dict[int, float], raw: dict[int, float]) -> str:
    """What the moving average gained where its FID is lowest, in words."""
    step = min(average.keys() & raw.keys(), key=lambda step: average[step])
    better = raw[step] - average[step]
    return (
        f"step {step:,}: validation FID {average[step]:.3g} of the moving average, {raw[step]:.3g} of the raw "
        f"generator: averaging {'gained' if better >= 0 else 'lost'} {abs(better):.2g}"
    )


if __name__ == "__main__":
    main()
