"""Where runs of deployments may read and write: what a page can start is held inside what the operator allows.

A command line is not limited: whoever has it has the shell.
"""

from __future__ import annotations

import os
from pathlib import Path

from ganlib import config
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.generation.storage import is_url


def require_output(project: Project, out: str) -> None:
    """Raise :class:`BadInput` if this is a run of a deployment and ``out`` is not below ``services.outputs``."""
    if _is_deployed():
        _require(project, "out", out, "outputs")


def source(project: Project, name: str, place: str) -> str:
    """``place``, the parameter ``name`` of what is to be read; of a deployment's run its absolute path.

    Raises:
        BadInput: this is one, and ``place`` is not below ``services.sources`` or ``services.outputs``.
    """
    if not _is_deployed():
        return place
    _require(project, name, place, "sources", "outputs")
    return str(project.root / place)


def require_sheet_of_folder(out: str, grid: bool) -> None:
    """Raise :class:`BadInput` if a deployment's run asks for a sheet that would lie in the project itself."""
    if grid and is_url(out) and _is_deployed():
        raise BadInput(f"grid is for folders: the sheet of {out} would lie on this machine. The run's page shows one.")


def _is_deployed() -> bool:
    from prefect.runtime import deployment

    return deployment.id is not None


def _require(project: Project, name: str, place: str, *keys: str) -> None:
    services = config.load(project.params_file).services
    folders = [folder for key in keys for folder in getattr(services, key)]
    if not any(_is_below(project.root, place, folder) for folder in folders):
        verb = "write" if name == "out" else "read"
        raise BadInput(
            f"{name} {place} is not below {' or '.join(folders) or 'any folder'}, where runs that are started in "
            f"Prefect's page may {verb} (services.{keys[0]} in params.yaml). Nothing was written."
        )


def _is_below(root: Path, place: str, folder: str) -> bool:
    """Whether ``place`` is inside ``folder``, not ``folder`` itself, beside which a job would write its sheet."""
    if is_url(place) or is_url(folder):
        rest = place.removeprefix(folder.rstrip("/"))
        steps = rest.rstrip("/").split("/")[1:]
        plain = (
            bool(steps)
            and not {"", ".", ".."} & set(steps)
            and not any(odd in rest for odd in ("::", "\\", "%", "://"))
        )
        return rest != place and rest.startswith("/") and plain
    inside = Path(os.path.realpath(root / place))
    return Path(os.path.realpath(root / folder)) in inside.parents
