"""Prometheus' text format as its own parser reads it, and as `promtool` does where that is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

Sample = tuple[str, frozenset[tuple[str, str]]]


def samples(text: str) -> Mapping[Sample, float]:
    """Return the value of each sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample(text: str, name: str, **labels: str) -> float:
    """Return the value of the one sample with this name and these labels."""
    return samples(text)[name, frozenset(labels.items())]


def declared(text: str) -> frozenset[str]:
    """Return all names that a query may use: of counters and gauges, with samples or without."""
    rows = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    return frozenset(name for name, kind in rows if kind in ("counter", "gauge"))


def promtool(*words: str, text: str = "") -> subprocess.CompletedProcess[str] | None:
    """Run `promtool` with these words and input; None where there is none (Debian: apt-get install prometheus)."""
    path = shutil.which("promtool")
    if path is None:
        return None
    return subprocess.run([path, *words], input=text, capture_output=True, text=True, check=False)
