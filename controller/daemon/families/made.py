"""How a family of gauges is made of known values."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric


def gauge(name: str, text: str, value: float) -> Metric:
    """Return a family of one series without labels."""
    return GaugeMetricFamily(name, text, value=float(value))


def labelled(name: str, text: str, label: str, values: Mapping[str, float | None]) -> Metric:
    """Return one series for each known value; what is unknown has no series, since zero would be a value."""
    family = GaugeMetricFamily(name, text, labels=(label,))
    for key, value in values.items():
        if value is not None:
            family.add_metric((key,), float(value))
    return family


def by_pair(name: str, text: str, labels: tuple[str, str], values: Mapping[tuple[str, str], float]) -> Metric:
    """Return one series for each pair of labels."""
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family
