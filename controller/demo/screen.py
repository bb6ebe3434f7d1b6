"""The demo in the terminal: a live view, or plain lines where the output is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from controller.demo.live import live_view
from controller.demo.moment_texts import Show, binding_of, devices_of, mode_of, open_of
from controller.demo.watch import Moment
from drivers.quantities import format_power

PLAIN_PERIOD_S: Final = 5.0


def open_screen(root: str) -> AbstractContextManager[Show]:
    """Return the live view for a terminal, plain lines otherwise."""
    if not sys.stdout.isatty():
        return nullcontext(PlainLines(root).show)
    return live_view(root)


class PlainLines:
    """A line every five seconds, at every change of mode, of the binding limit or of a contactor, and for every event."""

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
        what = f"{mode_of(moment)} {binding_of(moment, self._root)} {open_of(moment)}"
        if what != self._shown or moment.truth.t_s >= self._shown_s + PLAIN_PERIOD_S:
            self._shown, self._shown_s = what, moment.truth.t_s
            self._write(self._line(moment))
            sys.stdout.flush()

    def _line(self, moment: Moment) -> str:
        truth = moment.truth
        cut_off = f"  open: {nodes}" if (nodes := open_of(moment)) else ""
        return (
            f"{truth.t_s:6.1f} s  envelope {format_power(truth.envelope_w):>9}  site {format_power(truth.site_w):>9}  "
            f"{mode_of(moment):<8}  {binding_of(moment, self._root):<16}  {devices_of(moment)}{cut_off}\n"
        )
