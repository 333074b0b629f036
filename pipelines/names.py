"""What a flow run is called: by what it does, unless a person has typed a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from ganlib.core.errors import GanlibError

_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|omicron|pi|rho|sigma|tau|upsilon|phi|chi"
    "|psi|omega"
)
_ADJECTIVES = (
    "Awesome|Rustic|Small|Gorgeous|Fantastic|Sleek|Intelligent|Unbranded|Refined|Licensed|Generic|Practical|Ergonomic|Handcrafted"
    "|Tasty|Handmade|Incredible"
)
# Prefect's pages put a name into their forms: beta4-leonis-nebula in the old one, Sleek-Gyros in the new one.
_BY_A_PAGE = re.compile(rf"({_GREEK})\d*-[a-z-]+|({_ADJECTIVES})-[^\Wa-z\d_].{{0,5}}")
_names: dict[str, str] = {}  # names that we gave, by run


def naming(words: Callable[[dict[str, Any]], str]) -> Callable[[], str]:
    """Return a flow's ``flow_run_name``: what ``words`` makes of its parameters, or the name that a person typed."""

    def name() -> str:
        from prefect.runtime import flow_run

        text = words(flow_run.parameters)
        if flow_run.name and flow_run.name != text and not is_made_up(flow_run.name):
            return str(flow_run.name)
        _names[str(flow_run.id)] = text
        return text

    return name


def trained(parameters: dict[str, Any]) -> str:
    """Name a run that trains: by its flow, and by families and budget, which params.yaml has where none are given."""
    from prefect.runtime import flow_run

    from ganlib import config
    from ganlib.core import project as projects

    try:
        train = config.load(projects.find().params_file, parameters.get("overrides") or []).train
    except GanlibError:  # which the flow itself will tell
        return f"{flow_run.flow_name}"
    families = parameters.get("families") or parameters.get("family") or train.families
    parts = families.split(",") if isinstance(families, str) else families
    budget = parameters.get("budget") or train.budget
    return f"{flow_run.flow_name} {' + '.join(name.strip() for name in parts)} ({budget})"


def rename(name: str) -> None:
    """Call the flow run around ``name``, if we named it so far: something has been found out that belongs there."""
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run

    identity = str(flow_run.id)
    if identity in _names:
        with get_client(sync_client=True) as client:
            client.set_flow_run_name(flow_run_id=flow_run.id, name=name)
        _names[identity] = name


def tag(labels: Iterable[str]) -> None:
    """Add ``labels`` to the tags of the flow run around."""
    from prefect.client.orchestration import get_client
    from prefect.runtime import flow_run

    with get_client(sync_client=True) as client:
        tags = {*client.read_flow_run(flow_run.id).tags, *labels}
        client.update_flow_run(flow_run.id, tags=sorted(tags))


def is_made_up(name: str) -> bool:
    """Return whether Prefect made ``name`` up: two or three of its random words."""
    return "-" in name and bool(_BY_A_PAGE.fullmatch(name) or set(name.split("-")) <= _vocabulary())


@cache
def _vocabulary() -> frozenset[str]:
    """The words that Prefect's server draws names from."""
    from coolname.data import config

    parts: dict[str, Any] = {**config}
    rows = (row for part in parts.values() for row in (*part.get("words", ()), *part.get("phrases", ())))
    return frozenset(word for row in rows for part in ([row] if isinstance(row, str) else row) for word in part.split())
