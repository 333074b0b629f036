"""`make demo`: from MNIST to a promoted generator and a thousand of its images, by the flows themselves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ganlib.cli.app import show
from ganlib.cli.options import Json
from ganlib.config import ANONYMOUS, Params, load
from ganlib.core import project as projects
from ganlib.core.files import write_bytes
from ganlib.core.project import Project
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.judge.judge import Judge
from ganlib.export.onnx import Certificate
from ganlib.generation.batch.manifest import Manifest
from ganlib.generation.mark import packet_of_models
from ganlib.jobs.data.judge import judge_for
from ganlib.jobs.data.version_data import current_data
from ganlib.registry.gate import Decision
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.registry.resolve import resolve_model
from ganlib.tracking.store import connect
from pipelines.generate import generate
from pipelines.launch import launch
from pipelines.retrain import retrain

COUNT, SEED = 1000, 0


def command(as_json: Json = False) -> None:
    """Data version -> two families -> evaluation -> ONNX -> registry -> gate -> champion -> 1,000 images."""
    start = time.monotonic()
    result = launch(demo, as_json=as_json)
    result["seconds"] = time.monotonic() - start
    show(result, as_json=as_json, text=lambda: _story(result))


def demo() -> dict[str, Any]:
    """Both flows, and the contact sheet."""
    result = retrain(budget="demo")
    project = projects.find()
    params = load(project.params_file)
    champion = _champion_version(project, params)
    folder = project.root / "out" / f"champion-v{champion}"
    manifest = generate(model=f"models:/{params.registry.model}@champion", out=str(folder), count=COUNT, seed=SEED)
    sheet = folder.with_name(f"{folder.name}.png")
    judge = judge_for(project, params, current_data(project))
    of_batch = Manifest.model_validate({name: manifest[name] for name in Manifest.model_fields})
    write_bytes(sheet, by_class(folder, of_batch, judge))
    return {**result, "champion": champion, "images": str(folder), "sheet": str(sheet), "manifest": manifest}


def by_class(folder: Path, manifest: Manifest, judge: Judge, columns: int = 15) -> bytes:
    """Return a contact sheet with a row a class, as the judge takes them, in the order they were drawn (no picking)."""
    from ganlib.generation.pictures.contact_sheet import contact_sheet

    files = sorted(folder.glob("shard-*/*.png"))
    pixels = np.stack([np.asarray(Image.open(file)) for file in files])
    images = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    packet = packet_of_models(manifest.mark or ANONYMOUS, [manifest.model_sha256], f"{manifest.seed}-by-class")
    if not judge.class_names:
        return contact_sheet(images[: columns * columns], packet, columns=columns)
    classes = judge.features(images).classes
    rows = [images[classes == each][:columns] for each in range(len(judge.class_names))]
    blocks = [np.concatenate([row, np.zeros((columns - len(row), *images.shape[1:]), np.uint8)]) for row in rows]
    return contact_sheet(np.concatenate(blocks), packet, columns=columns)


def _champion_version(project: Project, params: Params) -> int:
    return resolve_model(Registry(connect(project), params.registry.model), params, CHAMPION).version


def _story(result: dict[str, Any]) -> str:
    figures = [
        (run, Evaluation.model_validate(e)) for run, e in zip(result["runs"], result["evaluations"], strict=True)
    ]
    figures.sort(key=lambda pair: pair[1].fid.value)
    certificate = Certificate.model_validate(result["version"]["certificate"])
    floor = figures[0][1].floor_fid
    lines = [
        "",
        f"Done in {result['seconds']:.0f} s.",
        f"  data       version {result['data']['id']}, {result['data']['counts']['train']:,} training images",
        f"  real floor FID {floor} (10,000 real training images against the test split)",
    ]
    lines += [
        f"  {run['family']:10} FID {evaluation.fid} = {evaluation.fid_over_floor:.1f} x floor, {run['images']:,} "
        "images seen, "
        f"run {run['run_id']}"
        for run, evaluation in figures
    ]
    lines += [
        f"  exported   version {result['version']['version']} is the {result['version']['family']}; torch and "
        f"onnxruntime differ by at most {certificate.max_pixel_difference} grey level",
        *(f"  {line}" for line in Decision.model_validate(result["decision"]).summary().splitlines()),
        f"  champion   version {result['champion']}",
        f"  images     {COUNT:,} PNGs in {result['images']} (manifest.json beside them)",
        f"  sheet      {result['sheet']}",
        "",
        "Go on with:",
        "  make ui                              MLflow and Prefect in a browser",
        "  .venv/bin/ganlib registry list       the versions and their figures",
        f"  .venv/bin/ganlib generate --model {CHAMPION} --count 5000 --seed 7 --out out/more",
        "  .venv/bin/ganlib retrain --families dcgan --budget standard",
    ]
    return "\n".join(lines)
