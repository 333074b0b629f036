"""How often the gate promotes what is no better, and what is: `python -m benchmarks.gate FEATURES.npy`.

FEATURES are the judge's, float32 [n, 128], of one generator's images. Champions and challengers are draws from them
with replacement, so of the same distribution exactly, and go through the real statistic and the real gate.
"""

from __future__ import annotations

import sys

import numpy as np

from ganlib.config import EvaluateConfig, GateConfig
from ganlib.core import project
from ganlib.data.splits import load_split
from ganlib.evaluation.agreement import share as proportion
from ganlib.evaluation.bootstrap import pack, resample
from ganlib.evaluation.distances import Moments, frechet_statistic, moments
from ganlib.evaluation.judge.mnist.judge import load_judge
from ganlib.registry.gate import decide
from ganlib.registry.version import Version
from tests.factories import evaluation
from tests.unit.registry.test_gate import version

SAMPLES = 10_000
REPLICATES = 100  # a fifth of what an evaluation has: the bound is noisier, so that if anything more is promoted
CHALLENGERS, CHAMPIONS = 200, 100  # a series a champion: it is its luck that decides how many challengers beat it
FIRST_CHAMPION, FIRST_BETTER = 10_000, 20_000  # seeds; those of the challengers begin at 0
BETTER = (0.02, 0.05, 0.10, 0.15)  # share of images that are real ones instead


def drawn(
    features: np.ndarray, seed: int, real: Moments, better: np.ndarray | None = None, share: float = 0
) -> Version:
    """A version that drew its images with ``seed``; ``share`` of them from ``better``."""
    random = np.random.default_rng(seed)
    chosen = features[random.integers(0, len(features), SAMPLES)]
    if better is not None:
        swapped = random.random(SAMPLES) < share
        chosen[swapped] = better[random.integers(0, len(better), swapped.sum())]
    values = resample(frechet_statistic(chosen, real), SAMPLES, replicates=REPLICATES, seed=EvaluateConfig().seed)
    fid = float(values[0])
    return version(seed + 2, evaluation(fid).model_copy(update={"resampled": {"fid": pack(values[1:])}}))


def main(features: np.ndarray, test: np.ndarray) -> None:
    """Print the shares."""
    real, policy = moments(test), GateConfig()
    champions = [drawn(features, FIRST_CHAMPION + at, real) for at in range(CHAMPIONS)]
    challengers = [drawn(features, at, real) for at in range(CHALLENGERS)]
    pairs = list(zip(challengers[::2], challengers[1::2], strict=True))  # apart: no champion's luck counts twice
    first = sum(decide(a, b, policy).promoted + decide(b, a, policy).promoted for a, b in pairs)
    single = [[decide(each, champion, policy).promoted for each in challengers] for champion in champions]
    series = [
        any(decide(each, champion, policy, tried).promoted for tried, each in enumerate(challengers))
        for champion in champions
    ]
    found = [c.evaluation.fid.value for c in challengers if c.evaluation]
    print(f"FID {np.mean(found):.3f}, standard deviation over draws {np.std(found):.4f}")
    print(f"{SAMPLES:,} images a draw, {REPLICATES} replicates, seeds from 0, {FIRST_CHAMPION:,} and {FIRST_BETTER:,}")
    print(f"no better, one challenger: {first} promoted of {2 * len(pairs)} (level {policy.level / 2:g})")
    print(f"no better, the first challenger: {np.mean(single):.4f} of {np.size(single):,} comparisons promoted")
    print(
        f"no better, {CHALLENGERS} in a row: {sum(series)} of {CHAMPIONS} champions displaced, "
        f"95% interval {proportion(np.array(series), 0.95)} (level {policy.level:g})"
    )
    print(f"the same without the correction: {sum(map(any, single))} of {CHAMPIONS}")
    for share in BETTER:
        better = [drawn(features, FIRST_BETTER + at, real, test, share) for at in range(20)]
        fids = [c.evaluation.fid.value for c in better if c.evaluation]
        won = np.mean([[decide(each, champion, policy).promoted for each in better] for champion in champions])
        print(f"better by {np.mean(found) - np.mean(fids):.3f}: {won:.3f} promoted")


if __name__ == "__main__":
    test = load_split(project.find().prepared, "test")
    main(np.load(sys.argv[1], allow_pickle=False), load_judge().features(test.images).features)
