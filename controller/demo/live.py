"""The live view of the demo: a site's panel, with what the world knows besides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from controller.demo.moment_texts import Show, binding_of, devices_of, mode_of, open_of
from controller.demo.watch import Moment
from controller.terminal.panel import SPARK_WIDTH, Fact, Note, Panel, Style
from controller.terminal.screen import screen
from drivers.quantities import format_power

_LOOKS: Final = {"NORMAL": Style.GOOD, "HOLD": Style.WARN, "INIT": Style.WARN}
_NEWS: Final = 4


@contextmanager
def live_view(root: str) -> Iterator[Show]:
    """Draw a panel anew at every look: the facts, the course of the last half minute, and the newest events."""
    with screen() as terminal:

        def show(moments: Sequence[Moment], events: Sequence[str]) -> None:
            terminal.show(panel_of(moments[-SPARK_WIDTH:], events, root))

        yield show


def panel_of(moments: Sequence[Moment], events: Sequence[str], root: str) -> Panel:
    """Return what is drawn of the newest moments and events."""
    return Panel(
        title=f"surplusd demo  {moments[-1].truth.t_s:.0f} s",
        facts=_facts(moments[-1], root),
        course=(
            ("envelope", [moment.truth.envelope_w for moment in moments]),
            ("site", [moment.truth.site_w for moment in moments]),
        ),
        notes=[Note(words=event) for event in events[-_NEWS:]],
    )


def _facts(moment: Moment, root: str) -> list[Fact]:
    truth, mode, daemon = moment.truth, mode_of(moment), moment.daemon
    over = truth.site_w > truth.envelope_w
    reason = daemon.reason or "all is trusted" if daemon else "the daemon does not answer"
    facts = [
        Fact(name="mode", words=mode, look=_LOOKS.get(mode, Style.BAD)),
        Fact(name="why", words=reason),
        Fact(
            name="site power",
            words=format_power(truth.site_w) + over * "  OVER",
            look=Style.BAD if over else Style.STRONG,
        ),
        Fact(
            name="envelope", words=f"{format_power(truth.envelope_w)}  by {binding_of(moment, root)}", look=Style.STRONG
        ),
        Fact(name="surplus", words=format_power(truth.surplus_w)),
        Fact(name="orders", words=", ".join(daemon.orders_in_force if daemon else ()) or "none"),
        Fact(name="devices", words=devices_of(moment)),
    ]
    if cut_off := open_of(moment):
        facts.append(Fact(name="cut off", words=cut_off, look=Style.BAD))
    return facts
