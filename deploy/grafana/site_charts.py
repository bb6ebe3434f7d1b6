"""The dashboard of a site: its state first, then the node that is chosen, then all that is behind it."""

from __future__ import annotations

from typing import Final

from deploy.grafana.charts import (
    BAD,
    DOUBT,
    GOOD,
    NEUTRAL,
    NONE_IS_WELL,
    Chart,
    Column,
    Draw,
    Meaning,
    Query,
    Row,
    kilo_watt_hours,
    of_site,
)  # fmt: skip
from deploy.grafana.device_charts import by_state, told_and_said
from deploy.grafana.site_state import (
    CANNOT_BE_LED,
    COMPLIANCE,
    MODE,
    MODES,
    NODE,
    OF_NODE,
    OVER,
    STATE,
    orders_that_are,
)  # fmt: skip


def _by_node(expr: str) -> str:
    """Return the expression without the name of its metric: rows of a table are merged where all labels are the same."""
    return f"sum by (node) ({expr})"


def _energy(title: str, watts: str, by: str = "") -> Chart:
    """Return the energy over the time that the dashboard shows; `by`: what shows it."""
    return Chart(
        title=title,
        description=f"Over the time that is shown, {by}as far as it is known.",
        queries=(Query(kilo_watt_hours(watts), "energy"),),
        draw=Draw.STAT,
        unit="kwatth",
        width=4,
    )


_LIMITS: Final = Row(
    "Limits and orders",
    (
        Chart(
            title="Nodes",
            description="Each node now. A dash is what is not known, or not there: a node without a usable meter has no power, one without a limit no envelope.",
            draw=Draw.TABLE, width=24, height=9, empty="-",
            queries=(
                Query(_by_node(of_site("surplusd_node_power_watts")), "power"),
                Query(_by_node(f"{of_site('surplusd_node_envelope_watts')} < Inf"), "envelope"),
                Query(_by_node(of_site("surplusd_node_order_limit_watts")), "order"),
                Query(_by_node(OVER), "over by"),
                Query(_by_node(of_site("surplusd_node_infeasible")), "can be kept"),
                Query(_by_node(of_site("surplusd_node_tripped")), "tripped"),
                Query(_by_node(of_site("surplusd_contactor_closed")), "contactor"),
            ),
            columns={
                "power": Column(unit="watt"), "envelope": Column(unit="watt"), "order": Column(unit="watt"),
                "over by": Column(unit="watt", steps=NONE_IS_WELL),
                "can be kept": Column(meanings=(Meaning(0, "yes", GOOD), Meaning(1, "NO", BAD))),
                "tripped": Column(meanings=(Meaning(0, "no", GOOD), Meaning(1, "TRIPPED", BAD))),
                "contactor": Column(meanings=(Meaning(0, "open", NEUTRAL), Meaning(1, "closed", NEUTRAL))),
            },
        ),
        Chart(
            title="Mode over time",
            description="The mode that the site was in.",
            queries=(Query(MODE, "mode"),),
            draw=Draw.TIMELINE, meanings=MODES, width=12, height=5,
        ),
        Chart(
            title="What binds $node",
            description="The limit that was the smallest at the node; of an order, who gave it.",
            queries=(Query(of_site("surplusd_node_binding", NODE), "{{limit}}"),),
            draw=Draw.TIMELINE, meanings=(Meaning(1, "binds", NEUTRAL),), width=12, height=5,
        ),
        Chart(
            title="Orders in force",
            description="By whether they are kept; unseen are those that no usable meter shows.",
            queries=tuple(Query(orders_that_are(name), name.replace("_", " ")) for name in COMPLIANCE),
            colours={"met": GOOD, "partial": DOUBT, "unseen": DOUBT, "not met": BAD},
            stacked=True, width=12, height=7,
        ),
        Chart(
            title="For how long orders are as they are",
            description="By node, since each order there has been kept, or not, as it is now. No order: nothing is shown.",
            queries=(Query(of_site("surplusd_node_order_compliance_seconds"), "{{node}} {{compliance}}"),),
            unit="s", width=12, height=7, empty="no order in force",
        ),
        Chart(
            title="What $node carries",
            description="A of its highest phase, or VA, as they count, and what it may carry; where no trusted meter shows them, its declared worst counts.",
            queries=(
                Query(of_site("surplusd_node_amperes", NODE), "A"),
                Query(of_site("surplusd_node_amperes_limit", NODE), "A at most"),
                Query(of_site("surplusd_node_volt_amperes", NODE), "VA"),
                Query(of_site("surplusd_node_volt_amperes_limit", NODE), "VA at most"),
            ),
            colours={"A at most": BAD, "VA at most": BAD},
            width=12, height=7, empty="not rated in A or kVA",
        ),
        Chart(
            title="What $node may draw for what it carries",
            description="In W, by its volts and power factor as its meter shows them, or by the worst that is declared.",
            unit="watt",
            queries=(
                Query(of_site("surplusd_node_limit_watts", NODE), "{{limit}}"),
                Query(of_site("surplusd_node_power_watts", NODE), "drawn"),
            ),
            colours={"drawn": NEUTRAL},
            width=12, height=7, empty="not rated in A or kVA",
        ),
    ),
)  # fmt: skip

_SURPLUS: Final = Row(
    "Surplus",
    (
        Chart(
            title="Surplus offered and used",
            description="What the grid can spare here, and what the site draws of it above its firm power.",
            unit="watt",
            queries=(
                Query(of_site("surplusd_surplus_watts"), "offered"),
                Query(of_site("surplusd_surplus_used_watts"), "used"),
            ),
            colours={"offered": "purple", "used": NEUTRAL},
            width=16,
        ),
        _energy("Surplus energy offered", of_site("surplusd_surplus_watts")),
        _energy("Surplus energy used", of_site("surplusd_surplus_used_watts")),
    ),
)  # fmt: skip

_DEVICES: Final = Row(
    "Devices",
    (
        by_state(
            "Devices by state",
            "As the agents report them; lost are those that do not answer, and all of a silent agent.",
            lambda state: f"sum({of_site('surplusd_agent_devices', state=state)})",
        ),
        told_and_said(
            "Setpoints and reports",
            "What devices may draw and what they say they draw; reports are off by 5-20 %, the meter decides.",
            told=f"sum({of_site('agent:surplusd_device_setpoint_watts:sum')})",
            said=f"sum({of_site('agent:surplusd_device_power_watts:sum')})",
        ),
        Chart(
            title="Watts that cannot be led",
            description="By why: of silent and deaf agents, of devices that do not answer, and beyond what was told.",
            unit="watt",
            queries=tuple(
                Query(f"sum({of_site(f'surplusd_agent_{why}_watts')}) or 0 * count({of_site('surplusd_agent_online')})", why)
                for why in CANNOT_BE_LED
            ),
            colours={"silent": BAD, "deaf": "dark-orange", "lost": DOUBT, "defiant": "dark-red"},
            stacked=True,
        ),
        Chart(
            title="Caps of jobs",
            description="Caps of each group of GPU nodes, what its jobs draw of them, and what is kept free for caps that rise.",
            unit="watt",
            queries=(
                Query(of_site("surplusd_cap_watts"), "{{group}}, caps"),
                Query(of_site("surplusd_cap_drawn_watts"), "{{group}}, drawn"),
                Query(of_site("surplusd_cap_reserve_watts"), "kept free"),
            ),
            width=12,
        ),
        Chart(
            title="Jobs held back",
            description="Share of their energy by which caps hold jobs back.",
            unit="percentunit",
            queries=(
                Query(
                    f"rate({of_site('surplusd_cap_held_joules_total')}[5m]) / rate({of_site('surplusd_cap_used_joules_total')}[5m])",
                    "{{group}}",
                ),
            ),
            width=12,
        ),
    ),
)  # fmt: skip

_VALUE: Final = Row(
    "Energy and value",
    (
        Chart(
            title="Value: decided against the most possible",
            description="By one measure: with the bonus of what runs and the cost of starts. No allocation within the limits is worth more than the bound.",
            queries=(
                Query(of_site("surplusd_allocation_worth_per_hour"), "decided, {{currency}} per hour"),
                Query(of_site("surplusd_allocation_bound_per_hour"), "bound, {{currency}} per hour"),
            ),
            width=9,
        ),
        Chart(
            title="Not reached of the bound",
            description="Share of the bound that the allocation misses.",
            unit="percentunit",
            queries=(Query(of_site("surplusd_allocation_gap_ratio"), "missed"),),
            width=5,
        ),
        Chart(
            title="Earned now",
            description="Revenue less energy of what is allotted to devices that are led; per hour.",
            queries=(Query(of_site("surplusd_allocation_value_per_hour"), "{{currency}} per hour"),),
            draw=Draw.STAT, named=True, decimals=2, width=3,
        ),
        Chart(
            title="Earned",
            description="Over the time that is shown, by what was decided, as far as it is known.",
            queries=(
                Query(
                    f"avg_over_time({of_site('surplusd_allocation_value_per_hour')}[$__range]) * $__range_s / 3600",
                    "{{currency}}",
                ),
            ),
            draw=Draw.STAT, named=True, decimals=2, width=3,
        ),
        _energy("Energy of $node", of_site("surplusd_node_power_watts", NODE), "by the node's trusted meter, "),
        Chart(
            title="Demand that is billed",
            description="The limit of each window's mean power, what may be drawn from now on to stay under it, and what devices are kept from for that.",
            unit="watt",
            queries=(
                Query(of_site("surplusd_demand_limit_watts"), "limit"),
                Query(of_site("surplusd_demand_cap_watts"), "may be drawn"),
                Query(of_site("surplusd_demand_held_back_watts"), "held back"),
            ),
            colours={"limit": BAD, "may be drawn": NEUTRAL, "held back": DOUBT},
            width=12, empty="no demand is billed",
        ),
        Chart(
            title="What the demand costs",
            description="No more than this would be earned with what it holds back, per hour.",
            queries=(Query(of_site("surplusd_demand_cost_per_hour"), "at most, {{currency}} per hour"),),
            width=12, empty="no demand is billed",
        ),
    ),
)  # fmt: skip

_METERS: Final = Row(
    "Meters",
    (
        Chart(
            title="Meters",
            description="Newest value of each meter and of the source of the surplus.",
            unit="watt",
            queries=(Query(of_site("surplusd_meter_watts"), "{{meter}}"),),
        ),
        Chart(
            title="Age of the readings",
            description="From the time at which the value was taken. From `bad_after` on, 10 s where the site file says nothing else, it is not used.",
            unit="s",
            queries=(Query(of_site("surplusd_meter_age_seconds"), "{{meter}}"),),
        ),
        Chart(
            title="Quality of the readings",
            description="As the meter and its driver say; whether it is believed stands under the reasons.",
            queries=(Query(of_site("surplusd_meter_quality"), "{{meter}}"),),
            draw=Draw.TIMELINE,
            meanings=(Meaning(0, "good", GOOD), Meaning(1, "uncertain", DOUBT), Meaning(2, "bad", BAD)),
        ),
    ),
)  # fmt: skip

_MACHINE: Final = Row(
    "Machine",
    (
        Chart(
            title="Tick",
            description="Time that a control tick takes.",
            unit="s",
            queries=(
                Query(of_site("instance:surplusd_tick_duration_seconds:p50_1m"), "half of them"),
                Query(of_site("instance:surplusd_tick_duration_seconds:p99_1m"), "99 of 100"),
            ),
        ),
        Chart(
            title="Records that wait for the disk",
            description="Of the journal.",
            queries=(Query(of_site("surplusd_journal_waiting"), "waiting"),),
        ),
        Chart(
            title="Memory",
            description="Resident memory of the daemon.",
            unit="bytes",
            queries=(Query(of_site("process_resident_memory_bytes"), "resident"),),
        ),
        Chart(
            title="Wall clock",
            description="How far it is off what has gone by since somebody vouched for it, and how far it may be for orders to end by it.",
            unit="s",
            queries=(
                Query(of_site("surplusd_utc_apart_seconds"), "off"),
                Query(of_site("surplusd_utc_tolerance_seconds"), "may be"),
                Query(f"-{of_site('surplusd_utc_tolerance_seconds')}", "may be, the other way"),
            ),
        ),
        Chart(
            title="Orders end by the clock",
            description="Not while nobody has vouched for the wall clock: they stay until they are released.",
            queries=(Query(of_site("surplusd_utc_trusted"), "clock"),),
            draw=Draw.STAT, meanings=(Meaning(0, "NO", BAD), Meaning(1, "yes", GOOD)), width=4,
        ),
        Chart(
            title="Version",
            description="That runs.",
            queries=(Query(of_site("surplusd_build_info"), "{{version}}"),),
            draw=Draw.STAT, named=True, width=4,
        ),
        Chart(
            title="Refused a second",
            description="Messages and requests, by who asked.",
            unit="reqps",
            queries=(
                Query(f"sum by (source) (rate({of_site('surplusd_refused_total')}[$__rate_interval]))", "{{source}}"),
            ),
            empty="nothing was refused",
        ),
    ),
)  # fmt: skip

ROWS: Final = (STATE, OF_NODE, _LIMITS, _SURPLUS, _DEVICES, _VALUE, _METERS, _MACHINE)
