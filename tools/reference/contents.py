"""Which modules others import, by what they are imported for. A module that is not here is an inner one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """A page of docs/reference about Python."""

    name: str
    """Of the file."""
    title: str
    about: str
    """What the modules are imported for, in Markdown."""
    modules: tuple[str, ...]
    """Below ``ganlib``, in the order of the page."""


PAGES = (
    Page(
        "images",
        "Images from a model",
        "A graph is opened once and draws any of its images: `OnnxModel(path).images(seed=7, start=0, count=64)`. What "
        "people call a model becomes a path by `ganlib.jobs.models.fetch`; files that are complete or say what is "
        "missing are made by `ganlib.jobs.images.generate`.",
        (
            "generation.session",
            "generation.sampling",
            "generation.conditions",
            "generation.noise",
            "export.contract",
            "pretrained",
            "jobs.models",
            "jobs.images.request",
            "jobs.images.generate",
            "jobs.images.detect",
            "generation.batch.manifest",
            "generation.batch.verify",
            "generation.batch.repair",
            "generation.batch.read_back",
            "generation.formats.base",
        ),
    ),
    Page(
        "jobs",
        "Jobs",
        "What the command line and the Prefect flows call: configuration in, a record of the result out. Each takes a "
        "`Project` (`ganlib.core.project.find()`) and the `Params` of its `params.yaml` (`ganlib.config.load`), and "
        "may be given a `Report` that hears of its progress.",
        (
            "jobs.data.version_data",
            "jobs.training.train",
            "jobs.training.tune",
            "jobs.measuring.evaluate",
            "jobs.measuring.compare",
            "jobs.promotion.promote",
            "jobs.promotion.siblings",
            "jobs.promotion.explain",
            "jobs.retrain",
            "jobs.triggers.plan",
            "jobs.triggers.run",
            "jobs.recovery.backup",
            "jobs.recovery.restore",
            "config",
            "core.project",
            "core.progress",
            "core.events",
            "core.errors",
        ),
    ),
    Page(
        "registry",
        "Registry, gate and ledger",
        "Versions with their evidence, the decision about one, and the chain of all decisions. `gate`, `ledger` and "
        "`entries` know no MLflow: they take records and give records.",
        (
            "registry.registry",
            "registry.version",
            "registry.champion",
            "registry.gate",
            "registry.rivals",
            "registry.entries",
            "registry.ledger",
            "evaluation.evaluate",
            "evaluation.bootstrap",
            "abtest.experiment",
            "abtest.records",
        ),
    ),
    Page(
        "families",
        "What a family is made of",
        "For [a family of your own](../adding-a-family.md): what the loop asks of it, the two compositions to start "
        "from, losses, penalties and nets.",
        (
            "families",
            "families.parts.base",
            "families.parts.adversarial",
            "families.parts.autoencoding",
            "families.parts.space",
            "objectives.losses",
            "objectives.penalties",
            "nets.mlp",
            "nets.conv",
            "nets.label",
            "nets.autoencoder",
            "nets.ladder",
            "nets.collectives",
            "data.spec",
            "data.conditions",
        ),
    ),
    Page(
        "extending",
        "Metrics, data sets, judges",
        "For [a metric](../adding-a-metric.md), [a data set by name](../data.md#data-sets-by-name) or "
        "[a judge](../judges.md) of your own.",
        (
            "evaluation.metrics",
            "evaluation.sample",
            "evaluation.distances",
            "evaluation.judge.judge",
            "data.sources",
            "data.sources.dataset",
            "data.sources.download",
            "data.importing.picture",
        ),
    ),
)
