"""The flows' modules, imported where they can reach no Prefect but a dead one."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

DEAD = "http://127.0.0.1:9"  # the discard port: nobody listens there


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The modules of :mod:`pipelines`.

    Most import Prefect, which reads its environment then and never again, so no test module imports them on its own:
    every later test of this process would have the developer's own Prefect.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        patch.setenv("PREFECT_API_URL", f"{DEAD}/api")
        from pipelines import (
            approvals,
            children,
            generate,
            launch,
            limits,
            places,
            ports,
            reconcile,
            retrain,
            services,
            supervisor,
            tasks,
            teams,
            triggers,
            version_data,
        )  # fmt: skip

        yield SimpleNamespace(
            approvals=approvals, children=children, generate=generate, launch=launch, limits=limits, places=places,
            ports=ports, reconcile=reconcile, retrain=retrain, services=services, supervisor=supervisor, tasks=tasks,
            teams=teams, triggers=triggers, version_data=version_data,
        )  # fmt: skip
