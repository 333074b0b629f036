"""The gate: may this challenger replace the champion? Pure: records in, a decision with its reasons out."""

from __future__ import annotations

import math

import numpy as np

from ganlib.config import GateConfig, Limit
from ganlib.core.record import Record
from ganlib.evaluation.evaluate import Evaluation
from ganlib.evaluation.metrics import Metric, metrics
from ganlib.evaluation.metrics.class_excess import due
from ganlib.registry.rivals import Check as Check
from ganlib.registry.rivals import Improvement, again, better, improvement
from ganlib.registry.version import Version, verdict_text


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
        return verdict_text([check.name for check in self.checks if not check.passed], awaiting=self.awaiting)

    @property
    def outcome(self) -> str:
        """What became of the challenger, as runs are named by: promoted, refused, awaiting approval."""
        return "awaiting approval" if self.awaiting else "promoted" if self.promoted else "refused"

    def summary(self) -> str:
        """Return a line for the decision and one for each check."""
        would, result = ("would be ", "") if self.dry_run else ("", " to champion")
        verb = f"{would}promoted{result}" if self.promoted else f"{would}refused"
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


def decide(challenger: Version, champion: Version | None, policy: GateConfig, comparisons: int = 0) -> Decision:
    """Make every check and report it, so that one report names all that is wrong.

    Args:
        challenger: the version to promote.
        champion: the version that it would displace, if there is one.
        policy: the limits.
        comparisons: how many other models were refused against this champion, as
            :meth:`ganlib.registry.ledger.LedgerSnapshot.comparisons` counts them.
    """
    checks = [
        _evidence(challenger),
        _parity(challenger, policy),
        *_limits(challenger, policy),
    ]
    if challenger.evaluation and challenger.evaluation.doubt:  # told, and no reason to refuse: it is of the data
        checks.append(Check(name="judge", passed=True, detail=challenger.evaluation.doubt))
    if challenger.unhealthy:
        checks.append(Check(name="health", passed=False, detail=f"its training broke: {challenger.unhealthy}"))
    if champion is not None:
        checks += [_contract(challenger, champion), _comparable(challenger, champion)]
    change = improvement(challenger, champion, policy.level, comparisons) if champion else None
    checks.append(better(challenger, champion, policy, change))
    return Decision(
        challenger=challenger.version,
        champion=champion.version if champion else None,
        promoted=all(check.passed for check in checks),
        checks=tuple(checks),
        policy=policy,
        improvement=change,
    )


def _evidence(version: Version) -> Check:
    name = "evidence"
    if version.damage:
        return Check(name=name, passed=False, detail=f"{version.damage}; {again(version)}")
    if version.evaluation is None or version.certificate is None or version.contract is None or not version.sha256:
        return Check(
            name=name,
            passed=False,
            detail=f"version {version.version} has no evaluation, certificate or sha256: register it with ganlib",
        )
    evaluation = version.evaluation
    if evaluation.delivery is None:
        detail = f"measured before there were all figures that the gate asks for; {again(version)}"
        return Check(name=name, passed=False, detail=detail)
    figures = [evaluation.fid, evaluation.figures[evaluation.deciding]]
    sound = all(math.isfinite(value) for each in figures for value in (each.value, each.low, each.high))
    detail = (
        f"{evaluation.deciding.upper()} {figures[-1]} of {evaluation.n:,} images, "
        f"{evaluation.floors[evaluation.deciding]} of as many real ones, judge {evaluation.judge_sha256[:12]}"
        + (f"; {evaluation.rule}" if evaluation.rule else "")
    )
    return Check(name=name, passed=sound, detail=detail)


def _parity(version: Version, policy: GateConfig) -> Check:
    name = "parity"
    if version.certificate is None:
        return Check(name=name, passed=False, detail="no certificate")
    certificate = version.certificate
    if certificate.mean_difference is not None:  # a sibling: torch's images were compared with its parent's
        return Check(
            name=name,
            passed=certificate.mean_difference <= policy.max_sibling_difference,
            detail=f"its images are off its parent's by {certificate.mean_difference:.3g} grey levels on the mean, "
            f"at most {certificate.max_pixel_difference} (limit {policy.max_sibling_difference:g} on the mean)",
        )
    return Check(
        name=name,
        passed=certificate.ok(policy.max_pixel_difference),
        detail=f"torch and onnxruntime differ by at most {certificate.max_pixel_difference} grey levels, "
        f"in {100 * certificate.differing_share:.4f}% of pixels (limit {policy.max_pixel_difference})",
    )


_COSTS = {"latency_ms": ("latency", "ms for one image on one thread"), "onnx_bytes": ("size", "bytes")}
"""Limits on what the file costs: the check's name, and the unit."""


def _limits(version: Version, policy: GateConfig) -> list[Check]:
    """Hold every figure that the policy limits against its limit."""
    evaluation = version.evaluation
    if evaluation is None:
        return [Check(name="limits", passed=False, detail="not evaluated")]
    checks = []
    for name, limit in policy.limits.items():
        if limit is None:
            continue
        if name in _COSTS:
            checks.append(_cost(name, limit, evaluation))
        elif metric := metrics().get(name):
            checks.append(_figure(name, metric, limit, evaluation, version))
        else:
            detail = f"gate.limits names {name!r}, which is no figure. Known: {', '.join([*metrics(), *_COSTS])}"
            checks.append(Check(name=name, passed=False, detail=detail))
    return checks


def _cost(name: str, limit: Limit, evaluation: Evaluation) -> Check:
    title, unit = _COSTS[name]
    if evaluation.delivery is None:
        return Check(name=title, passed=False, detail="not measured")
    value = evaluation.delivery.latency_ms if name == "latency_ms" else evaluation.delivery.bytes
    text = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
    return Check(name=title, passed=limit.holds(value), detail=f"{text} {unit} (limit: {limit})")


def _figure(name: str, metric: Metric, limit: Limit, evaluation: Evaluation, version: Version) -> Check:
    title = metric.fault or metric.label
    if metric.of_classes and not evaluation.class_names:
        return Check(name=title, passed=True, detail=f"not checked ({metric.label}): the judge knows no classes")
    figure = evaluation.figures.get(name)
    if figure is None:
        detail = f"measured before there was the figure {metric.label!r}; {again(version)}"
        return Check(name=title, passed=False, detail=detail)
    value, certain = figure.value, figure.low == figure.high
    text = f"{metric.label} {metric.text(value) if certain else metric.interval(figure)}"
    bound = limit.text(metric.text)
    if metric.above_floor and name in evaluation.floors:
        floor = evaluation.floors[name].value
        value, text = value - floor, f"{text}; as many real images have {metric.text(floor)}"
        bound = f"{bound} beyond that"
    detail = f"{_most_frequent(name, evaluation)}{text} (limit: {bound})"
    return Check(name=title, passed=limit.holds(value), detail=detail)


def _most_frequent(name: str, evaluation: Evaluation) -> str:
    """Name the class that the images have too many of."""
    if name != "class_excess" or not evaluation.class_shares:
        return ""
    shares, real = np.array(evaluation.class_shares), np.array(evaluation.real_class_shares)
    most = int((shares / due(real)).argmax())
    rare = f" (a rare one: held against an even share, {100 / len(real):.1f}%)" if due(real)[most] > real[most] else ""
    return (
        f"most frequent class {evaluation.class_names[most]} with {100 * shares[most]:.1f}% of the images and "
        f"{100 * real[most]:.1f}% of the data{rare}, "
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
    command = again(champion, challenger)
    if ours is None or theirs is None:
        return Check(name=name, passed=False, detail=f"not comparable: no evaluation on one side; {command}")
    if differing := ours.unlike(theirs):
        return Check(name=name, passed=False, detail=f"not comparable: other {', '.join(differing)}; {command}")
    return Check(
        name=name, passed=True, detail="same data, judge, metric version, number of images, seed and confidence level"
    )
