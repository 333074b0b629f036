"""What is between a challenger and the champion: is it better, or as good and faster? Pure, as the gate is."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from ganlib.config import GateConfig
from ganlib.core.record import Record
from ganlib.evaluation.bootstrap import unpack
from ganlib.evaluation.evaluate import DECIDING_SAMPLES, Evaluation
from ganlib.registry.version import Version

_LEAST = 50  # replicates that a standard deviation is taken of


class Check(Record):
    """One condition and what was found."""

    name: str
    passed: bool
    detail: str


class Improvement(Record):
    """How much lower the challenger's FID, or KID of few images, is than the champion's, by a paired bootstrap."""

    metric: str = "fid"
    """``fid`` or ``kid``: which of them decided."""
    value: float
    bound: float
    """One-sided lower bound at ``level``."""
    level: float
    """What of the policy's level this comparison may spend."""
    tried: int
    """Models compared with this champion before."""
    candidates: int
    """Models that the challenger was chosen from."""
    correlation: float
    """Of the two models' replicates: what the common noise, labels and reference are worth."""


def spend(level: float, comparisons: int, candidates: int = 1) -> float:
    """Return what of ``level`` the best of ``candidates`` may spend as a challenger, after ``comparisons`` others.

    The k-th model gets ``level / (k (k + 1))``; these sum to ``level`` over any number of models. The best of m gets
    what m would have got together, and shares it among them (Bonferroni), since it stands for all of them.
    """
    return level / ((comparisons + 1) * (comparisons + candidates + 1))


def improvement(challenger: Version, champion: Version, level: float, comparisons: int) -> Improvement | None:
    """Return the champion's FID less the challenger's, with a lower bound; None if their replicates do not fit.

    Of few images it is the KID that is compared (:data:`ganlib.evaluation.evaluate.DECIDING_SAMPLES`).

    Replicate b of either resamples images of the same numbers, so of the same noise and label, against the same
    reference: their difference is a replicate of the difference. The bound takes its standard deviation and the normal
    quantile: at the levels that are left after some challengers, no affordable number of replicates has percentiles.
    """
    if challenger.evaluation is None or champion.evaluation is None:
        return None
    metric = challenger.evaluation.deciding
    ours, theirs = (unpack(each.resampled.get(metric, "")) for each in (challenger.evaluation, champion.evaluation))
    if len(ours) != len(theirs) or len(ours) < _LEAST or not np.isfinite([ours, theirs]).all():
        return None
    value = champion.evaluation.figures[metric].value - challenger.evaluation.figures[metric].value
    share = spend(level, comparisons, challenger.candidates)
    spread = float((theirs - ours).std(ddof=1))
    together = float(ours.std() * theirs.std())
    covariance = float(((ours - ours.mean()) * (theirs - theirs.mean())).mean())
    return Improvement(
        metric=metric,
        value=value,
        bound=value - NormalDist().inv_cdf(1 - share) * spread,
        level=share,
        tried=comparisons,
        candidates=challenger.candidates,
        correlation=covariance / together if together else 0.0,
    )


def margin(evaluation: Evaluation, metric: str, policy: GateConfig) -> float:
    """Return how much higher a figure may be than that of ``evaluation`` and still be as good.

    It is the policy's share of that figure, and what real images have.
    """
    share, floor = evaluation.figures[metric].value, evaluation.floors[metric].value
    return policy.max_loss * max(share, 0.0) + max(floor, 0.0)


def again(*versions: Version) -> str:
    """The command that makes figures comparable."""
    return "re-evaluate: " + " && ".join(f"ganlib evaluate {version.version} --record" for version in versions)


def _change(change: Improvement, policy: GateConfig) -> str:
    """How the challenger's FID differs from the champion's, and what of it is beyond doubt."""
    rule = f"it must be lower beyond doubt by more than {policy.min_improvement:g}"
    if change.value <= 0:
        return f"higher by {-change.value:.3g}, and {rule}" if change.value else f"no lower, and {rule}"
    if change.bound <= 0:
        return (
            f"lower by {change.value:.3g}, but that may be chance (it may be higher by {-change.bound:.3g}), and {rule}"
        )
    sure = f"beyond doubt by {change.bound:.3g}, which must exceed {policy.min_improvement:g}"
    return f"lower by {change.value:.3g}, and {sure}"


def _deciding(change: Improvement, evaluation: Evaluation) -> str:
    """Name the figure that decides, and why where it is not the FID."""
    if change.metric == "fid":
        return "FID"
    return f"KID, which decides where fewer than {DECIDING_SAMPLES:,} images ({evaluation.n:,}) are drawn:"


def better(challenger: Version, champion: Version | None, policy: GateConfig, change: Improvement | None) -> Check:
    """The lower bound of the improvement must exceed what the policy asks for.

    Where ``gate.prefer`` says so, a version that is as good and faster passes as well (:func:`_faster`).
    """
    name = "better"
    if champion is None:
        return Check(name=name, passed=True, detail="there is no champion")
    ours, theirs = challenger.evaluation, champion.evaluation
    if ours is None or theirs is None:
        return Check(name=name, passed=False, detail="unknown")
    if change is None:
        word = ours.deciding.upper()
        detail = f"unknown: no replicates of the {word} that belong together; {again(champion, challenger)}"
        return Check(name=name, passed=False, detail=detail)
    figures = f"{_deciding(change, ours)} {ours.figures[change.metric]} against {theirs.figures[change.metric]}"
    note = f", the best of {change.candidates}" if change.candidates > 1 else ""
    level = (
        f"paired bootstrap at level {change.level:.2g}: {policy.level:g} is shared among all challengers, "
        f"{change.tried} before this one{note}"
    )
    if change.bound <= policy.min_improvement and policy.prefer == "speed_at_equal_quality":
        passed, words = _faster(challenger, champion, theirs, policy, change)
        return Check(name="faster at equal quality", passed=passed, detail=f"{figures}: {words} ({level})")
    passed = change.bound > policy.min_improvement
    return Check(name=name, passed=passed, detail=f"{figures}: {_change(change, policy)} ({level})")


def _faster(
    challenger: Version, champion: Version, theirs: Evaluation, policy: GateConfig, change: Improvement
) -> tuple[bool, str]:
    """Whether the challenger is no worse than the champion by more than a margin, and as fast as the policy asks for.

    That it is no worse is bounded at the level that this comparison may spend, as that it is better would be. It is the
    same bound held against a lower limit, so that asking for the one after the other spends no more.
    """
    limit, loss = margin(theirs, change.metric, policy), -change.bound
    fast, speed = _speed(challenger, champion, policy)
    extent = f"higher by {loss:.3g} at most" if loss > 0 else f"lower by {-loss:.3g} at least"
    quality = (
        f"{extent}, which must be less than {limit:.3g} higher: {100 * policy.max_loss:g}% of the champion's and "
        f"what real images have"
    )
    return loss < limit and fast, f"{quality}; {speed}; gate.prefer is {policy.prefer}"


def _speed(challenger: Version, champion: Version, policy: GateConfig) -> tuple[bool, str]:
    """Whether the challenger is fast enough beside this champion, on every number of threads; and so in words."""
    delivery = challenger.evaluation.delivery if challenger.evaluation else None
    beside = [each for each in (delivery.speedups if delivery else ()) if each.rival == champion.sha256]
    if not beside:
        return False, f"its speed beside version {champion.version} was not measured, {again(challenger)}"
    fast = all(each.least >= policy.min_speedup for each in beside)
    return fast, f"{' and '.join(map(str, beside))}, of which all must be at least {policy.min_speedup:g}"
