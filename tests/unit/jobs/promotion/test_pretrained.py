"""`ganlib registry import`: a graph that ships becomes a version like any other, once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganlib import pretrained
from ganlib.config import load
from ganlib.core.errors import BadInput
from ganlib.core.project import Project
from ganlib.data.spec import DatasetSpec, ImageShape
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion import pretrained as imports
from ganlib.jobs.promotion.explain import explain
from ganlib.jobs.promotion.promote import promote
from ganlib.registry.registry import CHALLENGER, Registry, registered_models
from ganlib.tracking import history
from ganlib.tracking.store import MlflowStore, connect
from tests import factories
from tests.services import project as projects

NAME, REFERENCE = "mnist-generator", pretrained.EXAMPLE


@pytest.mark.slow
def test_it_becomes_a_version_that_promotes_and_generates_and_twice_is_said(tmp_path: Path) -> None:
    project = Project(projects.make(tmp_path / "project"))
    params, card = load(project.params_file), pretrained.find(REFERENCE).card
    first = imports.import_pretrained(project, params, REFERENCE)
    version = first.version
    assert (first.is_new, version.version, version.aliases) == (True, 1, (CHALLENGER,))
    assert (version.sha256, version.family) == (card.sha256, card.family)
    assert version.precision == (None if card.precision == "fp32" else card.precision)
    assert version.evaluation
    assert version.evaluation.n == 1000, "measured here, by this project's settings"
    run = history.read(connect(project), version.run_id or "")
    assert run.status == "FINISHED"
    assert (run.params["steps"], run.params["seed"]) == (str(card.steps), str(card.seed))
    assert run.metrics["train_seconds"] == card.train_seconds

    again = imports.import_pretrained(project, params, REFERENCE)
    assert (again.is_new, again.version.version) == (False, 1)
    assert f"{REFERENCE} is version 1 of {NAME} already" in again.summary()

    assert promote(project, params, "1").promoted
    batch = generate(
        project, params, "champion", GenerateRequest(out=str(tmp_path / "out"), count=10, labels="7", check=False)
    )
    assert batch.manifest.model_sha256 == card.sha256
    walk = explain(project, params, str(tmp_path / "out"))
    assert walk.consistent, walk.summary()
    links = {link.what: link.found for link in walk.links}
    assert links["run"]["imported from"] == f"{REFERENCE}, sha256 {card.sha256}"
    assert (links["source"]["commit"], links["data"]["dvc md5"]) == (card.source.commit, card.data.md5)


def test_other_data_are_refused_before_anything_is_made(store: MlflowStore, monkeypatch: pytest.MonkeyPatch) -> None:
    cells = DatasetSpec(name="cells", image=ImageShape(channels=3, height=32, width=32))
    data = factories.data_version().model_copy(update={"spec": cells})
    monkeypatch.setattr(imports, "current_data", lambda project: data)
    params = load(store.project.params_file)
    with pytest.raises(BadInput, match=r"the model draws mnist .* and the data version here is cells"):
        imports.import_pretrained(store.project, params, REFERENCE)
    assert registered_models(store) == []
    assert list(history.of_family(store, params.registry.experiment, "cgan pretrained")) == []


@pytest.mark.parametrize(
    ("reference", "message"), [("cgan", "'cgan' is no pretrained:NAME"), ("pretrained:cgna", "Did you mean 'cgan'")]
)
def test_what_does_not_ship_is_no_import(store: MlflowStore, reference: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        imports.import_pretrained(store.project, load(store.project.params_file), reference)
    assert Registry(store, NAME).versions() == []
