"""How devices are shown, of a site, of an agent or one by one: by state, and what they may draw beside what they say they draw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from deploy.grafana.charts import BAD, DIM, DOUBT, GOOD, NEUTRAL, Chart, Meaning, Query

#: By its name in labels each state of a device: its number in `surplusd_device_state`, what it is called, and its colour.
#: Lines are stacked in this sequence.
STATES: Final = {
    "running": Meaning(2, "running", GOOD),
    "starting": Meaning(1, "starting", NEUTRAL),
    "stopping": Meaning(3, "stopping", "yellow"),
    "off": Meaning(0, "off", DIM),
    "resting": Meaning(6, "resting", DOUBT),
    "unknown": Meaning(5, "not known", DOUBT),
    "lost": Meaning(4, "LOST", BAD),
}
#: The same as values of one series.
BY_NUMBER: Final = tuple(sorted(STATES.values()))


def by_state(title: str, description: str, count: Callable[[str], str], *, width: int = 8) -> Chart:
    """Return the number of devices in each state; `count`: the expression for a state."""
    return Chart(
        title=title,
        description=description,
        queries=tuple(Query(count(state), state) for state in STATES),
        colours={state: meaning.colour for state, meaning in STATES.items()},
        stacked=True,
        width=width,
    )


def told_and_said(title: str, description: str, *, told: str, said: str, width: int = 8) -> Chart:
    """Return what devices may draw beside what they say they draw, each by its expression."""
    return Chart(
        title=title,
        description=description,
        unit="watt",
        queries=(Query(told, "setpoints"), Query(said, "reports")),
        colours={"setpoints": "light-blue", "reports": NEUTRAL},
        width=width,
    )
