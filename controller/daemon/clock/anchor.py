"""The anchor: a moment for whose UTC somebody has vouched, by the hardware's count, and what carries it over a reboot. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from drivers.machine_clocks import MachineClocks

#: How far the wall clock may be from the count, in all since the anchor: so many seconds, and so much of the time since.
TOLERANCE_S: Final = 2.0
DRIFT: Final = 100e-6
#: What agents' clocks miss when they carry the anchor: a report is on its way for less than this.
CARRIED_S: Final = 1.0
#: Who vouches where it is no issuer and no person.
BY_AGENTS: Final = "most agents' clocks"
#: A time that an issuer states agrees with the wall clock so far, and may be so late: it then says nothing.
AGREES_S: Final = 2.0
LATE_S: Final = 10.0
#: An anchor that says the same is not renewed before it is so old.
RENEW_S: Final = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentClock:
    """An agent's clock: `boot` names its start, and it is `ahead_s` seconds ahead of the count of this machine."""

    boot: str
    ahead_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """When the count of this machine's start `boot` was `count_s`, the UTC was `utc_s`, give or take `slack_s`; `by` says so.

    `agents`: by id, the clocks of those that ran then or began since; over a reboot they tell what the count would be.
    """

    utc_s: float
    count_s: float
    boot: str
    slack_s: float
    by: str
    agents: Mapping[str, AgentClock] = field(default_factory=lambda: MappingProxyType({}))

    def utc_at(self, count_s: float) -> float:
        """Return the UTC at a count of the same start."""
        return self.utc_s + count_s - self.count_s

    def tolerance_at(self, count_s: float) -> float:
        """Return how far the wall clock may be from that."""
        return self.slack_s + DRIFT * max(0.0, count_s - self.count_s)


def vouched(clocks: MachineClocks, utc_s: float, by: str) -> Anchor:
    """Return the anchor of somebody who says that it is `utc_s` now."""
    return Anchor(utc_s=utc_s, count_s=clocks.count_s, boot=clocks.boot, slack_s=TOLERANCE_S, by=by)


def after_statement(anchor: Anchor | None, clocks: MachineClocks, sent_utc_s: float, issuer: str) -> Anchor | None:
    """Return the anchor after an issuer has said when it sent something.

    It has taken its time to come in. Where it may just be late it says nothing; where it is far off, the wall clock or
    the issuer is wrong, and the clock is doubted until they agree again.
    """
    if AGREES_S < clocks.utc_s - sent_utc_s <= LATE_S:
        return anchor
    if anchor is not None and anchor.boot == clocks.boot and anchor.slack_s <= TOLERANCE_S:
        same = abs(anchor.utc_at(clocks.count_s) - sent_utc_s) <= AGREES_S
        if same and clocks.count_s - anchor.count_s < RENEW_S:
            return anchor
    return vouched(clocks, sent_utc_s, issuer)


def with_agents(anchor: Anchor, agents: Mapping[str, AgentClock]) -> Anchor:
    """Return the anchor with the clocks of agents that have begun since; one that it has stays as it was taken."""
    known = anchor.agents
    fresh = {name: clock for name, clock in agents.items() if name not in known or known[name].boot != clock.boot}
    return replace(anchor, agents={**known, **fresh}) if fresh else anchor


def carried(anchor: Anchor, clocks: MachineClocks, agents: Mapping[str, AgentClock], of: int) -> Anchor | None:
    """Return the anchor as most of `of` agents carry it to now; None where too few ran on since, or they disagree.

    `agents`: their clocks now. What the wall clock says is not asked, so that no error of it becomes part of the anchor.
    """
    counts_s = sorted(
        clocks.count_s + agents[name].ahead_s - then.ahead_s
        for name, then in anchor.agents.items()
        if name in agents and agents[name].boot == then.boot
    )
    if not counts_s:
        return None
    middle_s = counts_s[(len(counts_s) - 1) // 2]
    slack_s = anchor.tolerance_at(middle_s) + CARRIED_S
    agreeing = sum(abs(count_s - middle_s) <= slack_s for count_s in counts_s)
    if 2 * agreeing <= of:
        return None
    return Anchor(
        utc_s=anchor.utc_at(middle_s),
        count_s=clocks.count_s,
        boot=clocks.boot,
        slack_s=slack_s,
        by=BY_AGENTS,
        agents=agents,
    )
