"""The dashboard of agents and devices: all agents, the agent that is chosen with its devices, and one of these."""

from __future__ import annotations

from typing import Final

from deploy.grafana.charts import (
    BAD,
    DOUBT,
    GOOD,
    NONE_IS_WELL,
    OLD,
    Chart,
    Column,
    Draw,
    Meaning,
    Query,
    Row,
    Step,
    of_site,
)
from deploy.grafana.device_charts import BY_NUMBER, by_state, told_and_said
from deploy.grafana.reason_charts import reasons

_AGENT: Final = 'agent="$agent"'
_DEVICE: Final = 'agent="$agent",device="$device"'
_CONTACT: Final = (Meaning(0, "SILENT", BAD), Meaning(1, "in contact", GOOD))
_SHORT: Final = (Step(None, BAD), Step(5, DOUBT), Step(10, GOOD))


def _watts(why: str) -> str:
    """Return the watts that the agent is warned of; zero where it is not, and nothing where nothing is known of the agent."""
    return f"{of_site(f'surplusd_agent_{why}_watts', _AGENT)} or 0 * {of_site('surplusd_agent_online', _AGENT)}"


_ALL: Final = Row(
    "All agents",
    (
        Chart(
            title="Agents",
            description="Each agent now. One that was never heard has no age, one that is silent no lease.",
            draw=Draw.TABLE, width=24, height=8,
            queries=(
                Query(f"sum by (agent) ({of_site('surplusd_agent_online')})", "contact"),
                Query(f"sum by (agent) ({of_site('surplusd_agent_age_seconds')})", "report"),
                Query(f"sum by (agent) ({of_site('surplusd_agent_lease_left_seconds')})", "lease left"),
                Query(f"sum by (agent) ({of_site('surplusd_agent_devices')})", "devices"),
                Query(f"sum by (agent) ({of_site('surplusd_agent_devices', state='running')})", "running"),
                Query(f"sum by (agent) ({of_site('surplusd_agent_devices', state='lost')})", "lost"),
                Query(f"sum by (agent) ({of_site('agent:surplusd_device_setpoint_watts:sum')})", "setpoints"),
                Query(f"sum by (agent) ({of_site('agent:surplusd_device_power_watts:sum')})", "reports"),
            ),
            columns={
                "contact": Column(meanings=_CONTACT),
                "report": Column(unit="s", steps=OLD),
                "lease left": Column(unit="s", steps=_SHORT),
                "lost": Column(steps=NONE_IS_WELL),
                "setpoints": Column(unit="watt"),
                "reports": Column(unit="watt"),
            },
        ),
    ),
)  # fmt: skip

_ONE: Final = Row(
    "Agent $agent",
    (
        Chart(
            title="Contact",
            description="Whether it reports.",
            queries=(Query(of_site("surplusd_agent_online", _AGENT), "contact"),),
            draw=Draw.STAT, meanings=_CONTACT, width=4, height=4,
        ),
        Chart(
            title="Age of its report",
            description="From the arrival of the last one.",
            queries=(Query(of_site("surplusd_agent_age_seconds", _AGENT), "age"),),
            draw=Draw.STAT, unit="s", steps=OLD, width=4, height=4, empty="never heard",
        ),
        Chart(
            title="Lease left",
            description="On the agent's own clock; its devices go to failsafe before it ends.",
            queries=(Query(of_site("surplusd_agent_lease_left_seconds", _AGENT), "left"),),
            draw=Draw.STAT, unit="s", steps=_SHORT, width=4, height=4, empty="not known: it is silent",
        ),
        *(
            Chart(
                title=title, description=description, queries=(Query(_watts(why), why),),
                draw=Draw.STAT, unit="watt", steps=NONE_IS_WELL, width=3, height=4,
            )
            for why, title, description in (
                ("silent", "Silent: may draw", "What its devices may be drawing while it says nothing."),
                ("deaf", "Deaf: may draw", "What its devices may be drawing while it reports and takes no statement."),
                ("lost", "Lost: may draw", "What those devices may be drawing that do not answer it."),
                ("defiant", "Above what was told", "What its devices may draw beyond what they were told."),
            )
        ),
        reasons(
            "What is to be said of $agent",
            "What is to be said of this agent, for how long, and what to do.",
            of_site("surplusd_reason_age_seconds", subject="$agent"),
            empty="nothing",
            width=24,
            height=5,
            hidden=("subject",),
        ),
        by_state(
            "Its devices by state",
            "As it reports them.",
            lambda state: of_site("surplusd_agent_devices", _AGENT, state=state),
            width=12,
        ),
        told_and_said(
            "Setpoints and reports of its devices",
            "What they may draw and what they say they draw; reports are off by 5-20 %.",
            told=of_site("agent:surplusd_device_setpoint_watts:sum", _AGENT),
            said=of_site("agent:surplusd_device_power_watts:sum", _AGENT),
            width=12,
        ),
        Chart(
            title="Devices of $agent",
            description="Each of its devices now; those at the top say that they draw most above what they were told.",
            draw=Draw.TABLE, width=24, height=12,
            queries=(
                Query(f"sum by (device, node) ({of_site('surplusd_device_state', _AGENT)})", "state"),
                Query(f"sum by (device, node) ({of_site('surplusd_device_setpoint_watts', _AGENT)})", "setpoint"),
                Query(f"sum by (device, node) ({of_site('surplusd_device_power_watts', _AGENT)})", "reported"),
                Query(
                    f"sum by (device, node) ({of_site('surplusd_device_power_watts', _AGENT)} - {of_site('surplusd_device_setpoint_watts', _AGENT)})",
                    "above",
                ),
            ),
            columns={
                "state": Column(meanings=BY_NUMBER),
                "setpoint": Column(unit="watt"), "reported": Column(unit="watt"), "above": Column(unit="watt"),
            },
        ),
    ),
)  # fmt: skip

_DEVICE_ROW: Final = Row(
    "Device $device of $agent",
    (
        Chart(
            title="State",
            description="As its agent reports it.",
            queries=(Query(of_site("surplusd_device_state", _DEVICE), "{{device}}"),),
            draw=Draw.TIMELINE, meanings=BY_NUMBER, width=24, height=4,
        ),
        told_and_said(
            "Setpoint and report",
            "What it may draw, and what it says it draws.",
            told=of_site("surplusd_device_setpoint_watts", _DEVICE),
            said=f"{of_site('surplusd_device_power_watts', _DEVICE)} >= 0",
            width=24,
        ),
    ),
)  # fmt: skip

ROWS: Final = (_ONE, _DEVICE_ROW, _ALL)
