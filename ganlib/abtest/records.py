"""What an A/B test is made of: the test, who gets which version, what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt

from ganlib.abtest.assign import Side, side
from ganlib.core.record import Record


class Arm(Record):
    """One of the two versions."""

    version: PositiveInt
    sha256: str


class Test(Record):
    """What was started."""

    __test__ = False  # no test of pytest's

    number: PositiveInt
    model: str
    a: Arm
    b: Arm
    share_a: float = Field(gt=0, lt=1)
    outcome: Literal["binary", "number"]
    level: float = Field(gt=0, lt=1)
    started: str
    ended: str | None = None
    reason: str = ""

    @property
    def salt(self) -> str:
        """What deals the keys: the next test of the same two deals them anew."""
        return f"{self.number} {self.a.sha256} {self.b.sha256}"

    def arm_of(self, key: str) -> Arm:
        """Return the version that makes the item of ``key``."""
        return self.a if self.side_of(key) == "a" else self.b

    def side_of(self, key: str) -> Side:
        """Return the side of ``key``."""
        return side(self.salt, self.share_a, key)


class Assignment(Record):
    """Who makes an item."""

    key: str
    side: Side
    version: PositiveInt
    sha256: str
    uri: str
    """What ``ganlib generate --model`` takes."""


class RecordedOutcome(Record):
    """A line of the outcomes."""

    key: str
    side: Side
    value: float
    time: str


class TestReport(Record):
    """A test and what its outcomes say."""

    test: Test
    comparison: dict[str, float | str | None]
    """See :class:`ganlib.abtest.sequential.SequentialResult`."""
    torn: int
    """Lines that a killed writer left unfinished; they do not count."""

    def summary(self) -> str:
        """Return a few lines for people."""
        test, comparison = self.test, self.comparison

        def row(name: str, arm: Arm) -> str:
            mean = comparison[f"mean_{name}"]
            text = "no outcome yet" if mean is None else f"mean {mean:.4g} of {comparison[f'n_{name}']:,}"
            return f"{name}: version {arm.version}  {text}"

        state = "ended" if test.ended else "running"
        lines = [f"A/B test {test.number} of {test.model} ({state}, {test.outcome}, {100 * test.share_a:g}% a)"]
        lines += [row("a", test.a), row("b", test.b)]
        if comparison["low"] is not None and comparison["high"] is not None:
            sure = 100 * (1 - test.level)
            lines.append(
                f"b - a: {comparison['difference']:+.4g}, {sure:g}% at all times [{comparison['low']:+.4g}, "
                f"{comparison['high']:+.4g}]"
            )
        if comparison["better"]:
            arm = test.a if comparison["better"] == "a" else test.b
            lines.append(
                f"{comparison['better']} is better: settled at outcome {comparison['stopped_at']:,}. "
                f"Next: ganlib ab stop --model {test.model}, ganlib promote models:/{test.model}/{arm.version}"
            )
        else:
            lines.append("not settled: go on, or stop and keep what there was")
        return "\n".join(lines)
