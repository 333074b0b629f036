"""A registered version as a function of Spark's columns, as docs/batches.md has it. Needs pyspark and Java."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from ganlib.generation.noise import noise_block
from ganlib.generation.session import OnnxModel
from ganlib.registry.registry import CHAMPION, Registry
from ganlib.tracking.store import connect
from tests import factories

pytestmark = [pytest.mark.services, pytest.mark.slow]


def test_sparks_rows_are_the_images_of_a_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)  # by default its workers are the first python3 of PATH
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    sql = pytest.importorskip(
        "pyspark.sql", reason="no Spark: .venv/bin/python -m pip install -c constraints.txt pyspark"
    )
    if not shutil.which("java"):
        pytest.skip("no Java, which Spark needs: apt-get install default-jre-headless")
    import mlflow
    from pyspark.sql.functions import struct  # type: ignore[import-not-found,unused-ignore]

    factories.graph(tmp_path / "g.onnx")
    model = OnnxModel(tmp_path / "g.onnx")
    store = connect(factories.project(tmp_path))
    Registry(store, "mnist-generator").set_alias(CHAMPION, factories.registered(store, model.path).version)
    mlflow.set_tracking_uri(store.uri)
    spark = sql.SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = [(at, row.tolist()) for at, row in enumerate(noise_block(4, 0, model.noise_dim))]
        noise = spark.createDataFrame(rows, "index long, noise array<float>")
        shape = "image array<array<array<int>>>"
        predict = mlflow.pyfunc.spark_udf(spark, "models:/mnist-generator@champion", result_type=shape)
        made = noise.select("index", predict(struct("noise")).alias("made")).orderBy("index").collect()
    finally:
        spark.stop()
    images = np.array([row["made"]["image"] for row in made], np.uint8)
    np.testing.assert_array_equal(images, model.images(4, 0, 64))
