"""What our source must never do with bytes from elsewhere, read from the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.models import fetch
from tests.conftest import ROOT

UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
FORBIDDEN = {"eval", "exec", "pd.read_pickle", "yaml.load", "yaml.unsafe_load", "torch.jit.load"}
ALLOWED = {
    "ganlib/training/checkpoint.py": {"UnpicklingError"},  # what torch raises for a damaged file
    "ganlib/data/mnist/sources/wheel.py": {"Unpickler", "UnpicklingError"},  # refuses all but arrays, of pinned bytes
}
SOURCES = sorted(path for folder in ("ganlib", "pipelines", "benchmarks") for path in (ROOT / folder).rglob("*.py"))


def offences(text: str, allowed: set[str]) -> Iterator[str]:
    """What in ``text`` could run code that is hidden in data."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            yield f"line {node.lineno}: from {node.module} import"
        if isinstance(node, ast.Import) and not allowed:
            yield from (
                f"line {node.lineno}: import {name.name}"
                for name in node.names
                if name.name.split(".")[0] in UNPICKLERS
            )
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr not in allowed:
            yield from [f"line {node.lineno}: {node.value.id}.{node.attr}"] * (node.value.id in UNPICKLERS)
        if isinstance(node, ast.Call):
            yield from _calls(node)


def _calls(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}

    def says(option: str, value: bool) -> bool:
        found = given.get(option)
        return isinstance(found, ast.Constant) and found.value is value

    if name == "torch.load" and not says("weights_only", True):
        yield f"line {node.lineno}: torch.load without weights_only=True"
    if name in ("np.load", "numpy.load") and not says("allow_pickle", False):
        yield f"line {node.lineno}: numpy.load without allow_pickle=False"
    if name in FORBIDDEN:
        yield f"line {node.lineno}: {name}"
    if name.startswith("mlflow.") and name.split(".")[-1] == "load_model":
        yield f"line {node.lineno}: {name}: a flavour may unpickle"


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_nothing_in_the_source_unpickles_or_evaluates(path: Path) -> None:
    allowed = ALLOWED.get(str(path.relative_to(ROOT)), set())
    assert list(offences(path.read_text(encoding="utf-8"), allowed)) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('x')",
        "import torch\ntorch.load('x', weights_only=False)",
        "import numpy as np\nnp.load('x', allow_pickle=True)",
        "eval('1')",
        "import yaml\nyaml.load(text)",
        "import mlflow\nmlflow.pyfunc.load_model('x')",
    ],
)
def test_the_search_finds_what_it_looks_for(text: str) -> None:
    assert list(offences(text, set()))


@pytest.mark.parametrize("reference", ["runs:/../../elsewhere", "runs:/..", "runs:/a/b", "runs:/", "runs:/a\n"])
def test_a_run_that_would_lead_out_of_its_folder_is_refused_before_anything_is_read(
    tmp_path: Path, reference: str
) -> None:
    project = Project(tmp_path / "project")
    outside = project.state / "runs" / ".." / ".." / ".." / "elsewhere"
    outside.mkdir(parents=True)
    (outside / "generator.onnx").write_bytes(b"bait")
    with pytest.raises(BadInput, match="is no runs:/ID"):
        fetch(project, load(ROOT / "params.yaml"), reference)


@pytest.mark.parametrize("name", ["../x", "a/b", "", "a' OR '1'='1", "x" * 64, "ü"])
def test_a_registry_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match=r"registry\.model"):
        load(ROOT / "params.yaml", [f'registry.model="{name}"'])
