"""What nothing refers to is removed, and only that."""

from __future__ import annotations

import pytest

from ganlib.abtest import experiment as ab
from ganlib.config import Params
from ganlib.core.files import sha256_file
from ganlib.core.project import Project
from ganlib.jobs.images.generate import generate
from ganlib.jobs.images.request import GenerateRequest
from ganlib.jobs.promotion.prune import prune
from ganlib.registry.registry import Registry
from ganlib.tracking.store import Absent, connect
from tests import factories

NAME = "mnist-generator"


def test_prune_removes_only_what_nothing_refers_to_and_frees_what_it_said(made: Project, params: Params) -> None:
    store, project = connect(made), made
    registry = Registry(store, NAME)
    reasons = {3: "A/B", 4: "sibling", 5: "sibling", 6: "waits", 7: "manifest", 8: "nothing", 9: "challenger"}
    for number in reasons:
        if number in (7, 8):
            factories.variant(made.root / "1.onnx", made.root / f"{number}.onnx", str(number))
            factories.registered(store, made.root / f"{number}.onnx", 50)
        else:
            factories.bare_version(store, number, 50)
    registry.tag(4, {"sibling_of": "5"})
    registry.tag(6, {"approve": "Ada"})
    generate(project, params, "7", GenerateRequest(out=str(project.root / "more"), count=1))
    ab.start(project, params, "2", "3", share_a=0.5)
    (project.root / "mlruns" / "left-behind").mkdir()
    (project.root / "mlruns" / "left-behind" / "half.bin").write_bytes(bytes(1000))
    stored = [
        path for path in (project.root / "mlruns").rglob("model.onnx") if sha256_file(path) == registry.get(8).sha256
    ]
    assert len(stored) == 1

    dry = prune(project, params, keep=0, dry_run=True)
    kept = {each.version: each.kept for each in dry.versions}
    assert {number for number, why in kept.items() if not why} == {8}
    assert kept[1][:2] == ("alias champion", "champion in the ledger")
    assert kept[2] == ("in an A/B test",)
    assert kept[3] == ("in an A/B test",)
    assert kept[4] == kept[5] == ("has siblings",)
    assert kept[6] == ("waits for a person",)
    assert kept[7] == (f"made the images in {project.root / 'more'}",)
    assert [(orphan.path.name, orphan.files, orphan.bytes) for orphan in dry.orphans] == [("left-behind", 1, 1000)]
    assert registry.get(8).version == 8

    before = sum(path.stat().st_size for path in (project.root / "mlruns").rglob("*") if path.is_file())
    done = prune(project, params, keep=0)
    assert done.freed == dry.freed > 1000
    assert (
        before - sum(path.stat().st_size for path in (project.root / "mlruns").rglob("*") if path.is_file())
        == done.freed
    )
    assert not stored[0].exists()
    with pytest.raises(Absent):
        registry.get(8)
    assert [each.version for each in registry.versions()] == [9, 7, 6, 5, 4, 3, 2, 1]
    assert (project.root / "mlruns" / "left-behind" / "half.bin").exists(), "orphans are reported, not removed"
    assert prune(project, params, keep=0).freed == 0
    assert registry.download(registry.get(7), project.root / "again.onnx").is_file()
