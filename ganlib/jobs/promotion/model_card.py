"""The card that travels with a version's graph: README.md, as Hugging Face's hub and its library read it."""

from __future__ import annotations

from typing import Any

import yaml

import ganlib
from ganlib.core.cost import Cost
from ganlib.core.record import Record
from ganlib.data.versioning.record import DataVersion
from ganlib.evaluation import table
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.metrics import metrics
from ganlib.export.contract import Contract, caption_pool
from ganlib.export.signature import GRAPH
from ganlib.registry.gate import Decision
from ganlib.registry.version import Version

CARD, BILL = "README.md", "bom.cdx.json"
"""Of the folder of a graph with its card."""
CODE_LICENCE = "Apache-2.0"
"""Of ganlib, which trained it."""
_MOST_CLASSES = 40  # that the card lists by name


class CardSubject(Record):
    """A version, and all that its card tells of it."""

    version: Version
    contract: Contract
    metadata: dict[str, str]
    """What the graph says of itself."""
    decision: Decision | None
    """The gate's last word; None: it was not asked."""
    data: DataVersion | None
    """What it was trained on; None: its run did not record that, or is gone."""
    licence: str
    """Of the graph, in words or as an SPDX identifier; empty: not stated."""
    data_licence: str
    """The same of the data."""
    cost: Cost | None = None
    """Of its run: training, export and evaluation; None: it was not measured."""
    currency: str = ""
    """Of the cost's amount."""

    @property
    def name(self) -> str:
        """As in ``mnist-generator-7``."""
        return f"{self.version.name}-{self.version.version}"

    @property
    def task(self) -> str:
        """Hugging Face's name of what the graph does."""
        return "text-to-image" if "caption" in self.contract.inputs else "unconditional-image-generation"

    @property
    def spdx(self) -> str:
        """The licence's identifier alone: what stands before words about it."""
        return self.licence.partition(",")[0].strip()

    @property
    def limits(self) -> list[str]:
        """What the graph cannot do, or was not measured for, in sentences."""
        spec, evaluation = self.contract.spec, self.version.evaluation
        sentences = [
            f"It draws images of {spec.image} (channels, height, width) like those of {spec.name}, and nothing else.",
            "The figures were measured on that data alone, through one judge. FIDs of another judge, such as Inception,"
            " cannot be compared with them.",
            "Images of a class or shape that is rare in the data are rare or poor here as well; whatever is unfair in "
            "the data is so in the images.",
        ]
        if spec.class_names and "label" in self.contract.inputs:
            sentences.append(
                f"A label is from 0 to {spec.num_classes - 1}. Another may draw an image of no class without a word."
            )
        if copies := evaluation and evaluation.figures.get("copies"):
            sentences.append(
                f"{metrics()['copies'].interval(copies)} of its images are near copies of training images, by the "
                "judge's features."
            )
        if evaluation and evaluation.doubt:
            sentences.append(f"{evaluation.doubt[0].upper()}{evaluation.doubt[1:]}.")
        if self.version.unhealthy:
            sentences.append(f"Its training broke: {self.version.unhealthy}.")
        return sentences


def markdown(subject: CardSubject) -> str:
    """Return the card: a YAML header, and Markdown for people."""
    head = yaml.safe_dump(header(subject), sort_keys=False, allow_unicode=True, width=1000)
    version, spec = subject.version, subject.contract.spec
    parts = [
        f"---\n{head}---",
        f"# {subject.name}",
        f"Version {version.version} of `{version.name}`: a generator of the family `{version.family}` as one ONNX "
        f"graph. It draws images of {spec.image} (channels, height, width) like those of `{spec.name}`. Every image "
        "that comes out of it is synthetic.",
        _table(_facts(subject)),
        f"## Use\n\n```python\n{snippet(subject)}```",
        f"## Figures\n\n{_figures(version.evaluation)}",
        f"## Gate\n\n{_gate(subject.decision)}",
        f"## Data\n\n{_table(_data(subject))}",
        "## Limits\n\n" + "\n".join(f"- {each}" for each in subject.limits),
        f"## Licences\n\n{_table(_licences(subject))}",
    ]
    return "\n\n".join(parts) + "\n"


def header(subject: CardSubject) -> dict[str, Any]:
    """Return the card's metadata, by the names that Hugging Face gives them."""
    own = (subject.version.family or "", subject.contract.spec.name)
    tags = ["image-generation", "onnx", "onnxruntime", "ganlib", *own]
    return {
        "library_name": "onnx",
        "pipeline_tag": subject.task,
        **({"license": subject.spdx.lower()} if subject.spdx else {}),
        "tags": [tag for tag in tags if tag],
        **({"model-index": [_index(subject, figures)]} if (figures := subject.version.evaluation) else {}),
    }


def _index(subject: CardSubject, evaluation: Evaluation) -> dict[str, Any]:
    """The figures for machines: of which judge is said in each name, as FIDs of others are no rivals of these."""
    judge, labels = evaluation.judge_sha256[:12], metrics()
    spec = subject.contract.spec
    return {
        "name": subject.name,
        "results": [
            {
                "task": {"type": subject.task},
                "dataset": {"type": spec.name, "name": spec.name, "split": "test", "revision": evaluation.data_version},
                "metrics": [
                    {
                        "type": name,
                        "value": figure.value,
                        "name": f"{labels[name].label if name in labels else name} by judge {judge}",
                        "args": {"n": evaluation.n, "low": figure.low, "high": figure.high, "level": evaluation.level},
                    }
                    for name, figure in evaluation.figures.items()
                ],
            }
        ],
    }


def snippet(subject: CardSubject) -> str:
    """Return lines of Python that draw sixteen images with onnxruntime and nothing of ganlib."""
    contract, feed = subject.contract, ['"noise": noise']
    lines = [
        "import numpy as np, onnxruntime as ort",
        "",
        f'session = ort.InferenceSession("{GRAPH}")',
        f"noise = np.random.default_rng(0).standard_normal((16, {contract.noise_dim}), dtype=np.float32)",
    ]
    if "label" in contract.inputs:
        lines.append(f"label = np.arange(16) % {contract.spec.num_classes}  # int64: a place in the list of classes")
        feed.append('"label": label')
    if "caption" in contract.inputs:
        pool = caption_pool(subject.metadata)
        length = contract.inputs["caption"].dims[1]
        lines += [
            f"text = {(pool[0] if pool else 'a thin seven')!r}.encode().ljust({length}, b'\\0')",
            "caption = np.tile(np.frombuffer(text, np.uint8).astype(np.int64), (16, 1))",
        ]
        feed.append('"caption": caption')
    dims = ", ".join(map(str, contract.spec.image.dims))
    lines.append(f'images = session.run(["image"], {{{", ".join(feed)}}})[0]  # uint8 [16, {dims}]')
    return "\n".join(lines) + "\n"


def _facts(subject: CardSubject) -> dict[str, object]:
    version, contract = subject.version, subject.contract
    names = contract.spec.class_names
    text = ", ".join(names[:_MOST_CLASSES]) + (f", ... ({len(names):,})" if len(names) > _MOST_CLASSES else "")
    return {
        "sha256 of the graph": version.sha256,
        "inputs": ", ".join(f"`{name}` {kind}" for name, kind in contract.inputs.items()),
        "output": f"`image` uint8[batch, {', '.join(map(str, contract.spec.image.dims))}]",
        **({"classes": text} if names else {}),
        **({"variant": f"{version.variant}, of version {version.sibling_of}"} if version.sibling_of else {}),
        "aliases when this was written": ", ".join(version.aliases) or "none",
        "trained by run": version.run_id or "unknown",
        "training and evaluation took": subject.cost.text(subject.currency) if subject.cost else "not measured",
        "source commit": subject.metadata.get("source_commit", "unknown"),
        "registered": version.created,
        "card written by": f"ganlib {ganlib.__version__}",
    }


def _figures(evaluation: Evaluation | None) -> str:
    if evaluation is None:
        return "None were recorded: nothing is known of its quality."
    rows = [(row.name, row.value, row.real or "-", row.better or "-") for row in table.lines(evaluation)]
    return (
        f"{_rows(('', 'this model', 'as many real images', 'better'), *rows)}\n\nMeasured on {table.note(evaluation)}."
    )


def _gate(decision: Decision | None) -> str:
    if decision is None:
        return "It was not put through the gate: nothing says that it is better than another version."
    against = f"version {decision.champion}" if decision.champion else "no champion, as there was none"
    rows = [("pass" if check.passed else "**fail**", check.name, check.detail) for check in decision.checks]
    return f"**{decision.word()}**, against {against}.\n\n{_rows(('', 'check', 'found'), *rows)}"


def _data(subject: CardSubject) -> dict[str, object]:
    data = subject.data
    rows: dict[str, object] = {
        "data set": subject.contract.spec.name,
        "data version (DVC's md5)": subject.version.data_version or "unknown",
    }
    if data is not None:
        rows |= {f"images, {split}": f"{count:,}" for split, count in data.counts.items()}
        rows |= {f"sha256 of `{name}`": digest for name, digest in data.source_sha256.items()}
    return rows


def _licences(subject: CardSubject) -> dict[str, object]:
    unknown = "not stated: ask whoever gave you this"
    return {
        "graph": subject.licence or unknown,
        "data": subject.data_licence or unknown,
        "code that trained it": f"{CODE_LICENCE} (ganlib)",
    }


def _table(facts: dict[str, object]) -> str:
    return _rows(("", ""), *((name, str(value)) for name, value in facts.items()))


def _rows(*rows: tuple[str, ...]) -> str:
    """A Markdown table, the first row its head: no name in it can break a cell or a line."""
    head, *rest = (f"| {' | '.join(' '.join(cell.replace('|', '/').split()) for cell in row)} |" for row in rows)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *rest])
