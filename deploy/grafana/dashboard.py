"""Builds the Grafana dashboard: ``make generate`` after a change here; the JSON is committed.

A chart is a row of `CHARTS`. Queries are the ones of Prometheus; metrics are those of `controller/daemon/metrics.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as Timeline
from grafana_foundation_sdk.builders.timeseries import Panel as Lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueTextMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

#: The uid of provisioning/datasources/prometheus.yaml.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="surplusd-prometheus")


class Query(NamedTuple):
    """One PromQL expression and the name of its series."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One panel: `unit` in Grafana's words, `width` of 24 columns, `draw` the kind of panel."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    draw: type[Lines | Timeline | Stat] = Lines


#: Selects the node that the dashboard's variable names; the site's connection is called pcc by custom.
NODE: Final = '{node="$node"}'
_STATES: Final = ("off", "starting", "running", "stopping", "lost", "unknown")


CHARTS: Final = (
    Chart(
        title="Mode",
        description="NORMAL, or less. The reasons stand below, with their figures in /api/v1/status.",
        queries=(Query("surplusd_mode == 1", "{{mode}}"),),
        width=6,
        draw=Stat,
    ),
    Chart(
        title="Binding limit",
        description="The limit that is the smallest at the node now.",
        queries=(Query("surplusd_node_binding" + NODE, "{{limit}}"),),
        width=6,
        draw=Stat,
    ),
    Chart(
        title="Orders in force",
        description="Curtailment orders that bind now.",
        queries=(Query("surplusd_orders_in_force", "orders"),),
        width=6,
        draw=Stat,
    ),
    Chart(
        title="Infeasible nodes",
        description="Nodes whose envelope is below what they draw with everything off.",
        queries=(Query("sum(surplusd_node_infeasible)", "nodes"),),
        width=6,
        draw=Stat,
    ),
    Chart(
        title="Tripped nodes",
        description="1 while the node's contactor is told to be open; of nodes that have one.",
        queries=(Query("surplusd_node_tripped", "{{node}}"),),
        width=12,
        draw=Stat,
    ),
    Chart(
        title="Contactors",
        description="As they are read back: 1 closed, 0 open; one that cannot be read is absent.",
        queries=(Query("surplusd_contactor_closed", "{{node}}"),),
        width=12,
        draw=Stat,
    ),
    Chart(
        title="Reasons that hold now",
        description="By code, and by what each is about; section 5 of docs/operations.md says what to do. None: all is well.",
        queries=(Query("surplusd_reason", "{{code}} {{subject}}"),),
        width=24,
        draw=Stat,
    ),
    Chart(
        title="Envelope and power",
        description="What the node may draw, what the site draws by its meter, and what its setpoints add up to.",
        unit="watt",
        queries=(
            Query("surplusd_node_envelope_watts" + NODE, "envelope"),
            Query("surplusd_site_power_watts", "site power (meter)"),
            Query(f"surplusd_node_planned_watts{NODE} + surplusd_node_house_watts{NODE}", "planned + house load"),
            Query(f"surplusd_node_committed_watts{NODE} + surplusd_node_house_watts{NODE}", "committed + house load"),
            Query("surplusd_node_floor_watts" + NODE, "floor"),
        ),
        width=24,
    ),
    Chart(
        title="Mode over time",
        description="The mode that the site was in.",
        queries=(Query("surplusd_mode == 1", "{{mode}}"),),
        draw=Timeline,
    ),
    Chart(
        title="Binding limit over time",
        description="The limit that was the smallest at the node.",
        queries=(Query("surplusd_node_binding" + NODE, "{{limit}}"),),
        draw=Timeline,
    ),
    Chart(
        title="Surplus",
        description="What the grid can spare at this site, as it counts in the envelope.",
        unit="watt",
        queries=(Query("surplusd_surplus_watts", "surplus"),),
        width=8,
    ),
    Chart(
        title="House load",
        description="What the meters see beyond the devices: cooling, light, losses.",
        unit="watt",
        queries=(Query("surplusd_node_house_watts", "{{node}}"),),
        width=8,
    ),
    Chart(
        title="Headroom per node",
        description="Envelope less planned power and house load; below zero only where a node is infeasible.",
        unit="watt",
        queries=(
            Query("surplusd_node_envelope_watts - surplusd_node_planned_watts - surplusd_node_house_watts", "{{node}}"),
        ),
        width=8,
    ),
    Chart(
        title="Caps of jobs",
        description="Caps of each group of GPU nodes, what its jobs draw of them, and what is kept free for caps that rise.",
        unit="watt",
        queries=(
            Query("surplusd_cap_watts", "{{group}}, caps"),
            Query("surplusd_cap_drawn_watts", "{{group}}, drawn"),
            Query("surplusd_cap_reserve_watts", "kept free"),
        ),
        width=12,
    ),
    Chart(
        title="Jobs held back",
        description="Share of their energy by which caps hold jobs back.",
        unit="percentunit",
        queries=(
            Query("rate(surplusd_cap_held_joules_total[5m]) / rate(surplusd_cap_used_joules_total[5m])", "{{group}}"),
        ),
        width=12,
    ),
    Chart(
        title="Orders",
        description="Open are all that are neither ended nor released, scheduled ones too.",
        queries=(Query("surplusd_orders_open", "open"), Query("surplusd_orders_in_force", "in force")),
        width=8,
    ),
    Chart(
        title="Value of the allocation",
        description="Currency per hour: of what is allotted to devices that are led, and the certified upper bound for all.",
        queries=(Query("surplusd_allocation_value_rate", "value"), Query("surplusd_allocation_bound_rate", "bound")),
        width=8,
    ),
    Chart(
        title="Gap of the allocation",
        description="Share of the bound that is not reached.",
        unit="percentunit",
        queries=(Query("surplusd_allocation_gap_ratio", "gap"),),
        width=8,
    ),
    Chart(
        title="Meters",
        description="Newest value of each meter and of the surplus source.",
        unit="watt",
        queries=(Query("surplusd_meter_watts", "{{meter}}"),),
        width=8,
    ),
    Chart(
        title="Age of the readings",
        description="From the time at which the value was taken.",
        unit="s",
        queries=(Query("surplusd_meter_age_seconds", "{{meter}}"),),
        width=8,
    ),
    Chart(
        title="Quality of the readings",
        description="0 good, 1 uncertain, 2 bad.",
        queries=(Query("surplusd_meter_quality", "{{meter}}"),),
        width=8,
        draw=Timeline,
    ),
    Chart(
        title="Agents in contact",
        description="1 while the agent reports.",
        queries=(Query("surplusd_agent_online", "{{agent}}"),),
        width=8,
        draw=Timeline,
    ),
    Chart(
        title="Age of the reports",
        description="From the arrival of the agent's last report.",
        unit="s",
        queries=(Query("surplusd_agent_age_seconds", "{{agent}}"),),
        width=8,
    ),
    Chart(
        title="Lease left",
        description="On the agent's own clock; its devices go to failsafe before it ends. Absent while it is silent.",
        unit="s",
        queries=(Query("surplusd_agent_lease_left_seconds", "{{agent}}"),),
        width=8,
    ),
    Chart(
        title="Devices by state",
        description="As the agents report them; lost are those that do not answer their agent.",
        queries=tuple(Query(f"sum(surplusd_device_state == bool {code})", name) for code, name in enumerate(_STATES)),
    ),
    Chart(
        title="Devices: setpoints and reports",
        description="What they may draw and what they say they draw; reports are off by 5-20 %, the meter decides.",
        unit="watt",
        queries=(
            Query("sum(surplusd_device_setpoint_watts)", "setpoints"),
            Query("sum(surplusd_device_power_watts >= 0)", "reports"),  # the comparison leaves out NaN, unknown
        ),
    ),
    Chart(
        title="Tick",
        description="Time that a control tick takes.",
        unit="s",
        queries=tuple(
            Query(
                f"histogram_quantile({q}, sum by (le) (rate(surplusd_tick_duration_seconds_bucket[$__rate_interval])))",
                f"p{round(q * 100)}",
            )
            for q in (0.5, 0.99)
        ),
        width=8,
    ),
    Chart(
        title="Journal",
        description="1 while it can be written; records that wait for the disk.",
        queries=(Query("surplusd_journal_usable", "usable"), Query("surplusd_journal_waiting", "waiting")),
        width=8,
    ),
    Chart(
        title="Wall clock",
        description="How far it is off what has gone by since somebody vouched for it, and how far it may be for orders to end by it.",
        unit="s",
        queries=(
            Query("surplusd_utc_apart_seconds", "off"),
            Query("surplusd_utc_tolerance_seconds", "may be"),
            Query("-surplusd_utc_tolerance_seconds", "may be"),
        ),
    ),
    Chart(
        title="Orders end by the clock",
        description="1 while they do.",
        queries=(Query("surplusd_utc_trusted", "trusted"),),
        draw=Stat,
    ),
    Chart(
        title="Memory",
        description="Resident memory of the daemon.",
        unit="bytes",
        queries=(Query("process_resident_memory_bytes", "resident"),),
        width=8,
    ),
)


def build() -> str:
    """Return the dashboard as JSON, the same for the same charts."""
    dashboard = (
        Dashboard("surplusd")
        .uid("surplusd")
        .description("A site on surplus power: what it may draw, what it draws, and why.")
        .tags(["surplusd"])
        .timezone("browser")
        .refresh("5s")
        .time("now-30m", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(_node_variable())
    )
    for number, chart in enumerate(CHARTS, start=1):
        dashboard.with_panel(_panel(chart).id(number))
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _node_variable() -> QueryVariable:
    return (
        QueryVariable("node")
        .label("Node")
        .datasource(SOURCE)
        .query("label_values(surplusd_node_envelope_watts, node)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .current(VariableOption(text="pcc", value="pcc"))
    )


def _panel(chart: Chart) -> Lines | Timeline | Stat:
    panel = chart.draw().title(chart.title).description(chart.description).unit(chart.unit)
    panel.datasource(SOURCE).span(chart.width).height(4 if chart.draw is Stat else 8)
    for letter, query in zip(ascii_uppercase, chart.queries, strict=False):
        panel.with_target(_target(query, letter, now_only=chart.draw is Stat))
    if isinstance(panel, Lines):
        _as_lines(panel)
    elif isinstance(panel, Timeline):
        panel.merge_values(merge_values=True).show_value(VisibilityMode.NEVER)
    else:
        _as_number(panel, chart)
    return panel


def _as_number(panel: Stat, chart: Chart) -> None:
    panel.reduce_options(ReduceDataOptions().calcs(["lastNotNull"]))
    if any(query.legend.startswith("{{") for query in chart.queries):
        panel.text_mode(BigValueTextMode.NAME)  # what there is, not the 1 that says so


def _target(query: Query, letter: str, *, now_only: bool) -> Dataquery:
    """Return the query; over a range, a mode that ended would still stand beside the one of now."""
    target = Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter).datasource(SOURCE)
    return target.instant() if now_only else target.range()


def _as_lines(panel: Lines) -> None:
    """Setpoints are steps: a line between two of them would show a power that nobody asked for."""
    panel.draw_style(GraphDrawStyle.LINE).line_interpolation(LineInterpolation.STEP_AFTER).line_width(1)
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    panel.legend(
        VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )
