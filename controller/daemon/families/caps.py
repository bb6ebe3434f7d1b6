"""Families of capped devices' jobs, by group."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric

from controller.core.decision import Decision
from controller.daemon.families.made import gauge, labelled


def of_caps(decision: Decision) -> Iterator[Metric]:
    """Yield what jobs on capped devices draw, may draw and were held back, by group."""
    caps = {each.group: each for each in decision.caps}
    cap_w = {name: each.cap_w for name, each in caps.items()}
    yield labelled("surplusd_cap_watts", "Sum of the caps of the group's devices.", "group", cap_w)
    drawn_w = {name: each.drawn_w for name, each in caps.items()}
    yield labelled("surplusd_cap_drawn_watts", "What the group's jobs draw of them.", "group", drawn_w)
    reserve_w = max((each.reserve_w for each in decision.caps), default=0.0)
    yield gauge("surplusd_cap_reserve_watts", "Watts that are kept free for caps that rise.", reserve_w)
    for name, text, attribute in (
        ("surplusd_cap_held_joules", "Joules by which caps have held the group's jobs back.", "held_ws"),
        ("surplusd_cap_used_joules", "Joules that the group's jobs have drawn.", "drawn_ws"),
    ):
        family = CounterMetricFamily(name, text, labels=("group",))
        for group, each in caps.items():
            family.add_metric((group,), getattr(each, attribute))
        yield family
