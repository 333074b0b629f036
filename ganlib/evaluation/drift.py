"""Do these images look like those that a model was evaluated on? Tests with a stated rate of false alarms."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field

from ganlib.core.record import Record
from ganlib.evaluation.agreement import share
from ganlib.evaluation.bootstrap import Interval
from ganlib.evaluation.distances import Moments, frechet_statistic, group_of
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.judge.judge import JudgeOutput

FALSE_ALARMS = 0.001
"""At most this share of batches that do not drift are said to: each test is held to its part of it (Bonferroni)."""
_LEAST = 5.0  # images of a class that the chi-squared test can count on, at least


class Drift(Record):
    """What the judge sees in a sample, beside what it saw in the model's evaluation."""

    sampled: int
    judge_sha256: str
    class_shares: tuple[float, ...]
    """Share of the sample that the judge takes for each class; empty: it knows none."""
    confidence: float | None
    """The judge's mean probability of the class that it chooses; None: it knows none."""
    agreement: Interval | None
    """Share that is of the class that was asked for; None: none was."""
    fid: float | None
    """Of the sample, carried over to as many images as were evaluated; None: there is nothing to measure against."""
    evaluated: int | None
    """Images of the evaluation; None: the sample was compared to nothing."""
    p_values: dict[str, float] = Field({}, description="of each test: how often chance alone differs as much")
    level: float = FALSE_ALARMS
    why_not: str | None = None
    """Why it was compared to nothing."""

    @property
    def drifted(self) -> tuple[str, ...]:
        """The tests that chance does not explain."""
        return tuple(name for name, p in self.p_values.items() if p < self.level / len(self.p_values))

    @property
    def summary(self) -> str:
        """One line."""
        text = f"of {self.sampled:,} images read back, the judge "
        text += "knows no classes" if self.confidence is None else f"is sure by {self.confidence:.3f}"
        if self.agreement:
            text += f", and {self.agreement} are of the class that was asked for"
        if self.evaluated is None:
            return f"{text}; compared to nothing: {self.why_not}."
        tests = ", ".join(f"{name} p = {p:.2g}" for name, p in self.p_values.items())
        verdict = f"DRIFTS from the evaluation in {' and '.join(self.drifted)}" if self.drifted else "no drift"
        return f"{text}; {verdict} ({tests}; false alarms at most {self.level:.2%} of batches)."


def drift(
    output: JudgeOutput,
    judge_sha256: str,
    evaluation: Evaluation | None,
    *,
    codes: np.ndarray | None = None,
    reference: Moments | None = None,
    why_not: str | None = None,
) -> Drift:
    """Compare a sample to ``evaluation``, whose images were drawn in the same way.

    - ``classes``: the two histograms, by a chi-squared test of homogeneity (classes that both have few of as one).
    - ``confidence``: the judge's mean confidence, by Hoeffding's inequality for means of bounded numbers (1963, theorem
      1). A good model's is near its bound and skewed: a hundred images may hold none of the few that it is unsure of,
      and by their own spread a z test takes that for a change.
    - ``agreement``: the shares of images that are of the class that was asked for, by Fisher's exact test.
    - ``fid``: one-sided, by a z test. The FID's bias falls as 1 over the number of images (Chong 2020), so that of the
      sample is carried over to the evaluation's number with the jackknife's estimate of it; the jackknife gives its
      spread, too.

    Args:
        output: of the sample, n images.
        judge_sha256: of the judge.
        evaluation: None: nothing is compared, for the reason ``why_not``.
        codes: the classes that were asked for, int [n].
        reference: moments of the test split that the evaluation's FID is measured against.
        why_not: see ``evaluation``.
    """
    n, num_classes = output.probabilities.shape
    classes = output.classes
    counts = np.bincount(classes, minlength=num_classes) if num_classes else np.zeros(0)
    hits = share(classes == codes, 0.95) if num_classes and codes is not None else None
    fid, p_values = None, dict[str, float]()
    if evaluation:
        p_values = _of_classes(output, counts, hits, evaluation)
        if reference:
            fid, spread = carried_over(output.features, reference, evaluation.n)
            theirs = (evaluation.fid.high - evaluation.fid.low) / 2 / _quantile((1 + evaluation.level) / 2)
            p_values["fid"] = _tail((fid - evaluation.fid.value) / math.hypot(spread, theirs))
    return Drift(
        sampled=n,
        judge_sha256=judge_sha256,
        class_shares=tuple((counts / n).tolist()),
        confidence=float(output.probabilities.max(axis=1).mean()) if num_classes else None,
        agreement=hits,
        fid=fid,
        evaluated=evaluation.n if evaluation else None,
        p_values=p_values,
        why_not=None if evaluation else why_not,
    )


def _of_classes(
    output: JudgeOutput, counts: np.ndarray, hits: Interval | None, evaluation: Evaluation
) -> dict[str, float]:
    """Return the p-values of the tests that need classes; none where the judge knows none."""
    if evaluation.confidence is None or not len(counts):
        return {}
    n, total = len(output.features), evaluation.n
    mean = float(output.probabilities.max(axis=1).mean())
    changes = {
        "classes": homogeneity(counts, np.round(np.array(evaluation.class_shares) * total)),
        "confidence": of_means(mean, evaluation.confidence, 1 / len(counts), 1 / (1 / n + 1 / total)),
    }
    if hits and (theirs := evaluation.agreement.get("class")):
        changes["agreement"] = of_shares(round(hits.value * n), n, round(theirs.value * total), total)
    return changes


def of_means(ours: float, theirs: float, least: float, n: float) -> float:
    """p-value, or more, of a mean ``ours`` of ``n`` numbers between ``least`` and 1 whose expectation is ``theirs``."""
    from scipy.special import rel_entr

    p, q = ((value - least) / (1 - least) for value in (ours, theirs))
    p, q = (min(max(share, 0.0), 1.0) for share in (p, q))
    return min(1.0, 2 * math.exp(-n * float(rel_entr(p, q) + rel_entr(1 - p, 1 - q))))


def of_shares(ours: int, n: int, theirs: int, total: int) -> float:
    """p-value of ``ours`` of ``n`` beside ``theirs`` of ``total``, if both are of one share."""
    from scipy.stats import fisher_exact

    return float(fisher_exact([[ours, n - ours], [theirs, total - theirs]]).pvalue)


def homogeneity(ours: np.ndarray, theirs: np.ndarray) -> float:
    """p-value that two histograms, counts [k] each, are of one distribution; 1 if they cannot tell."""
    from scipy.stats import chi2_contingency

    table = np.stack([ours, theirs]).astype(np.float64)
    expectation = table.sum(axis=0) * table[0].sum() / table.sum()
    few = expectation < _LEAST
    if few.any():
        table = np.concatenate([table[:, ~few], table[:, few].sum(axis=1, keepdims=True)], axis=1)
    table = table[:, table.sum(axis=0) > 0]
    return float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0


def carried_over(features: np.ndarray, reference: Moments, total: int) -> tuple[float, float]:
    """The FID that ``total`` images like those of ``features`` [n, d] would have, and its standard error."""
    n = len(features)
    statistic = frechet_statistic(features, reference)
    groups = int(group_of(n)[-1]) + 1
    values = statistic(np.concatenate([np.ones((1, groups)), 1 - np.eye(groups)]))
    whole, without = float(values[0]), values[1:]
    bias = (groups - 1) * float(without.mean() - whole)  # to first order in 1 / n
    error = math.sqrt((groups - 1) / groups * float(((without - without.mean()) ** 2).sum()))
    return whole - bias * (1 - n / total), error


def _tail(z: float) -> float:
    """Probability that a standard normal draw is above ``z``."""
    return math.erfc(z / math.sqrt(2)) / 2


def _quantile(share_below: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(share_below))
