"""Families of the demand that is billed, and of what it costs to stay under it."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from controller.core.decision import Decision
from controller.daemon.families.made import gauge, labelled


def of_demand(decision: Decision, currency: str) -> Iterator[Metric]:
    """Yield what the running window has had and may have; nothing where the site file names none."""
    now = decision.demand
    if now is None:
        return
    yield gauge("surplusd_demand_limit_watts", "Mean power under which each billed window is to stay.", now.limit_w)
    text = "Watts that the site may draw from now on for the window to stay under it; an economic cap."
    yield gauge("surplusd_demand_cap_watts", text, now.cap_w)
    text = "Joules that the window has had, with what is guessed where nobody saw the power."
    yield gauge("surplusd_demand_used_joules", text, now.use.used_ws)
    yield gauge("surplusd_demand_guessed_joules", "Joules of these that nobody has seen.", now.use.guessed_ws)
    yield gauge("surplusd_demand_left_seconds", "Time that is left of the window.", now.ends_in_s)
    yield gauge("surplusd_demand_held_back_watts", "Watts that devices could use but for the cap.", now.held_back_w)
    text = "No more than this would those watts earn; 0 while the cap holds nothing back."
    yield labelled("surplusd_demand_cost_per_hour", text, "currency", {currency: now.cost_per_h})
