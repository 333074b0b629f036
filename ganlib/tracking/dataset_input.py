"""The data version as the dataset input of a run, as MLflow's page shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganlib.tracking.store import MlflowStore

if TYPE_CHECKING:
    from ganlib.data.versioning.record import DataVersion


def log_data_version(store: MlflowStore, run_id: str, data: DataVersion) -> None:
    """Log ``data`` as what run ``run_id`` trains on.

    Of several runs that are the first with these data and begin at once, a database takes the dataset of one and
    refuses that of the others, which find it there when they ask again.
    """
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.entities import DatasetInput, InputTag
    from mlflow.exceptions import MlflowException

    # MLflow knows no dvc:// source and takes digests of at most 36 characters; the whole md5 is in the tags.
    where = CodeDatasetSource(tags={"dvc.path": "data/prepared", "dvc.md5": data.md5})
    dataset = MetaDataset(source=where, name="mnist" if data.source == "mnist" else "images", digest=data.md5[:32])
    context = [InputTag("mlflow.data.context", "train"), InputTag("dvc.md5", data.md5)]
    inputs = [DatasetInput(dataset._to_mlflow_entity(), context)]  # noqa: SLF001  (what mlflow.log_input does)
    try:
        store.client.log_inputs(run_id, inputs)
    except MlflowException as error:
        if "unique constraint" not in str(error).lower():
            raise
        store.client.log_inputs(run_id, inputs)
