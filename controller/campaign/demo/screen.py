"""The demo in the terminal: a live view, or plain lines where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from controller.campaign.demo.watch import Moment
from drivers.quantities import format_power

SPARK_WIDTH: Final = 60
PLAIN_PERIOD_S: Final = 5.0
_BARS: Final = "▁▂▃▄▅▆▇█"


#: Shows the last of the moments so far, and the newest of the events.
Show = Callable[[Sequence[Moment], Sequence[str]], None]


def open_screen(root: str) -> AbstractContextManager[Show]:
    """Return the live view for a terminal, plain lines otherwise; the live view needs rich."""
    if not sys.stdout.isatty():
        return nullcontext(PlainLines(root).show)
    from controller.campaign.demo.live import live_view  # noqa: PLC0415  rich is an extra

    return live_view(root)


class PlainLines:
    """A line every five seconds, at every change of mode or of the binding limit, and for every event."""

    def __init__(self, root: str, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._root = root
        self._write = write
        self._shown = ""
        self._shown_s = -PLAIN_PERIOD_S
        self._events = 0

    def show(self, moments: Sequence[Moment], events: Sequence[str]) -> None:
        """Write what is new."""
        for event in events[self._events :]:
            self._write(f"! {event}\n")
        self._events = len(events)
        moment = moments[-1]
        what = f"{mode_of(moment)} {binding_of(moment, self._root)}"
        if what != self._shown or moment.truth.t_s >= self._shown_s + PLAIN_PERIOD_S:
            self._shown, self._shown_s = what, moment.truth.t_s
            self._write(self._line(moment))
            sys.stdout.flush()

    def _line(self, moment: Moment) -> str:
        truth = moment.truth
        return (
            f"{truth.t_s:6.1f} s  envelope {format_power(truth.envelope_w):>9}  site {format_power(truth.site_w):>9}  "
            f"{mode_of(moment):<8}  {binding_of(moment, self._root):<16}  {devices_of(moment)}\n"
        )


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


def sparkline(values: Sequence[float], highest: float, width: int = SPARK_WIDTH) -> str:
    """Return the last `width` values as bars between zero and `highest`.

    >>> sparkline([0.0, 50.0, 100.0], 100.0)
    '▁▅█'
    """
    top = len(_BARS) - 1
    return "".join(_BARS[round(top * min(max(value / highest, 0.0), 1.0))] for value in values[-width:])
