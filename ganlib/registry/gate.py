"""The gate: may this challenger replace the champion? Pure: records in, a decision with its reasons out."""

from __future__ import annotations

import math

from ganlib.config import Frozen, GateConfig
from ganlib.registry.versions import Version


class Check(Frozen):
    """One condition and what was found."""

    name: str
    passed: bool
    detail: str


class Decision(Frozen):
    """The gate's answer. ``promoted`` says what it decided; under ``dry_run`` nothing was moved."""

    challenger: int
    champion: int | None
    promoted: bool
    checks: tuple[Check, ...]
    policy: GateConfig
    dry_run: bool = False
    awaiting: bool = False
    """The gate passed it, and the policy asks for a person's approval: not promoted yet."""

    def summary(self) -> str:
        """A line for the decision and one for each check."""
        verb = ("would be promoted" if self.dry_run else "promoted to champion") if self.promoted else "refused"
        if self.awaiting:
            verb = "passed the gate and is awaiting approval: set its tag `approve` in MLflow's page"
        rival = f"version {self.champion}" if self.champion is not None else "no champion yet"
        lines = [f"version {self.challenger} {verb} (against {rival})"]
        return "\n".join(lines + [f"  {'ok' if c.passed else 'NO'}  {c.name}: {c.detail}" for c in self.checks])

    def markdown(self) -> str:
        """The report as a Markdown table."""
        title, *_ = self.summary().splitlines()
        rows = [f"| {'pass' if c.passed else '**fail**'} | {c.name} | {c.detail} |" for c in self.checks]
        return "\n".join([f"## {title}", "", "| | check | found |", "|---|---|---|", *rows, ""])


def decide(challenger: Version, champion: Version | None, policy: GateConfig) -> Decision:
    """Every check is made and reported, so that one report names all that is wrong."""
    checks = [_evidence(challenger), _parity(challenger, policy), _collapse(challenger, policy)]
    if challenger.unhealthy:
        checks.append(Check(name="health", passed=False, detail=f"its training broke: {challenger.unhealthy}"))
    if champion is not None:
        checks += [_contract(challenger, champion), _comparable(challenger, champion)]
    checks.append(_better(challenger, champion))
    return Decision(
        challenger=challenger.version,
        champion=champion.version if champion else None,
        promoted=all(check.passed for check in checks),
        checks=tuple(checks),
        policy=policy,
    )


def _evidence(version: Version) -> Check:
    name = "evidence"
    if version.evaluation is None or version.certificate is None or version.contract is None or not version.sha256:
        return Check(
            name=name,
            passed=False,
            detail=f"version {version.version} has no evaluation, certificate or sha256: register it with ganlib",
        )
    figures = version.evaluation.fid
    sound = all(math.isfinite(value) for value in (figures.value, figures.low, figures.high))
    detail = f"FID {figures} of {version.evaluation.n:,} images, judge {version.evaluation.judge_sha256[:12]}"
    return Check(name=name, passed=sound, detail=detail)


def _parity(version: Version, policy: GateConfig) -> Check:
    name = "parity"
    if version.certificate is None:
        return Check(name=name, passed=False, detail="no certificate")
    found = version.certificate
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


def _contract(challenger: Version, champion: Version) -> Check:
    name = "contract"
    if challenger.contract is None or champion.contract is None:
        return Check(name=name, passed=False, detail="unknown")
    problems = challenger.contract.problems(champion.contract)
    return Check(name=name, passed=not problems, detail="; ".join(problems) or "takes all that the champion takes")


def _comparable(challenger: Version, champion: Version) -> Check:
    name = "comparable"
    ours, theirs = challenger.evaluation, champion.evaluation
    again = f"re-evaluate: ganlib register {champion.run_id or 'RUN_ID'}"
    if ours is None or theirs is None:
        return Check(name=name, passed=False, detail=f"not comparable: no evaluation on one side; {again}")
    fields = ("data_version", "judge_sha256", "metric_version", "n", "seed", "level")
    differing = [field for field in fields if getattr(ours, field) != getattr(theirs, field)]
    if differing:
        return Check(name=name, passed=False, detail=f"not comparable: other {', '.join(differing)}; {again}")
    return Check(
        name=name, passed=True, detail="same data, judge, metric version, number of images, seed and confidence level"
    )


def _better(challenger: Version, champion: Version | None) -> Check:
    """The upper bound of the challenger's FID must lie below the lower bound of the champion's: lower is better."""
    name = "better"
    ours = challenger.evaluation.fid if challenger.evaluation else None
    if champion is None:
        return Check(name=name, passed=True, detail="there is no champion")
    theirs = champion.evaluation.fid if champion.evaluation else None
    if ours is None or theirs is None:
        return Check(name=name, passed=False, detail="unknown")
    return Check(
        name=name,
        passed=ours.high < theirs.low,
        detail=f"FID {ours} against {theirs}: the upper bound {ours.high:.3f} must be below {theirs.low:.3f}",
    )
