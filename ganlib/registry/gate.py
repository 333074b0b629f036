"""The gate: may this challenger replace the champion? Pure: records in, a decision with its reasons out."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from ganlib.config import GateConfig
from ganlib.core.record import Record
from ganlib.evaluation.bootstrap import unpack
from ganlib.registry.version import Version, said

_LEAST = 50  # replicates that a standard deviation is taken of


class Check(Record):
    """One condition and what was found."""

    name: str
    passed: bool
    detail: str


class Improvement(Record):
    """How much lower the challenger's FID is than the champion's, by a paired bootstrap."""

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


class Decision(Record):
    """The gate's answer. ``promoted`` says what it decided; under ``dry_run`` nothing was moved."""

    challenger: int
    champion: int | None
    promoted: bool
    checks: tuple[Check, ...]
    policy: GateConfig
    improvement: Improvement | None = None
    dry_run: bool = False
    awaiting: bool = False
    """The gate passed it, and the policy asks for a person's approval: not promoted yet."""
    taken_back: int | None = None
    """The ledger's entry by which a person had rolled back from it. Unless somebody insisted, that is the decision."""

    def word(self) -> str:
        """Return the tag ``gate``: ``passed``, or ``refused:`` and the names of the checks that failed."""
        return said([check.name for check in self.checks if not check.passed], awaiting=self.awaiting)

    def summary(self) -> str:
        """Return a line for the decision and one for each check."""
        would, done = ("would be ", "") if self.dry_run else ("", " to champion")
        verb = f"{would}promoted{done}" if self.promoted else f"{would}refused"
        if self.awaiting:
            verb = "passed the gate and is awaiting approval: set its tag `approve` in MLflow's page"
        rival = f"version {self.champion}" if self.champion is not None else "no champion yet"
        lines = [f"version {self.challenger} {verb} (against {rival})"]
        return "\n".join(lines + [f"  {'ok' if c.passed else 'NO'}  {c.name}: {c.detail}" for c in self.checks])

    def markdown(self) -> str:
        """Return the report as a Markdown table."""
        title, *_ = self.summary().splitlines()
        rows = [f"| {'pass' if c.passed else '**fail**'} | {c.name} | {c.detail} |" for c in self.checks]
        return "\n".join([f"## {title}", "", "| | check | found |", "|---|---|---|", *rows, ""])


def decide(challenger: Version, champion: Version | None, policy: GateConfig, tried: int = 0) -> Decision:
    """Make every check and report it, so that one report names all that is wrong.

    Args:
        challenger: the version to promote.
        champion: the version that it would displace, if there is one.
        policy: the limits.
        tried: how many other models were refused against this champion, as
            :meth:`ganlib.registry.ledger.LedgerSnapshot.tried` counts them.
    """
    checks = [
        _evidence(challenger),
        _parity(challenger, policy),
        _collapse(challenger, policy),
        *_hard(challenger, policy),
    ]
    if challenger.evaluation and challenger.evaluation.doubt:  # told, and no reason to refuse: it is of the data
        checks.append(Check(name="judge", passed=True, detail=f"but {challenger.evaluation.doubt}"))
    if challenger.unhealthy:
        checks.append(Check(name="health", passed=False, detail=f"its training broke: {challenger.unhealthy}"))
    if champion is not None:
        checks += [_contract(challenger, champion), _comparable(challenger, champion)]
    found = improvement(challenger, champion, policy.level, tried) if champion else None
    checks.append(_better(challenger, champion, policy, found))
    return Decision(
        challenger=challenger.version,
        champion=champion.version if champion else None,
        promoted=all(check.passed for check in checks),
        checks=tuple(checks),
        policy=policy,
        improvement=found,
    )


def spend(level: float, tried: int, candidates: int = 1) -> float:
    """Return what of ``level`` a challenger may spend that was the best of ``candidates``, after ``tried`` others.

    The k-th model gets ``level / (k (k + 1))``; these sum to ``level`` over any number of models. The best of m gets
    what m would have got together, and shares it among them (Bonferroni), since it stands for all of them.
    """
    return level / ((tried + 1) * (tried + candidates + 1))


def improvement(challenger: Version, champion: Version, level: float, tried: int) -> Improvement | None:
    """Return the champion's FID less the challenger's, with a lower bound; None if their replicates do not fit.

    Replicate b of either resamples images of the same numbers, so of the same noise and label, against the same
    reference: their difference is a replicate of the difference. The bound takes its standard deviation and the normal
    quantile: at the levels that are left after some challengers, no affordable number of replicates has percentiles.
    """
    if challenger.evaluation is None or champion.evaluation is None:
        return None
    ours, theirs = unpack(challenger.evaluation.fid_resampled), unpack(champion.evaluation.fid_resampled)
    if len(ours) != len(theirs) or len(ours) < _LEAST or not np.isfinite([ours, theirs]).all():
        return None
    value = champion.evaluation.fid.value - challenger.evaluation.fid.value
    share = spend(level, tried, challenger.candidates)
    spread = float((theirs - ours).std(ddof=1))
    together = float(ours.std() * theirs.std())
    covariance = float(((ours - ours.mean()) * (theirs - theirs.mean())).mean())
    return Improvement(
        value=value,
        bound=value - NormalDist().inv_cdf(1 - share) * spread,
        level=share,
        tried=tried,
        candidates=challenger.candidates,
        correlation=covariance / together if together else 0.0,
    )


def _evidence(version: Version) -> Check:
    name = "evidence"
    if version.damage:
        return Check(name=name, passed=False, detail=f"{version.damage}; {_again(version)}")
    if version.evaluation is None or version.certificate is None or version.contract is None or not version.sha256:
        return Check(
            name=name,
            passed=False,
            detail=f"version {version.version} has no evaluation, certificate or sha256: register it with ganlib",
        )
    figures = version.evaluation.fid
    if version.evaluation.quality is None or version.evaluation.delivery is None:
        detail = f"measured before there were all figures that the gate asks for; {_again(version)}"
        return Check(name=name, passed=False, detail=detail)
    sound = all(math.isfinite(value) for value in (figures.value, figures.low, figures.high))
    detail = f"FID {figures} of {version.evaluation.n:,} images, judge {version.evaluation.judge_sha256[:12]}"
    return Check(name=name, passed=sound, detail=detail)


def _parity(version: Version, policy: GateConfig) -> Check:
    name = "parity"
    if version.certificate is None:
        return Check(name=name, passed=False, detail="no certificate")
    found = version.certificate
    if found.mean_difference is not None:  # a sibling: torch's images were compared with its parent's
        return Check(
            name=name,
            passed=found.mean_difference <= policy.max_sibling_difference,
            detail=f"its images are off its parent's by {found.mean_difference:.3g} grey levels on the mean, at most "
            f"{found.max_pixel_difference} (limit {policy.max_sibling_difference:g} on the mean)",
        )
    return Check(
        name=name,
        passed=found.ok(policy.max_pixel_difference),
        detail=f"torch and onnxruntime differ by at most {found.max_pixel_difference} grey levels, "
        f"in {100 * found.differing_share:.4f}% of pixels (limit {policy.max_pixel_difference})",
    )


def _collapse(version: Version, policy: GateConfig) -> Check:
    name = "mode collapse"
    if version.evaluation is None:
        return Check(name=name, passed=False, detail="not evaluated")
    shares = version.evaluation.digits
    if len(shares) != 10 or not all(map(math.isfinite, shares)):
        return Check(name=name, passed=False, detail="the shares of the ten digits are missing")
    most = max(range(10), key=lambda digit: shares[digit])
    return Check(
        name=name,
        passed=shares[most] <= policy.max_digit_share,
        detail=f"most frequent digit {most} with {100 * shares[most]:.1f}% (limit {100 * policy.max_digit_share:.0f}%)",
    )


def _hard(version: Version, policy: GateConfig) -> list[Check]:
    """Limits that need the evaluation's further figures; none if it has not got them, which :func:`_evidence` says."""
    found = version.evaluation
    if found is None or found.quality is None or found.delivery is None:
        return []
    diversity, copies, given = found.quality.diversity, found.quality.copies, found.delivery
    return [
        Check(
            name="diversity",
            passed=diversity.value >= policy.min_diversity,
            detail=f"variance within digits {diversity} of real images' (at least {policy.min_diversity})",
        ),
        Check(
            name="memorisation",
            passed=copies.value <= policy.max_copies,
            detail=f"{100 * copies.value:.2f}% near copies of training images (limit {100 * policy.max_copies:g}%)",
        ),
        Check(
            name="latency",
            passed=given.latency_ms <= policy.max_latency_ms,
            detail=f"{given.latency_ms:.2f} ms for one image on one thread (limit {policy.max_latency_ms:g})",
        ),
        Check(
            name="size",
            passed=given.bytes <= policy.max_bytes,
            detail=f"{given.bytes:,} bytes (limit {policy.max_bytes:,})",
        ),
    ]


def _again(*versions: Version) -> str:
    """The command that makes figures comparable."""
    return "re-evaluate: " + " && ".join(f"ganlib evaluate {version.version} --record" for version in versions)


def _contract(challenger: Version, champion: Version) -> Check:
    name = "contract"
    if challenger.contract is None or champion.contract is None:
        return Check(name=name, passed=False, detail="unknown")
    problems = challenger.contract.problems(champion.contract)
    return Check(name=name, passed=not problems, detail="; ".join(problems) or "takes all that the champion takes")


def _comparable(challenger: Version, champion: Version) -> Check:
    name = "comparable"
    ours, theirs = challenger.evaluation, champion.evaluation
    again = _again(champion, challenger)
    if ours is None or theirs is None:
        return Check(name=name, passed=False, detail=f"not comparable: no evaluation on one side; {again}")
    if differing := ours.unlike(theirs):
        return Check(name=name, passed=False, detail=f"not comparable: other {', '.join(differing)}; {again}")
    return Check(
        name=name, passed=True, detail="same data, judge, metric version, number of images, seed and confidence level"
    )


def _change(found: Improvement, policy: GateConfig) -> str:
    """How the challenger's FID differs from the champion's, and what of it is beyond doubt."""
    wanted = f"it must be lower beyond doubt by more than {policy.min_improvement:g}"
    if found.value <= 0:
        return f"higher by {-found.value:.3f}, and {wanted}" if found.value else f"no lower, and {wanted}"
    if found.bound <= 0:
        return (
            f"lower by {found.value:.3f}, but that may be chance (it may be higher by {-found.bound:.3f}), and {wanted}"
        )
    sure = f"beyond doubt by {found.bound:.3f}, which must exceed {policy.min_improvement:g}"
    return f"lower by {found.value:.3f}, and {sure}"


def _better(
    challenger: Version, champion: Version | None, policy: GateConfig, found: Improvement | None
) -> Check:  # fmt: skip
    """The lower bound of the improvement must exceed what the policy asks for."""
    name = "better"
    if champion is None:
        return Check(name=name, passed=True, detail="there is no champion")
    if challenger.evaluation is None or champion.evaluation is None:
        return Check(name=name, passed=False, detail="unknown")
    if found is None:
        detail = f"unknown: no replicates of the FID that belong together; {_again(champion, challenger)}"
        return Check(name=name, passed=False, detail=detail)
    chosen = f", the best of {found.candidates}" if found.candidates > 1 else ""
    return Check(
        name=name,
        passed=found.bound > policy.min_improvement,
        detail=f"FID {challenger.evaluation.fid} against {champion.evaluation.fid}: {_change(found, policy)} (paired "
        f"bootstrap at level "
        f"{found.level:.2g}: {policy.level:g} is shared among all challengers, {found.tried} before this one{chosen})",
    )
