"""What a panel of a dashboard is, in our words. `site_charts.py` and `fleet_charts.py` are tables of these; `panels.py` makes panels of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

#: Colours by what they mean. Red is never said of what is well, and green never of what is not.
GOOD: Final = "green"
DOUBT: Final = "orange"
BAD: Final = "red"
#: Neither well nor wrong.
NEUTRAL: Final = "blue"
DIM: Final = "#8e8e8e"


class Draw(Enum):
    """The kind of a panel, by Grafana's name of it."""

    STAT = "stat"
    BARS = "bargauge"
    LINES = "timeseries"
    TIMELINE = "state-timeline"
    TABLE = "table"


class Query(NamedTuple):
    """One PromQL expression, and the name of its series; in a table the name of its column."""

    expr: str
    legend: str


class Step(NamedTuple):
    """From `value` on the colour is this; None: from the bottom."""

    value: float | None
    colour: str


class Meaning(NamedTuple):
    """What a value is called, and its colour."""

    value: int
    text: str
    colour: str


#: Well at nothing, wrong above.
NONE_IS_WELL: Final = (Step(None, GOOD), Step(1, BAD))
#: The age in s of what an agent reports: out of contact after five.
OLD: Final = (Step(None, GOOD), Step(3, DOUBT), Step(5, BAD))
#: For values that mean nothing good and nothing bad.
PLAIN: Final = (Step(None, NEUTRAL),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How a column of a table is shown, where not as the panel says; `texts`: what stands there for a text."""

    unit: str = ""
    steps: tuple[Step, ...] = ()
    meanings: tuple[Meaning, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    width: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One panel: `unit` in Grafana's words, `width` of 24 columns, `height` in its units of 38 pixels.

    `steps`, `meanings`: colours by value; `colours`: of lines, by the names of their series. `empty`: what stands there while nothing is known.
    `leads_to`: where a click on a value goes. `columns`: of a table, by name; `hidden`: labels that are no column.
    `sequence`: where columns stand otherwise than Grafana puts them, labels and ``Value`` with what each is called.
    """

    title: str
    description: str
    queries: tuple[Query, ...]
    draw: Draw = Draw.LINES
    unit: str = "short"
    width: int = 8
    height: int = 8
    steps: tuple[Step, ...] = PLAIN
    meanings: tuple[Meaning, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    stacked: bool = False
    named: bool = False
    decimals: int | None = None
    empty: str = "not known"
    columns: Mapping[str, Column] = field(default_factory=dict)
    leads_to: str = ""
    hidden: tuple[str, ...] = ()
    sequence: Mapping[str, str] = field(default_factory=dict)


class Row(NamedTuple):
    """A row of panels under a title."""

    title: str
    charts: tuple[Chart, ...]


def of_site(metric: str, selector: str = "", **labels: str) -> str:
    """Return the series of a metric that belong to the chosen site; `selector`, as ``node="$node"``, and `labels` narrow them."""
    parts = ('instance="$site"', selector, *(f'{name}="{value}"' for name, value in labels.items()))
    return f"{metric}{{{','.join(part for part in parts if part)}}}"


def kilo_watt_hours(watts: str) -> str:
    """Return the energy over the time that the dashboard shows, in kWh, of a power of which only known values count."""
    return f"avg_over_time({watts}[$__range]) * $__range_s / 3.6e6"
