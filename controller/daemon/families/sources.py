"""What meters and agents say, and how old it is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from controller.core.site import Site
from controller.daemon.families.as_text import gauge_text, heading
from controller.daemon.families.made import labelled
from controller.daemon.latest import DEVICE_STATES, OLD_S, DeviceColumns, LatestAgent, LatestMeter


class _Unit(NamedTuple):
    """How Prometheus names a unit, and what a value of ours is multiplied by; its conventions have energy in joules."""

    name: str
    factor: float = 1.0


#: By the end of a quantity's name.
_UNITS: Final[Mapping[str, _Unit]] = {
    "w": _Unit("watts"),
    "hz": _Unit("hertz"),
    "v": _Unit("volts"),
    "a": _Unit("amperes"),
    "var": _Unit("volt_amperes_reactive"),
    "wh": _Unit("joules", 3600.0),
}


def of_meters(meters: Mapping[str, LatestMeter]) -> Iterator[Metric]:
    """Yield the newest value of each meter and of the source of the surplus, its age, and what is wrong with it."""
    values = {name: meter.value_w for name, meter in meters.items() if (meter.age_s or 0.0) <= OLD_S}
    ages = {name: meter.age_s for name, meter in meters.items()}
    qualities = {name: meter.quality for name, meter in meters.items()}
    problems = {name: bool(meter.problem) for name, meter in meters.items()}
    yield labelled("surplusd_meter_watts", "Newest value of the meter or surplus source.", "meter", values)
    yield labelled("surplusd_meter_age_seconds", "Age of the newest value.", "meter", ages)
    yield labelled("surplusd_meter_quality", "Quality of the meter: 0 good, 1 uncertain, 2 bad.", "meter", qualities)
    yield labelled("surplusd_meter_problem", "1 while something is wrong with the meter.", "meter", problems)
    yield from _quantities(meters)


def _quantities(meters: Mapping[str, LatestMeter]) -> Iterator[Metric]:
    """Yield what else the meters show, a family for each unit, slow ones with the age that marks them; of a meter that shows nothing now, nothing."""
    labels = ("meter", "quantity")
    families = {
        end: GaugeMetricFamily(
            f"surplusd_meter_quantity_{unit.name}",
            f"Newest {unit.name} of a quantity that the meter shows.",
            labels=labels,
        )
        for end, unit in _UNITS.items()
    }
    ages = GaugeMetricFamily("surplusd_meter_quantity_age_seconds", "Age of that value.", labels=labels)
    for name, meter in meters.items():
        if min((age_s for _, age_s in meter.quantities.values()), default=math.inf) > OLD_S:
            continue
        for quantity, (value, age_s) in meter.quantities.items():
            bare, _, end = quantity.rpartition("_")
            families[end].add_metric((name, bare), value * _UNITS[end].factor)
            ages.add_metric((name, bare), age_s)
    yield from families.values()
    yield ages


def of_agents(agents: Mapping[str, LatestAgent]) -> Iterator[str]:
    """Yield whether each agent is in contact, how old its report is, and what is left of its lease."""
    online = [(name, float(agent.online)) for name, agent in agents.items()]
    ages = [(name, agent.age_s) for name, agent in agents.items()]
    leases = [(name, agent.lease_left_s) for name, agent in agents.items()]
    yield gauge_text("surplusd_agent_online", "1 while the agent is in contact.", "agent", online)
    yield gauge_text("surplusd_agent_age_seconds", "Age of the agent's last report.", "agent", ages)
    text = "Time left of the lease of an agent in contact."
    yield gauge_text("surplusd_agent_lease_left_seconds", text, "agent", leases)


def devices_by_state(site: Site, columns: DeviceColumns) -> str:
    """Return how many devices of each agent are in each state."""
    states = len(DEVICE_STATES)
    counts = np.bincount(site.devices.agent * states + columns.state, minlength=len(site.agents) * states).tolist()
    pairs = ((agent, state) for agent in site.agents for state in DEVICE_STATES)
    name = "surplusd_agent_devices"
    lines = [
        f'{name}{{agent="{agent}",state="{state}"}} {count}\n'
        for (agent, state), count in zip(pairs, counts, strict=True)
    ]
    text = "Devices of the agent by the state that it reports; lost are those that do not answer, and all of a silent agent."
    return heading(name, text) + "".join(lines)
