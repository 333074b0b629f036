"""The flow `reconcile`, and the watch that starts it when people did something in MLflow's page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

import httpx
import typer
from prefect import flow, get_run_logger, tags

from ganlib import config
from ganlib.cli.app import show
from ganlib.cli.options import Json
from ganlib.core import project as projects
from ganlib.core.errors import GanlibError, Unavailable
from ganlib.registry.reconcile import Pending, Reconciliation
from pipelines import names, tasks
from pipelines.gallery import GalleryWatch
from pipelines.launch import identity, launch, sign
from pipelines.notices import NoticeWatch
from pipelines.outages import OutageLog

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@flow(name="reconcile", flow_run_name=names.naming(lambda _: "reconcile with MLflow's page"), on_running=[sign])
def reconcile() -> dict[str, Any]:
    """Record and answer what people did in MLflow's page: the alias champion, the tag approve, a deleted champion.

    The run fails, and so is seen, if a champion was reverted or fell back, or an approval was refused.

    Raises:
        GanlibError: that; all of it was recorded and carried out.
    """
    done = tasks.reconcile(str(projects.find().root), [])
    result = Reconciliation.model_validate(done)
    for finding in result.findings:
        get_run_logger().log(_LEVELS[finding.level], str(finding))
    if not result.ok:
        raise GanlibError(result.summary())
    return done


def watch() -> None:
    """From now on, look every ``services.reconcile_seconds`` whether people did something, and run the flow if so.

    The gallery of ``services.gallery`` is built anew when the champion has changed.

    In a thread of the process that serves the deployments: a run of its own every thirty seconds would take a
    process's start each time, and would wait behind a training. A webhook or a button need only run the deployment
    ``reconcile/mlflow-page``: what this watch finds afterwards is nothing.
    """
    threading.Thread(target=watch_until, args=(threading.Event(),), name="reconcile", daemon=True).start()


def watch_until(stop: threading.Event) -> None:
    """Do what :func:`watch` says until ``stop`` is set."""
    from ganlib.jobs.promotion.reconcile import pending

    project = projects.find()
    params = config.load(project.params_file)
    settlement: Mapping[str, Pending] = {}
    say = logging.getLogger(__name__).warning
    gallery, notices, outages = GalleryWatch(project, params), NoticeWatch(project, say), OutageLog(say)
    while not stop.wait(params.services.reconcile_seconds):
        try:
            notices.look(params)
            work = pending(project, params)
            if work and work != settlement:
                with tags("ganlib", identity()):
                    state = reconcile(return_state=True)
                # A failed run is the message; only what could not be reached is tried again.
                if isinstance(state.result(raise_on_failure=False), Unavailable):
                    settlement = {}
                    continue
                left = pending(project, params)
                # What people did after the run had looked was not answered by it.
                by_people = {name for name, each in left.items() if each.done_by_people}
                settlement = {name: each for name, each in left.items() if name not in by_people}
                settlement |= {name: each for name, each in work.items() if name in by_people}
            gallery.look()
            outages.look("the watch over MLflow's page", None)
        except (GanlibError, httpx.HTTPError) as error:  # MLflow's or Prefect's server is away
            outages.look("the watch over MLflow's page", str(error) or type(error).__name__)
        except Exception:  # whatever it is, the next look may succeed, and nobody else looks
            logging.getLogger(__name__).exception("could not look at MLflow")


def command(as_json: Json = False) -> None:
    """Reconcile as a Prefect flow; exit code 1 if a consumer should know."""
    done = launch(reconcile, as_json=as_json)
    show(done, as_json=as_json, text=Reconciliation.model_validate(done).summary)
    raise typer.Exit(0)
