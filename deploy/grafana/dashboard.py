"""Builds the Grafana dashboards: ``make generate`` after a change here; the JSON is committed.

A panel is a row of `site_charts.py` or `fleet_charts.py`. Queries are the ones of Prometheus; metrics are those of
`controller/daemon/metrics.py`, and what `deploy/prometheus/surplusd-records.yml` records of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, DatasourceVariable, QueryVariable
from grafana_foundation_sdk.builders.dashboard import Row as RowOfPanels
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from deploy.grafana import fleet_charts, site_charts
from deploy.grafana.charts import BAD, DOUBT, NEUTRAL, Row, of_site
from deploy.grafana.panels import SOURCE, panel_of


class Variable(NamedTuple):
    """What the person chooses: the values of `label` of a metric. `first`: chosen where nobody has; empty: the first one."""

    name: str
    title: str
    label: str
    metric: str
    first: str = ""


class Mark(NamedTuple):
    """What is marked over all panels for as long as its expression has a value above zero."""

    name: str
    expr: str
    title: str
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]


_SITE: Final = Variable("site", "Site", "instance", "surplusd_build_info")
_NOT_NORMAL: Final = 'mode!="normal"'
#: A minute back, since Grafana looks at one moment a minute.
_MARKS: Final = (
    Mark("Not NORMAL", f"max_over_time({of_site('surplusd_mode', _NOT_NORMAL)}[1m]) > 0", "mode {{mode}}", DOUBT),
    Mark("Orders in force", f"max_over_time({of_site('surplusd_orders_in_force')}[1m]) > 0", "order in force", NEUTRAL),
    Mark(
        "Orders not met",
        f"max_over_time({of_site('surplusd_orders_compliance', compliance='not_met')}[1m]) > 0",
        "order not met",
        BAD,
    ),
)
BOARDS: Final = (
    Board(
        uid="surplusd",
        title="surplusd: site",
        description="A site on surplus power: how it is, what it may draw, what it draws, and why.",
        rows=site_charts.ROWS,
        variables=(_SITE, Variable("node", "Node", "node", of_site("surplusd_node_infeasible"), "pcc")),
    ),
    Board(
        uid="surplusd-fleet",
        title="surplusd: agents and devices",
        description="What each agent says, and each of its devices.",
        rows=fleet_charts.ROWS,
        variables=(
            _SITE,
            Variable("agent", "Agent", "agent", of_site("surplusd_agent_online")),
            Variable("device", "Device", "device", of_site("surplusd_device_state", agent="$agent")),
        ),
    ),
)


def build(uid: str) -> str:
    """Return the dashboard of this uid as JSON, the same for the same charts."""
    (board,) = (each for each in BOARDS if each.uid == uid)
    dashboard = _frame(board)
    number = 0
    for row in board.rows:
        dashboard.with_row(RowOfPanels(row.title).id(number := number + 1))
        for chart in row.charts:
            dashboard.with_panel(panel_of(chart).id(number := number + 1))
    content = json.loads(json.dumps(dashboard.build(), cls=JSONEncoder))
    content["annotations"] = {"list": [_annotation(mark) for mark in _MARKS]}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _frame(board: Board) -> Dashboard:
    """Return the dashboard without its panels."""
    dashboard = (
        Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags(["surplusd"])
        .timezone("browser")
        .refresh("5s")
        .time("now-30m", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("source").label("Source").type("prometheus"))
        .link(_to_the_others())
    )
    for variable in board.variables:
        dashboard.with_variable(_variable(variable))
    return dashboard


def _to_the_others() -> DashboardLink:
    link = DashboardLink("Dashboards of surplusd").type(DashboardLinkType.DASHBOARDS).tags(["surplusd"])
    return link.include_vars(include_vars=True).keep_time(keep_time=True)


def _variable(variable: Variable) -> QueryVariable:
    made = (
        QueryVariable(variable.name)
        .label(variable.title)
        .datasource(SOURCE)
        .query(f"label_values({variable.metric}, {variable.label})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )
    return made.current(VariableOption(text=variable.first, value=variable.first)) if variable.first else made


def _annotation(mark: Mark) -> dict[str, object]:
    """Return the annotation as Grafana's Prometheus source reads it, of which the library knows a part only."""
    return {
        "name": mark.name,
        "datasource": {"type": SOURCE.type_val, "uid": SOURCE.uid},
        "enable": True,
        "expr": mark.expr,
        "iconColor": mark.colour,
        "step": "60s",
        "titleFormat": mark.title,
    }
