"""The dataset input of a run whose data another run brings into MLflow at the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from ganlib.core.errors import GanlibError
from ganlib.tracking.store import MlflowStore
from tests.unit.tracking.conftest import Begin


@pytest.mark.parametrize(
    ("words", "is_again"),
    [
        ('(psycopg2.errors.UniqueViolation) duplicate key value violates unique constraint "dataset_pk"', True),
        ("(sqlite3.IntegrityError) UNIQUE constraint failed: datasets.experiment_id", True),
        ("no such table: datasets", False),
    ],
)
def test_a_dataset_that_another_run_has_just_made_is_taken_and_no_other_error_is_tried_again(
    store: MlflowStore, begin: Begin, monkeypatch: pytest.MonkeyPatch, words: str, is_again: bool
) -> None:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    clean, calls = MlflowClient.log_inputs, list[str]()

    def first_refused(self: MlflowClient, run_id: str, *inputs: Any) -> None:
        calls.append(run_id)
        if len(calls) == 1:
            raise MlflowException(words)
        clean(self, run_id, *inputs)

    monkeypatch.setattr(MlflowClient, "log_inputs", first_refused)
    if not is_again:
        with pytest.raises(GanlibError, match=words):
            begin()
        return
    with begin() as run:
        pass
    (dataset,) = store.client.get_run(run.id).inputs.dataset_inputs
    assert (dataset.dataset.name, calls) == ("mnist", [run.id] * 2)
