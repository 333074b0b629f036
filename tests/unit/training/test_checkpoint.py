"""Which checkpoints are kept, what is done with damaged ones, and the way back to a healthy one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ganlib import families
from ganlib.core.errors import BadInput, NoSpace
from ganlib.data.mnist.dataset import MNIST
from ganlib.families.parts.base import Family
from ganlib.training.checkpoint import Checkpoints, Progress, read_weights
from ganlib.training.ema import Ema
from tests.reports import Recorder
from tests.support.specs import LETTERS


def start(name: str = "vae") -> tuple[Family, Ema]:
    family = families.build(name, families.options(name, {"channels": 8, "latent_dim": 8}), MNIST)
    return family, Ema(family.generator, 500)


def save(kept: Checkpoints, *steps: int) -> None:
    for step in steps:
        kept.save(*start(), Progress(step=step))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_ones_are_kept_and_no_more(keep: int, tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {}, keep=keep)
    save(kept, 1, 2, 3, 4)
    assert len(list(tmp_path.iterdir())) == keep
    for step in (4, 3, 2)[:keep]:
        assert kept.restore(*start()).step == step
        (tmp_path / "c.pt").unlink()
        for k in range(1, keep):
            if (older := tmp_path / f"c-{k}.pt").exists():
                older.rename(tmp_path / ("c.pt" if k == 1 else f"c-{k - 1}.pt"))


def test_a_truncated_checkpoint_falls_back_to_the_previous_one_and_says_so(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {})
    save(kept, 1, 2)
    truncate(tmp_path / "c.pt")
    report = Recorder()
    assert kept.restore(*start(), report=report).step == 1
    (remark,) = report.remarks
    assert "c.pt cannot be read" in remark
    assert "c-1.pt" in remark


def test_damaged_checkpoints_alone_are_refused_in_one_line(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {})
    save(kept, 1, 2)
    truncate(tmp_path / "c.pt")
    torch.save({"step": 1}, tmp_path / "c-1.pt")
    with pytest.raises(BadInput, match=r"cannot be read.*not a checkpoint of this version.*train afresh") as caught:
        kept.restore(*start())
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_another_family_is_refused(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {})
    save(kept, 1)
    with pytest.raises(BadInput, match="is a checkpoint of vae, not of dcgan"):
        kept.restore(*start("dcgan"))


def test_a_damaged_best_checkpoint_gives_way_to_the_last_one(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {})
    kept.save(*start(), Progress(step=1).scored(1.0), healthy=True)
    save(kept, 2)
    assert kept.restore_best(*start()).step == 1
    truncate(kept.best)
    assert kept.restore_best(*start()).step == 2


def rates(family: Family) -> list[float]:
    return [group["lr"] for optimizer in family.optimizers.values() for group in optimizer.param_groups]


def test_a_rollback_goes_to_the_last_healthy_state_and_halves_the_rates_at_most_twice(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {})
    family, ema = start("dcgan")
    full = rates(family)
    kept.save(family, ema, Progress(step=5, seconds=1), healthy=True)
    good = [value.clone() for value in family.state_dict().values()]
    for times in (1, 2):
        with torch.no_grad():
            next(family.parameters()).zero_()
        latest = kept.restore(*start("dcgan"))
        kept.save(family, ema, replace(latest, step=9, seconds=7 * times))
        back = kept.roll_back(family, ema, most=2)
        assert back is not None
        assert (back.step, back.rollbacks, back.seconds) == (5, times, 7 * times)
        assert rates(family) == [rate / 2**times for rate in full]
        assert all(map(torch.equal, good, family.state_dict().values()))
        other, other_ema = start("dcgan")
        assert kept.restore(other, other_ema) == back  # a kill at once after it changes nothing
        assert rates(other) == rates(family)
        assert not (tmp_path / "c-1.pt").exists()  # it held what was wrong
    assert kept.roll_back(family, ema, most=2) is None


def test_there_is_no_way_back_without_a_checkpoint(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "c.pt", {}).roll_back(*start(), most=2) is None


def test_a_full_disk_leaves_the_checkpoint_that_was_there(small_disk: Path) -> None:
    kept = Checkpoints(small_disk / "c.pt", {})
    save(kept, 1)
    before = (small_disk / "c.pt").read_bytes()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(2**20 - len(before) * 3 // 2))
    with pytest.raises(NoSpace, match="no space at"):
        save(kept, 2)
    assert (small_disk / "c.pt").read_bytes() == before
    assert kept.restore(*start()).step == 1
    assert {path.name for path in small_disk.iterdir()} == {"c.pt", "filler"}


def labelled(*names: str) -> tuple[Family, Ema]:
    spec = LETTERS.model_copy(update={"class_names": names})
    family = families.build("cgan", families.options("cgan", {"channels": 8, "latent_dim": 8}), spec)
    return family, Ema(family.generator, 500)


def test_what_knows_other_classes_stays_fresh_and_the_rest_is_read(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "c.pt", {})
    parent, average = labelled("a", "b", "c")
    kept.save(parent, average, Progress())
    family, ema = labelled("a", "b", "c", "d")
    before = {name: weight.clone() for name, weight in family.state_dict().items()}
    fresh = read_weights(kept.path, family, ema, same_classes=False)
    assert fresh
    for name, weight in family.state_dict().items():
        assert torch.equal(weight, before[name] if name in fresh else parent.state_dict()[name]), name
    with pytest.raises(BadInput, match=r"other sizes: .* is \[.*\] there and \[.*\] here"):
        read_weights(kept.path, *labelled("a", "b", "c", "d"), same_classes=True)
    with pytest.raises(BadInput, match="a checkpoint of cgan, not of vae"):
        read_weights(kept.path, *start(), same_classes=True)
