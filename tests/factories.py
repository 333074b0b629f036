"""Records with sensible values, and a store with real registered versions."""

from __future__ import annotations

import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np

from ganlib.config import ExportConfig
from ganlib.core.files import sha256_file
from ganlib.core.project import Project, SourceRevision
from ganlib.data.mnist.dataset import MNIST
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation.bootstrap import pack
from ganlib.evaluation.evaluate import Delivery, Evaluation, Interval
from ganlib.evaluation.metrics import metrics
from ganlib.export.contract import Contract, TensorType
from ganlib.export.onnx import Certificate, export
from ganlib.registry.registry import CHALLENGER, Registry, Version
from ganlib.tracking import runs
from ganlib.tracking.store import MlflowStore, connect
from tests.conftest import ROOT
from tests.support.once import once

EVEN = (0.1,) * 10


def evaluation(fid: float = 10.0, spread: float = 0.5, **changes: object) -> Evaluation:
    """An evaluation with the FID ``fid`` +- ``spread``."""
    floor = Interval(value=0.5, low=0.4, high=0.6)
    base = Evaluation(
        n=10_000,
        seed=1,
        judge_sha256="j" * 64,
        data_version="d" * 32 + ".dir",
        metric_version=1,
        figures={
            **figures(),
            "fid": Interval(value=fid, low=fid - spread, high=fid + spread),
            "kid": Interval(value=0.1, low=0.09, high=0.11),
        },
        floors={**figures(), "fid": floor, "kid": floor},
        class_names=tuple("0123456789"),
        class_shares=EVEN,
        real_class_shares=EVEN,
        confidence=0.9,
        resampled={"fid": pack(replicates(fid, spread))},
        delivery=delivery(),
    )
    if changes.get("class_shares"):
        shares = np.array(changes["class_shares"])
        odd = {"class_excess": shares.max() / 0.1, "class_distance": np.abs(shares - 0.1).sum() / 2}
        changes["figures"] = base.figures | {name: Interval(value=x, low=x, high=x) for name, x in odd.items()}
    assert changes.keys() <= Evaluation.model_fields.keys()  # which model_copy does not look at
    return base.model_copy(update=changes)


def replicates(fid: float, spread: float) -> np.ndarray:
    """Bootstrap replicates of a FID whose interval is ``fid`` +- ``spread``, independent of those of other FIDs."""
    return np.random.default_rng(zlib.crc32(str(fid).encode())).normal(fid, spread / 1.96, 500)


def figures(**changes: float) -> dict[str, Interval]:
    """The figures of a good model, but for ``changes``."""
    good = dict.fromkeys(metrics(), 0.8) | {"class_excess": 1.0, "class_distance": 0.0, "copies": 0.0} | changes
    return {name: Interval(value=value, low=value, high=value) for name, value in good.items()}


def delivery(**changes: object) -> Delivery:
    """What a small, quick model costs, but for ``changes``."""
    base = Delivery(
        bytes=1_000_000, latency_ms=1.0, latency_p95_ms=1.5, images_per_second=5000.0, threads=2, machine="a machine",
        max_pixel_difference=0, differing_share=0.0,
    )  # fmt: skip
    return base.model_copy(update=changes)


def certificate(difference: int = 0) -> Certificate:
    """A parity certificate with the given largest difference."""
    return Certificate(
        opset=20, batches=(1, 2), max_pixel_difference=difference, differing_share=0.0, images_compared=3
    )


def data_version() -> DataVersion:
    """A data version that only looks real."""
    return DataVersion(
        md5="d" * 32 + ".dir",
        raw_md5="r" * 32 + ".dir",
        commit="c" * 40,
        dirty=False,
        source="mnist",
        source_sha256={"train-images-idx3-ubyte": "a" * 64},
        counts={"train": 55_000, "validation": 5_000, "test": 10_000},
    )


def project(folder: Path, database: Path | None = None) -> Project:
    """A project folder with the committed params.yaml, and a copy of MLflow's ``database``."""
    folder.mkdir(parents=True, exist_ok=True)
    if database:
        shutil.copyfile(database, folder / "mlflow.db")
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    return Project(folder)


def empty_database() -> Path | None:
    """Return an empty database of MLflow, for :func:`project`: a new one takes seconds. None outside of pytest."""

    def make(path: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            made = project(Path(folder) / "project")
            connect(made)
            shutil.copyfile(made.root / "mlflow.db", path)

    return once("mlflow.db", make)


def finished_run(store: MlflowStore, onnx: Path | None = None) -> str:
    """A run that trained something, with its graph as an artifact."""
    with runs.start(
        store,
        "train dcgan (test)",
        family="dcgan",
        params={"seed": 0},
        tags={},
        data=data_version(),
        source=SourceRevision("c" * 40, dirty=False),
        experiment="tests",
    ) as run:
        if onnx:
            run.artifact(onnx, "onnx")
    return run.id


def registered(
    store: MlflowStore, onnx: Path, fid: float = 10.0, name: str = "mnist-generator", **changes: object
) -> Version:
    """A real version of a real graph."""
    return Registry(store, name).register(
        finished_run(store), onnx, evaluation=evaluation(fid, **changes), data=data_version()
    )


def variant(graph: Path, path: Path, note: str) -> str:
    """The same graph with another note in it: other bytes, at no export's price; its sha256."""
    import onnx

    model = onnx.load(graph)
    model.doc_string = note
    onnx.save(model, path)
    return sha256_file(path)


def bare_version(
    store: MlflowStore, number: int, fid: float, name: str = "mnist-generator", run_id: str | None = None
) -> Version:
    """A version with all its evidence and no graph, in a hundredth of the time: for tests of decisions alone."""
    registry = Registry(store, name)
    contract = Contract(inputs={"noise": TensorType(dtype="float32", dims=(None, 8))})
    found = evaluation(fid)
    tags = {
        "sha256": f"{number:064x}",
        "family": "dcgan",
        "fid": str(fid),
        "evaluation": found.model_dump_json(),
        "certificate": certificate().model_dump_json(),
        "contract": contract.model_dump_json(),
    }
    if number == 1:
        store.client.create_registered_model(name)
    made = store.client.create_model_version(name, f"s3://nowhere/{number}", run_id, tags, await_creation_for=0)
    registry.set_alias(CHALLENGER, int(made.version))
    return registry.get(int(made.version))


def graph(path: Path, seed: int = 0) -> str:
    """Export a small generator to ``path``, once for all tests, and return its sha256."""

    def make(path: Path) -> None:
        from tests.unit.export.nets import NOISE_DIM, trained_like

        export(trained_like(seed), NOISE_DIM, path, ExportConfig(parity_batches=(2,)), {"family": "dcgan"}, MNIST)

    made = once(f"{seed}.onnx", make)
    shutil.copyfile(made, path) if made else make(path)
    return sha256_file(path)
