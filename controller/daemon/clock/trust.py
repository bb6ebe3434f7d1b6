"""Is the wall clock to be trusted? Pure: the clocks and the anchor in, the answer out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from controller.core.reasons import Code, Reason
from controller.daemon.clock.anchor import AgentClock, Anchor, carried, with_agents
from controller.daemon.utc import Utc
from drivers.machine_clocks import Discipline, MachineClocks

#: The kernel may make the wall clock run faster or slower than the hardware by so much; more is no clock that is kept right.
MOST_PPM: Final = 500.0


def next_anchor(
    anchor: Anchor | None, clocks: MachineClocks, agents: Mapping[str, AgentClock], of: int
) -> Anchor | None:
    """Return the anchor as the clocks of the `of` agents of the site leave it.

    They carry it over a reboot of this machine. Within one start they renew it only where they agree with the wall clock and show
    that the count is wrong: a machine that was moved or paused has lost some of it.
    """
    if anchor is None:
        return None
    if anchor.boot != clocks.boot:
        return carried(anchor, clocks, agents, of) or anchor
    if _agrees(anchor, clocks):
        return with_agents(anchor, agents)
    moved = carried(anchor, clocks, agents, of)
    if moved is not None and _agrees(moved, clocks) and not _close(moved, anchor):
        return moved
    return with_agents(anchor, agents)


def needs_agents(anchor: Anchor | None, clocks: MachineClocks) -> bool:
    """Return whether agents' clocks may change what is known of the wall clock now."""
    return anchor is not None and (anchor.boot != clocks.boot or not _agrees(anchor, clocks))


def judge(site: str, anchor: Anchor | None, clocks: MachineClocks) -> Utc:
    """Return the wall clock and whether it is to be trusted now; `site`: id of the root node, which a doubt is about."""
    doubt = next(doubts(site, anchor, clocks), None)
    known = anchor if anchor is not None and anchor.boot == clocks.boot else None
    if known is None:
        return Utc(utc_s=clocks.utc_s, trusted=False, doubt=doubt, latest_s=clocks.utc_s)
    by_count_s, tolerance_s = known.utc_at(clocks.count_s), known.tolerance_at(clocks.count_s)
    return Utc(
        utc_s=clocks.utc_s,
        trusted=doubt is None,
        doubt=doubt,
        latest_s=clocks.utc_s if doubt is None else max(clocks.utc_s, by_count_s + tolerance_s),
        apart_s=clocks.utc_s - by_count_s,
        tolerance_s=tolerance_s,
        vouched_by=known.by,
        vouched_s=clocks.count_s - known.count_s,
    )


def _close(moved: Anchor, anchor: Anchor) -> bool:
    """Return whether an anchor that was carried says the same as the count does."""
    return abs(moved.utc_s - anchor.utc_at(moved.count_s)) <= moved.slack_s


def _agrees(anchor: Anchor, clocks: MachineClocks) -> bool:
    apart_s = clocks.utc_s - anchor.utc_at(clocks.count_s)
    return abs(apart_s) <= anchor.tolerance_at(clocks.count_s)


def doubts(site: str, anchor: Anchor | None, clocks: MachineClocks) -> Iterator[Reason]:
    """Yield all that speaks against the wall clock, what weighs most first."""
    here = anchor is not None and anchor.boot == clocks.boot
    if anchor is not None and here and not _agrees(anchor, clocks):
        apart_s, since_s = clocks.utc_s - anchor.utc_at(clocks.count_s), clocks.count_s - anchor.count_s
        yield Reason(Code.CLOCK_APART, site, {"apart_s": apart_s, "by": anchor.by, "since_s": since_s})
    if (doubt := of_kernel(site, clocks.kernel)) is not None:
        yield doubt
    if anchor is None:
        yield Reason(Code.CLOCK_UNANCHORED, site, {"why": "nobody has vouched for it yet"})
    elif not here:
        why = "the machine was started anew, and too few agents' clocks are known to have run on"
        yield Reason(Code.CLOCK_UNANCHORED, site, {"why": why})


def of_kernel(site: str, kernel: Discipline | str) -> Reason | None:
    """Return what speaks against the wall clock by the kernel, None where nothing does."""
    if isinstance(kernel, str):
        return Reason(Code.CLOCK_UNKNOWN, site, {"error": kernel})
    if not kernel.synchronised:
        return Reason(Code.CLOCK_UNSYNCHRONISED, site)
    if abs(kernel.turned_ppm) > MOST_PPM:
        return Reason(Code.CLOCK_TURNED, site, {"turned_ppm": kernel.turned_ppm})
    return None
