"""MLflow's logged models: what a version's bytes are kept as."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from ganlib.export.contract import Contract
from ganlib.tracking.store import Absent, MlflowStore

MODELS = "models:/"
"""What the URI of a logged model begins with."""


def location(store: MlflowStore, uri: str) -> str | None:
    """Return where the files of a logged model are; None if MLflow has none of that name."""
    if not uri.startswith(MODELS):
        return None
    try:
        with store.translate_errors():
            return str(store.client.get_logged_model(uri.removeprefix(MODELS)).artifact_location)
    except Absent:
        return None


def log(store: MlflowStore, content: bytes, run_id: str, contract: Contract, tags: Mapping[str, str]) -> str:
    """Log the graph with signature and input example; return the id of MLflow's LoggedModel."""
    import mlflow.onnx
    import numpy as np
    import onnx
    from mlflow.models import Model
    from mlflow.models.signature import ModelSignature
    from mlflow.types.schema import Schema, TensorSpec

    inputs = [
        TensorSpec(np.dtype(spec.dtype), tuple(-1 if size is None else size for size in spec.dims), name)
        for name, spec in contract.inputs.items()
    ]
    dims = contract.spec.image.dims
    signature = ModelSignature(
        inputs=Schema(inputs), outputs=Schema([TensorSpec(np.dtype("uint8"), (-1, *dims), "image")])
    )
    example = {spec.name: np.zeros([2 if size == -1 else size for size in spec.shape], spec.type) for spec in inputs}
    store.select()
    # Made by the client first: left to itself, Model.log would put it into the default experiment.
    run = store.client.get_run(run_id)
    model_id = store.client.create_logged_model(
        run.info.experiment_id, "generator", run_id, tags=dict(tags), params=run.data.params
    ).model_id
    Model.log(
        artifact_path=None,
        model_id=model_id,
        flavor=mlflow.onnx,
        run_id=run_id,
        onnx_model=onnx.load_from_string(content),
        signature=signature,
        input_example=example,
        save_as_external_data=False,
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in ("onnxruntime", "onnx", "numpy")],
        onnx_execution_providers=["CPUExecutionProvider"],
        onnx_session_options={"intra_op_num_threads": 1, "execution_mode": "sequential"},
    )
    return str(model_id)
