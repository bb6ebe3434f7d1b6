"""What the screen and the lines of the demo say of a moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.demo.watch import Moment

#: Shows the last of the moments so far, and the newest of the events.
Show = Callable[[Sequence[Moment], Sequence[str]], None]


def mode_of(moment: Moment) -> str:
    """Return the daemon's mode in words."""
    return "no answer" if moment.daemon is None else moment.daemon.mode.upper()


def binding_of(moment: Moment, root: str) -> str:
    """Return the limit that binds the site, as the daemon says, else as the world knows."""
    if moment.daemon is None or root not in moment.daemon.nodes:
        return f"{moment.truth.binding} (true)"
    return moment.daemon.nodes[root].binding


def devices_of(moment: Moment) -> str:
    """Return the true number of devices by state."""
    return "  ".join(f"{count} {state}" for state, count in moment.truth.devices_by_state.items() if count)


def open_of(moment: Moment) -> str:
    """Return the nodes whose contactors are open, as the world knows; empty where none is."""
    return ", ".join(node for node, closed in moment.truth.contactors.items() if not closed)


def clock(t_s: float) -> str:
    """Return a time after readiness as minutes and seconds."""
    return f"{int(t_s) // 60}:{int(t_s) % 60:02d}"
