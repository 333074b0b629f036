"""What a version is made of, for machines: an ML-BOM in CycloneDX's JSON, version 1.6.

The library writes all of it but for the model card, for which it has no objects yet; both are by one schema.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import ganlib
from ganlib.evaluation.evaluate import Evaluation
from ganlib.jobs.promotion.model_card import CODE_LICENCE, CardSubject

_RUNS_ON = ("onnxruntime", "numpy")
"""What whoever runs the graph needs."""


def bill(subject: CardSubject) -> dict[str, Any]:
    """Return the bill of materials of a version: its graph, its data, its judge, and what it runs on."""
    model, parts = _model(subject), [_data(subject), *_judge(subject), *map(_package, _RUNS_ON)]
    bom = Bom(components=parts)
    bom.metadata.component = model
    bom.metadata.tools.components.add(
        Component(
            name="ganlib",
            version=ganlib.__version__,
            type=ComponentType.APPLICATION,
            licenses=[LicenseFactory().make_from_string(CODE_LICENCE)],
        )
    )
    bom.register_dependency(model, parts)
    content: dict[str, Any] = json.loads(JsonV1Dot6(bom).output_as_string())
    content["metadata"]["component"]["modelCard"] = _card(subject)
    return content


def _model(subject: CardSubject) -> Component:
    version = subject.version
    facts = {
        "run": version.run_id,
        "gate": subject.decision.word() if subject.decision else None,
        "source_commit": subject.metadata.get("source_commit"),
        "precision": version.precision,
        "parent_version": version.sibling_of,
    }
    return Component(
        name=version.name,
        version=str(version.version),
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=subject.name,
        description=f"ONNX graph of the family {version.family} that draws images like those of "
        f"{subject.contract.spec.name}",
        hashes=_sha256(version.sha256),
        licenses=[LicenseFactory().make_from_string(subject.spdx)] if subject.spdx else [],
        properties=_properties(facts),
    )


def _data(subject: CardSubject) -> Component:
    name, data = subject.contract.spec.name, subject.data
    files = [
        Component(name=file, type=ComponentType.FILE, bom_ref=f"data-{file}", hashes=_sha256(digest))
        for file, digest in (data.source_sha256 if data else {}).items()
    ]
    facts = {"dvc_md5": subject.version.data_version, "licence": subject.data_licence}
    counts = {f"images_{split}": count for split, count in data.counts.items()} if data else {}
    return Component(
        name=name,
        version=subject.version.data_version,
        type=ComponentType.DATA,
        bom_ref=f"data-{name}",
        components=files,
        properties=_properties({**facts, **counts}),
    )


def _judge(subject: CardSubject) -> list[Component]:
    """The net that the figures were measured with."""
    evaluation = subject.version.evaluation
    if evaluation is None:
        return []
    return [
        Component(
            name="judge",
            version=evaluation.judge_sha256[:12],
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"judge-{evaluation.judge_sha256[:12]}",
            properties=_properties({"sha256": evaluation.judge_sha256}),
        )
    ]


def _package(name: str) -> Component:
    version = metadata.version(name)
    return Component(
        name=name,
        version=version,
        bom_ref=f"{name}-{version}",
        purl=PackageURL("pypi", name=name, version=version),
        properties=_properties({"as": "installed where this was written; the graph asks for no particular one"}),
    )


def _card(subject: CardSubject) -> dict[str, Any]:
    """The model card, by the schema's names: https://cyclonedx.org/docs/1.6/json/#metadata_component_modelCard."""
    evaluation = subject.version.evaluation
    return {
        "modelParameters": {
            "task": subject.task,
            "architectureFamily": subject.version.family or "unknown",
            "datasets": [{"ref": f"data-{subject.contract.spec.name}"}],
            "inputs": [{"format": f"{name}: {kind}"} for name, kind in subject.contract.inputs.items()],
            "outputs": [{"format": f"image: uint8[batch, {', '.join(map(str, subject.contract.spec.image.dims))}]"}],
        },
        **({"quantitativeAnalysis": {"performanceMetrics": _metrics(evaluation)}} if evaluation else {}),
        "considerations": {"technicalLimitations": subject.limits},
    }


def _metrics(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Each figure with its interval, and what as many real images score as a slice of its own."""
    both = (("generated", evaluation.figures), ("real", evaluation.floors))
    return [
        {
            "type": name,
            "value": str(figure.value),
            "slice": f"{evaluation.n} {kind} images",
            "confidenceInterval": {"lowerBound": str(figure.low), "upperBound": str(figure.high)},
        }
        for kind, figures in both
        for name, figure in figures.items()
    ]


def _sha256(digest: str | None) -> list[HashType]:
    return [HashType(alg=HashAlgorithm.SHA_256, content=digest)] if digest else []


def _properties(facts: Mapping[str, object]) -> list[Property]:
    return [Property(name=f"ganlib:{name}", value=str(value)) for name, value in facts.items() if value]
