"""What Prometheus reads at /metrics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ganlib.generation.noise import BLOCK

if TYPE_CHECKING:
    from ganlib.serving.schema import About

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """Counters of one server; a registry of its own, so that several can live in one process."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ganlib_requests", "Answers by route, method and status.", ("route", "method", "status"),
            registry=self.registry,
        )  # fmt: skip
        self.seconds = Histogram(
            "ganlib_request_seconds", "From the request's first byte to the answer's last.", ("route",),
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.images = Counter("ganlib_images", "Images that were sent.", ("model",), registry=self.registry)
        self.blocks = Histogram(
            "ganlib_block_rows", f"Rows asked for in a block of {BLOCK} that ran.", ("model",),
            buckets=(1, 2, 4, 8, 16, 32, 48, BLOCK), registry=self.registry,
        )  # fmt: skip
        self.at_work = Gauge("ganlib_requests_at_work", "Requests for images under way.", registry=self.registry)
        self.swaps = Counter(
            "ganlib_swaps", "Models that took another's place, or could not.", ("model", "result"),
            registry=self.registry,
        )  # fmt: skip
        self.registry_up = Gauge(
            "ganlib_registry_up", "Whether the registry answered last time.", registry=self.registry
        )
        self.registry_up.set(1)
        self._model = Gauge(
            "ganlib_model_info", "1 for what is served.", ("model", "version", "sha256", "family"),
            registry=self.registry,
        )  # fmt: skip

    def block(self, model: str, rows: int) -> None:
        """A block of ``model`` ran with ``rows`` rows that were asked for."""
        self.blocks.labels(model).observe(rows)

    def models(self, about_models: Iterable[About]) -> None:
        """These are served now, and no others."""
        self._model.clear()
        for about in about_models:
            version = "" if about.version is None else str(about.version)
            self._model.labels(about.name, version, about.sha256, about.family or "").set(1)

    def text(self) -> bytes:
        """Return all of it, in Prometheus's text format."""
        return generate_latest(self.registry)
