"""``ganlib data``: make, show and verify the data version. The last two verbs are DVC's stages."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from ganlib.cli.app import open_project, reporting, show
from ganlib.cli.help import Verbs
from ganlib.cli.options import From, Json

if TYPE_CHECKING:
    from ganlib.data.versioning.record import DataVersion

app = Verbs(no_args_is_help=True, pretty_exceptions_enable=False)

Size = Annotated[
    int | None, typer.Option(help="Side of the images in pixels: 16, 28, 32, 64 or 128; default: {data.size}.")
]
Channels = Annotated[str | None, typer.Option(help="auto, 1 (grey) or 3 (colour).")]
Fit = Annotated[str | None, typer.Option(help="How a picture becomes a square: crop, pad, stretch or none.")]
Background = Annotated[
    str | None, typer.Option(help="Grey level or #rrggbb behind transparent pixels and around padded pictures.")
]
Name = Annotated[str | None, typer.Option(help="Of the data set, as in its models' names.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would become of the images; change nothing.")]


@app.command()
def version(
    source: From = None,
    size: Size = None,
    channels: Channels = None,
    fit: Fit = None,
    background: Background = None,
    name: Name = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Bring images in, split, check, record in dvc.lock and push; quick where nothing changed."""
    project, _ = open_project()
    from ganlib.jobs.data.preview import preview_data
    from ganlib.jobs.data.version_data import recorded_md5, version_data

    choices = {"size": size, "channels": _number(channels), "fit": fit, "background": _number(background), "name": name}
    options = {key: value for key, value in choices.items() if value is not None}
    if dry_run:
        with reporting(as_json=as_json) as report:
            preview = preview_data(project, source=source, options=options, report=report)
        show(preview, as_json=as_json, text=lambda: str(preview))
        return
    before = recorded_md5(project)
    with reporting(as_json=as_json) as report:
        data = version_data(project, source=source, options=options, report=report)
    news = "unchanged" if before == data.md5 else "new" if before is None else f"changed, was {before[:12]}"
    show(data, as_json=as_json, text=lambda: f"{_line(data)} ({news})")


def _number(text: str | None) -> str | int | None:
    """A whole number where the option is one."""
    return int(text) if text is not None and text.isascii() and text.isdigit() else text


@app.command("show")
def show_version(as_json: Json = False) -> None:
    """Show the current data version."""
    project, _ = open_project()
    from ganlib.jobs.data.version_data import current_data

    data = current_data(project)
    show(data, as_json=as_json, text=lambda: _text(data))


@app.command()
def verify(as_json: Json = False) -> None:
    """Hash raw and prepared files, DVC's cache and a local remote; name the first that is damaged."""
    project, _ = open_project()
    from ganlib.jobs.data.version_data import verify_data

    data = verify_data(project)
    show(data, as_json=as_json, text=lambda: f"{_line(data)}: every byte is as recorded")


@app.command(hidden=True)
def fetch() -> None:
    """The DVC stage that fills data/raw."""
    project, params = open_project()
    from ganlib.data.fetch import fetch as job

    with reporting(as_json=under_dvc()) as report:
        job(project.root, project.raw, project.state / "cache", params.data, report)


@app.command(hidden=True)
def prepare() -> None:
    """The DVC stage that fills data/prepared."""
    project, params = open_project()
    from ganlib.data.prepare import prepare as job

    with reporting(as_json=under_dvc()) as report:
        job(project.raw, project.prepared, params.data, report)


def under_dvc() -> bool:
    """Return whether `ganlib data version` started DVC, and reads our progress as events."""
    from ganlib.data.versioning.dvc import PROGRESS

    return os.environ.get(PROGRESS) == "json"


def _line(data: DataVersion) -> str:
    counts = ", ".join(f"{count:,} {name}" for name, count in data.counts.items())
    return f"data version {data.id} of {data.source}: {counts}"


def _text(data: DataVersion) -> str:
    revision = f"{data.commit}{' (dirty)' if data.dirty else ''}" if data.commit else "no git here"
    digests = "".join(f"\n  {sha256}  {name}" for name, sha256 in data.source_sha256.items())
    twins = f"\n  twins     {data.twins}" if data.twins else ""
    spec = data.spec
    classes = f"{spec.num_classes:,} classes" if spec.class_names else "no labels"
    captions = ", captions" if spec.captions else ""
    images = f"\n  images    {spec.name}: {spec.image} (channels x height x width), {classes}{captions}"
    origin = f"\n  dvc md5   {data.md5}\n  raw md5   {data.raw_md5}\n  revision  {revision}"
    return f"{_line(data)}{images}{origin}{twins}{digests}"
