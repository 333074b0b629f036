"""Models that are signed: whoever makes images checks that first, and where it is asked for takes nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("model_signing.signing", reason="no extra signing: make install")

from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.repair import repair
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.images.serve import ServedModels
from ganlib.jobs.models import fetch_to_use
from ganlib.jobs.promotion.download import download_with_card
from ganlib.registry.registry import Registry
from ganlib.registry.version_signature import read_signature, sign_version
from ganlib.tracking.store import connect
from tests import factories
from tests.support import graphs
from tests.support.keys import trust, write_key

NAME = "mnist-generator"


@pytest.fixture(scope="module")
def shared(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Version 1 was registered before there was a key, and 2 after."""
    project = factories.project(tmp_path_factory.mktemp("signed") / "project", empty_database)
    write_key(project.root)
    write_key(project.root, "other")
    for number in (1, 2):
        graphs.write(project.root / f"{number}.onnx", seed=number)
        factories.registered(connect(project), project.root / f"{number}.onnx")
        trust(project, key="key.pem")
    return project


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """The same, with that key."""
    trust(shared, key="key.pem")
    return shared


def use(project: Project, reference: str) -> str:
    return fetch_to_use(project, load(project.params_file), reference).sha256


def test_what_a_key_of_the_project_has_signed_is_used_and_what_nobody_has_only_where_that_is_not_asked(
    project: Project, tmp_path: Path
) -> None:
    assert use(project, "2")
    assert use(project, "1")
    trust(project, key="key.pem", required=True)
    params = load(project.params_file)
    assert use(project, "2")
    out = str(tmp_path / "out")
    for reference in ("1", str(project.root / "1.onnx"), "pretrained:cgan"):
        for command in (
            lambda name: generate(project, params, name, GenerateRequest(out=out, count=1)),
            lambda name: ServedModels(project, params, [name]),
        ):
            with pytest.raises(BadInput, match=r"is not signed, and signing\.required asks for it: nothing was loaded"):
                command(reference)
    assert not Path(out).exists()
    assert generate(project, params, "2", GenerateRequest(out=out, count=1, check=False)).manifest.complete
    trust(project, public=("other.pub",))
    (tmp_path / "out" / "shard-00000" / "00000000.png").unlink()
    with pytest.raises(BadInput, match="none of those that this project trusts"):
        repair(project, params, out)
    trust(project)
    assert use(project, "2"), "no key is named: nobody asks"


def test_a_version_from_before_there_was_a_key_is_signed_later(project: Project) -> None:
    registry = Registry(connect(project), NAME)
    version = registry.get(1)
    assert read_signature(registry, version) is None
    sign_version(registry, version)
    trust(project, public=("key.pub",), required=True)
    assert use(project, "1")
    with pytest.raises(BadInput, match=r"names no key to sign with\. Nothing was changed"):
        sign_version(registry, version)
    bundle = read_signature(registry, registry.get(2))
    registry.tag(1, {"signature": bundle or ""})
    with pytest.raises(BadInput, match="does not fit what is beside it"):
        use(project, "1")
    registry.tag(1, {"signature": "0" * 64})
    with pytest.raises(BadInput, match="was changed or is gone"):
        use(project, "1")
    registry.untag(1, "signature")


def test_a_folder_that_was_signed_travels_and_a_change_in_it_is_noticed(project: Project, tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx", reason="no extra cards: make install")
    params, folder = load(project.params_file), tmp_path / "folder"
    assert download_with_card(project, params, "1", folder).files[-1] == "model.sig"
    trust(project, public=("key.pub",), required=True)
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(folder, elsewhere)
    assert use(project, str(elsewhere / "model.onnx"))
    (elsewhere / "README.md").write_text("a better card")
    with pytest.raises(BadInput, match="does not fit what is beside it"):
        use(project, str(elsewhere / "model.onnx"))
    _, first_line, *_ = (project.root / "key.pem").read_text().split("\n")
    assert not any(first_line in path.read_text(errors="replace") for path in folder.iterdir())

    done = download_with_card(project, params, "2", folder)
    assert done.files[-1] == "model.sig", "no key is here: the version's own goes with it, which is of the graph alone"
    assert use(project, str(folder / "model.onnx"))
    names = json.loads((folder / "model.sig").read_text())["verificationMaterial"]["publicKey"]
    assert names["hint"]
    trust(project)
    assert download_with_card(project, params, "1", folder).files == ("model.onnx", "README.md", "bom.cdx.json")
    assert not (folder / "model.sig").exists(), "a signature of what is not there any more"
