"""Imported once by the process that others are forked from (:mod:`tests.support.forks`): what commands import.

It makes no thread and opens nothing, as a fork takes neither along.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import sys

gc.disable()  # no fork looks for garbage among modules, nor copies their pages as it does
os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported
os.environ["GIT_PYTHON_REFRESH"] = "quiet"  # as :func:`ganlib.tracking.store.connect` has it

import ganlib  # noqa: E402  (after what is to be so while it is imported)
from tests.support import aside  # noqa: E402  (as above)

LATE = (
    "fsspec.implementations.local",
    "griffe",
    "h2.connection",
    "httpx",
    "jsonschema",
    "mlflow.onnx",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "onnxruntime",
    "onnxscript",
    "onnxscript.function_libs.torch_lib.ops",
    "pendulum",
    "pydantic.v1",
    "pydantic_settings",
    "rich.progress",
    "s3fs",
    "scipy.ndimage",
    "scipy.stats",
    "torch._dynamo",
    "torch._inductor",
    "torch.onnx._internal.exporter._core",
    "torch.onnx._internal.exporter._onnx_program",
    "websockets.asyncio.client",
    "tests.factories",
)
"""What no module of ours imports as it is imported itself: of MLflow, torch, SciPy, S3, and of Prefect's commands."""

for _module in pkgutil.walk_packages(ganlib.__path__, "ganlib."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)
for _name in LATE:
    importlib.import_module(_name)
# Which package each module is of: MLflow reads it from all that is installed when it first logs a model.
sys.modules["mlflow.utils.requirements_utils"]._init_modules_to_packages_map()  # noqa: SLF001  (what it does itself)
aside.Prefect()
gc.freeze()
gc.enable()
