"""Processor, memory, disk, network and GPU over a run: MLflow's sensors, sent through the run's own queue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor


class SystemMonitor(SystemMetricsMonitor):  # type: ignore[misc]  # mlflow is untyped
    """MLflow's monitor, whose own loop asks the store between samples and ends for good at the first failure.

    This one only measures; what it found waits with the run's other values while the store is away.
    """

    def __init__(
        self, run_id: str, uri: str, log: Callable[[Mapping[str, float], int], None], *, resumed: bool
    ) -> None:
        """``log`` takes values and their step; steps of a resumed run go on after those in the store at ``uri``."""
        super().__init__(run_id, sampling_interval=5, resume_logging=resumed, tracking_uri=uri)
        self._log = log

    def monitor(self) -> None:
        """Measure until told to finish."""
        while not self._shutdown_event.wait(self.sampling_interval):
            self.collect_metrics()
            self.publish_metrics(self.aggregate_metrics())

    def publish_metrics(self, metrics: Mapping[str, float]) -> None:
        """Hand one sample over."""
        self._log({f"{self._metrics_prefix}{name}": value for name, value in metrics.items()}, self._logging_step)
        self._logging_step += 1
        for monitor in self.monitors:
            monitor.clear_metrics()
