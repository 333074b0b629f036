"""The one run of an experiment, which all machines share: made by one of them, however many try at once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from ganlib.tracking.store import MlflowStore


def make(store: MlflowStore, experiment: str, tags: Mapping[str, str], run_name: str) -> str | None:
    """Make ``experiment`` and its run under another name and give it its own: of several machines, one succeeds.

    Returns:
        The run's id; None: another machine has made them.

    Raises:
        Unavailable: MLflow does not answer, or does not take the name for another reason.
    """
    from mlflow.exceptions import MlflowException

    client, mine = store.client, store.named_experiment(f"{experiment} {uuid.uuid4().hex[:8]}")
    with store.translate_errors():
        run_id = str(client.create_run(mine, tags=dict(tags), run_name=run_name).info.run_id)
        client.set_terminated(run_id)
        try:
            client.rename_experiment(mine, experiment)
        except MlflowException:
            if client.get_experiment_by_name(experiment) is None:
                raise
            client.delete_experiment(mine)
            return None
    return run_id
