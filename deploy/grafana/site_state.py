"""What the dashboard of a site begins with: its state, and the node that is chosen. All of it is above the fold."""

from __future__ import annotations

from typing import Final

from deploy.grafana.charts import (
    BAD,
    DIM,
    DOUBT,
    GOOD,
    NEUTRAL,
    NONE_IS_WELL,
    OLD,
    Chart,
    Draw,
    Meaning,
    Query,
    Row,
    of_site,
)
from deploy.grafana.reason_charts import reasons

NODE: Final = 'node="$node"'
MODES: Final = (
    Meaning(1, "NORMAL", GOOD),
    Meaning(2, "INIT", NEUTRAL),
    Meaning(3, "HOLD", DOUBT),
    Meaning(4, "FAILSAFE", BAD),
)
#: The mode as one number, so that a value has one meaning and one colour.
MODE: Final = "max({})".format(
    " or ".join(f"{each.value} * {of_site('surplusd_mode', mode=each.text.lower())}" for each in MODES)
)
KEPT: Final = (
    Meaning(0, "none", NEUTRAL),
    Meaning(1, "MET", GOOD),
    Meaning(2, "PARTIAL", DOUBT),
    Meaning(3, "NOT SEEN", DOUBT),
    Meaning(4, "NOT MET", BAD),
)
COMPLIANCE: Final = {"met": 1, "partial": 2, "unseen": 3, "not_met": 4}


def orders_that_are(name: str) -> str:
    """Return the number of orders in force of this compliance."""
    return of_site("surplusd_orders_compliance", compliance=name)


#: The worst of the orders in force.
ORDERS: Final = "max({})".format(
    " or ".join(f"{code} * ({orders_that_are(name)} > bool 0)" for name, code in COMPLIANCE.items())
)
#: Nodes without a reason to tell have zero, as far as anything is known of them at all.
OVER: Final = f"{of_site('surplusd_node_over_watts')} or 0 * {of_site('surplusd_node_infeasible')}"
#: Of the whole site; nobody knows it where no trusted meter shows what the site draws.
SITE_OVER: Final = f"max({of_site('surplusd_node_over_watts')}) or 0 * max({of_site('surplusd_site_power_watts')})"
CANNOT_BE_LED: Final = ("silent", "deaf", "lost", "defiant")
NOT_LED: Final = " + ".join(
    (
        f"0 * count({of_site('surplusd_agent_online')})",
        *(f"(sum({of_site(f'surplusd_agent_{why}_watts')}) or vector(0))" for why in CANNOT_BE_LED),
    )
)

STATE: Final = Row(
    "State: what is wrong, since when",
    (
        Chart(
            title="Mode",
            description="NORMAL: led. HOLD: only downwards. FAILSAFE: down to failsafe. INIT: just started. Why stands below.",
            queries=(Query(MODE, "mode"),),
            draw=Draw.STAT, meanings=MODES, width=5, height=4,
        ),
        Chart(
            title="In this mode for",
            description="From the start of the daemon at most.",
            queries=(Query(of_site("surplusd_mode_age_seconds"), "since"),),
            draw=Draw.STAT, unit="dthms", width=3, height=4,
        ),
        Chart(
            title="Over the limit by",
            description="The most that a trusted meter has shown above what its node may draw, for longer than the settle time. Not known while no trusted meter shows the site.",
            queries=(Query(SITE_OVER, "over"),),
            draw=Draw.STAT, unit="watt", steps=NONE_IS_WELL, width=4, height=4,
        ),
        Chart(
            title="Orders",
            description="The worst of the curtailment orders in force, by the trusted meter of its node. A new order is NOT MET until the site has followed it.",
            queries=(Query(ORDERS, "orders"),),
            draw=Draw.STAT, meanings=KEPT, width=4, height=4,
        ),
        Chart(
            title="Missing to the order",
            description="The most that the meter shows above an order's limit.",
            queries=(Query(of_site("surplusd_order_shortfall_watts"), "missing"),),
            draw=Draw.STAT, unit="watt", steps=NONE_IS_WELL, width=4, height=4,
        ),
        Chart(
            title="Agents silent",
            description="Agents that do not report: nothing is known of their devices.",
            queries=(Query(f"sum(1 - {of_site('surplusd_agent_online')})", "silent"),),
            draw=Draw.STAT, steps=NONE_IS_WELL, width=4, height=4,
        ),
        reasons(
            "Reasons that hold now",
            "What is doubted, limited or wrong, what it is about, for how long, and what to do.",
            of_site("surplusd_reason_age_seconds"),
            empty="nothing is wrong, or the daemon says nothing: look at the mode",
            width=16,
            height=7,
        ),
        Chart(
            title="Oldest reports of agents",
            description="The eight that have been quiet for longest; out of contact after five seconds.",
            queries=(Query(f"topk(8, {of_site('surplusd_agent_age_seconds')})", "{{agent}}"),),
            draw=Draw.BARS, unit="s", steps=OLD, width=4, height=7,
            leads_to="/d/surplusd-fleet?var-site=${site}&var-agent=${__field.labels.agent}",
        ),
        Chart(
            title="May draw unled",
            description="Watts that devices may be drawing beyond what they were told: of silent and deaf agents, lost and defiant devices.",
            queries=(Query(NOT_LED, "unled"),),
            draw=Draw.STAT, unit="watt", steps=NONE_IS_WELL, width=2, height=7,
        ),
        Chart(
            title="Orders on the disk",
            description="Whether orders outlive a power cut now.",
            queries=(Query(of_site("surplusd_journal_usable"), "journal"),),
            draw=Draw.STAT, meanings=(Meaning(0, "NOT DURABLE", BAD), Meaning(1, "durable", GOOD)), width=2, height=7,
        ),
    ),
)  # fmt: skip

OF_NODE: Final = Row(
    "Node $node",
    (
        Chart(
            title="Envelope and power of $node",
            description="What the node may draw, what its own trusted meter shows, and what its devices are set to. Without a meter there is no power; without a limit no envelope.",
            unit="watt",
            queries=(
                Query(f"{of_site('surplusd_node_envelope_watts', NODE)} < Inf", "envelope"),
                Query(of_site("surplusd_node_power_watts", NODE), "power (meter)"),
                Query(of_site("surplusd_node_order_limit_watts", NODE), "order"),
                Query(
                    f"{of_site('surplusd_node_planned_watts', NODE)} + {of_site('surplusd_node_house_watts', NODE)}",
                    "set: devices + house",
                ),
                Query(of_site("surplusd_node_floor_watts", NODE), "floor"),
            ),
            colours={"envelope": "purple", "power (meter)": NEUTRAL, "order": "yellow", "floor": DIM,
                     "set: devices + house": "light-blue"},
            width=13, height=11,
        ),
        Chart(
            title="Where each watt of the envelope of $node goes",
            description="Stacked up to the envelope: what is drawn, what is kept free and for what, and what is left over and why; docs/metrics.md has the parts. Of the site, and of nodes whose limit binds.",
            unit="watt",
            queries=(Query(f"{of_site('surplusd_node_envelope_part_watts', NODE)} != 0", "{{part}}"),),
            colours={
                "used": NEUTRAL, "counted": "light-blue", "meters_apart": "dark-blue", "above": BAD,
                "house_drift": DIM, "tolerance": "purple", "cap_reserve": "light-purple", "unheard": DOUBT,
                "held": "light-orange", "unproven": "dark-orange", "ramp": "yellow", "starting": "light-yellow",
                "no_device": "light-green", "not_worth_it": "semi-dark-green", "limits_below": "dark-green",
            },
            empty="no limit binds here, or nothing is known",
            stacked=True, width=11, height=11,
        ),
    ),
)  # fmt: skip
