"""How often the gate promotes what is no better, and what it refuses: `python -m benchmarks.gate [N ...]`.

Of MNIST, N images are a data set with its splits, floors and near copies, by MNIST's judge. The generators are
made of the images that are left over, with a little noise: champion and challengers are draws from these with
replacement, so of one distribution exactly, and go through the real statistic and the real gate. Beside them stand a
copier of half the training set, one that draws ten images, one that blurs, and better ones.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ganlib.config import EvaluateConfig, GateConfig
from ganlib.core import project
from ganlib.data.splits import load_split
from ganlib.evaluation.agreement import share as proportion
from ganlib.evaluation.bootstrap import Interval, pack, resample
from ganlib.evaluation.distances import frechet_statistic, kernel_statistic
from ganlib.evaluation.evaluate import DECIDING_SAMPLES
from ganlib.evaluation.judge.degradations import degraded
from ganlib.evaluation.judge.judge import JudgeOutput
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.evaluation.needs import fitted
from ganlib.evaluation.reference import load_reference, summarise
from ganlib.registry.gate import decide
from ganlib.registry.version import Version
from tests import factories
from tests.unit.registry.test_gate import version

SIZES = (300, 3_000, 30_000)
REPLICATES = 100  # a fifth of what an evaluation has: the bound is noisier, so that if anything more is promoted
CHALLENGERS, CHAMPIONS = 200, 100  # a series a champion: it is its luck that decides how many challengers beat it
FIRST_CHAMPION, FIRST_OTHER = 10_000, 20_000  # seeds; those of the challengers begin at 0
POOL = 15_000  # images that generators draw from
NOISE, BLUR = 8, 4  # grey levels; percent of the side
BETTER = (0.2, 0.5, 1.0)  # share of images without the noise


class Simulation:
    """A data set of n images, and what generators draw from."""

    def __init__(self, n: int, folder: Path) -> None:
        """Draw the data set, and see all images as the judge does."""
        splits_folder = project.find().prepared
        splits = [load_split(splits_folder, name) for name in ("train", "validation", "test")]
        images, labels = (np.concatenate([split[part] for split in splits]) for part in (0, 1))
        order = np.random.default_rng(n).permutation(len(images))
        test, train, left = np.split(order, [n // 7, n // 7 + (n - n // 7) * 11 // 12])
        left = left[(n - n // 7) // 12 + 1 :][:POOL]  # without the validation split
        for name, chosen in (("train", train), ("test", test)):
            np.save(folder / f"{name}-images.npy", images[chosen])
            np.save(folder / f"{name}-labels.npy", labels[chosen])
        judge = load_judge()
        counts = {"train": len(train), "validation": n, "test": len(test)}
        self.config = fitted(EvaluateConfig(bootstrap=REPLICATES), counts)
        self.reference = load_reference(folder, "md5", judge, self.config, cache=folder / "cache")
        noisy = degraded(images[left], labels[left], "noise", NOISE)
        self.pool, self.better = judge.features(noisy), judge.features(images[left])
        real = self.reference.real
        half = JudgeOutput(real.train[::2], real.train_probabilities[::2])
        blur = judge.features(degraded(images[left], labels[left], "blur", BLUR))
        ten = JudgeOutput(*(values[:10] for values in self.pool))
        self.bad = {"a copier of half the training set": half, "ten images": ten, "blurred": blur}

    def draw(self, pool: JudgeOutput, seed: int, better: float = 0) -> JudgeOutput:
        """Draw as many images as are scored, with replacement; the share ``better`` from the pool without noise."""
        random = np.random.default_rng(seed)
        chosen = random.integers(0, len(pool.features), self.config.samples)
        drawn = [values[chosen] for values in pool]
        if better:
            swap = random.random(len(chosen)) < better
            for values, other in zip(drawn, self.better, strict=True):
                values[swap] = other[chosen[swap]]
        return JudgeOutput(*drawn)

    def compared(self, seed: int, better: float = 0) -> Version:
        """A version of which only the figure that decides was measured, and all others are good."""
        features, config, real = self.draw(self.pool, seed, better).features, self.config, self.reference.real
        if config.samples >= DECIDING_SAMPLES:
            name, statistic = "fid", frechet_statistic(features, real.moments)
        else:
            subsets, size = config.kid_subsets, config.kid_subset_size
            name = "kid"
            statistic = kernel_statistic(features, real.test, subsets=subsets, size=size, seed=config.seed)
        values = resample(statistic, config.samples, replicates=REPLICATES, seed=config.seed)
        figure = Interval(value=values[0], low=values[0], high=values[0])
        made = factories.evaluation(
            n=config.samples, figures=factories.figures() | {name: figure}, resampled={name: pack(values[1:])}
        )
        return version(seed + 2, made)

    def measured(self, pool: JudgeOutput, seed: int) -> Version:
        """A version with all figures."""
        replicates = self.reference.resampled(self.draw(pool, seed))
        made = factories.evaluation(
            n=self.config.samples,
            figures=summarise(replicates, self.config.confidence),
            floors=self.reference.floors,
            resampled={name: pack(replicates[name][1:]) for name in ("fid", "kid")},
        )
        return version(seed + 2, made)


def share_text(hits: Sequence[bool]) -> str:
    """Name hits of all, with the share's interval by Wilson."""
    return f"{sum(hits)} of {len(hits):,}, as a share {proportion(np.array(hits), 0.95)}"


def compare(made: Simulation) -> None:
    """Print how often challengers that are no better, or better, displace champions."""
    policy = GateConfig()
    champions = [made.compared(FIRST_CHAMPION + at) for at in range(CHAMPIONS)]
    challengers = [made.compared(at) for at in range(CHALLENGERS)]
    pairs = list(zip(challengers[::2], challengers[1::2], strict=True))  # apart: no champion's luck counts twice
    first = [decide(*pair, policy).promoted for a, b in pairs for pair in ((a, b), (b, a))]
    single = [[decide(each, champion, policy).promoted for each in challengers] for champion in champions]
    series = [
        any(decide(each, champion, policy, number).promoted for number, each in enumerate(challengers))
        for champion in champions
    ]
    print(f"  no better, one challenger: promoted {share_text(first)}; level {policy.level / 2:g}")
    print(f"  no better, {CHALLENGERS} in a row: displaced {share_text(series)} champions; level {policy.level:g}")
    print(f"  the same without the correction: {sum(map(any, single))} of {CHAMPIONS}", flush=True)
    for share in BETTER:
        better = [made.compared(FIRST_OTHER + at, share) for at in range(20)]
        won = np.mean([[decide(each, champion, policy).promoted for each in better] for champion in champions])
        print(f"  {share:.0%} of the images without the noise: {won:.1%} of first challengers promoted", flush=True)


def refuse(made: Simulation, draws: int) -> None:
    """Print how often the gate refuses what is bad, as first champion and against a champion, and what is good."""
    policy = GateConfig()
    champion = made.measured(made.pool, FIRST_CHAMPION)
    for name, pool in {**made.bad, "no better, as a first champion": made.pool}.items():
        models = [made.measured(pool, FIRST_OTHER + at) for at in range(draws)]
        alone, against = ([decide(each, rival, policy) for each in models] for rival in (None, champion))
        words = sorted({decision.word() for decision in (*alone, *against) if not decision.promoted})
        print(f"  {name}: refused {share_text([not one.promoted for one in against])} against a champion")
        print(f"    refused as a first one {sum(not one.promoted for one in alone)} of {draws}; {'; '.join(words)}")
        if first := models[0].evaluation:
            figures = ", ".join(f"{metric} {first.figures[metric]}" for metric in ("fid", "kid", "copies"))
            print(f"    the first one's {figures}", flush=True)


def main(sizes: Sequence[int]) -> None:
    """Print all of it for each size."""
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            made = Simulation(n, Path(folder))
        reference, config, real = made.reference, made.config, made.reference.real
        print(f"{n:,} images: {len(real.train):,} to train on, {len(real.test):,} for the test; seeds from 0, ", end="")
        print(f"{FIRST_CHAMPION:,} and {FIRST_OTHER:,}; {config.samples:,} images drawn, {REPLICATES} replicates")
        print(f"  judge {reference.judge_sha256[:12]}; real images' FID {reference.floors['fid']}, KID ", end="")
        print(f"{reference.floors['kid']}; a near copy is within {real.near:.3g}", flush=True)
        compare(made)
        refuse(made, draws=20 if config.samples < DECIDING_SAMPLES else 5)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or SIZES)
