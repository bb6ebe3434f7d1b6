"""The live view; needs rich, of the extra ``demo``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from controller.demo.moment_texts import SPARK_WIDTH, Show, binding_of, devices_of, mode_of, open_of, sparkline
from controller.demo.watch import Moment
from drivers.quantities import format_power

_COLOURS: Final = {"NORMAL": "green", "HOLD": "yellow", "INIT": "cyan"}


@contextmanager
def live_view(root: str) -> Iterator[Show]:
    """Draw a panel anew at every look: the facts, the course of the last half minute, and the newest events."""
    with Live(auto_refresh=False) as live:  # no thread of its own: the launcher forks

        def show(moments: Sequence[Moment], events: Sequence[str]) -> None:
            news = Text("\n".join(events[-4:]), style="yellow")
            parts: list[RenderableType] = [_facts(moments[-1], root), _course(moments), news]
            title = f"surplusd demo  {moments[-1].truth.t_s:.0f} s"
            live.update(Panel(Group(*parts), title=title, title_align="left"), refresh=True)

        yield show


def _facts(moment: Moment, root: str) -> Table:
    truth, mode = moment.truth, mode_of(moment)
    orders = ", ".join(moment.daemon.orders_in_force) if moment.daemon else ""
    reason = moment.daemon.reason if moment.daemon else "the daemon does not answer"
    over = "bold red" if truth.site_w > truth.envelope_w else "bold"
    table = Table.grid(padding=(0, 2))
    table.add_row("envelope", Text(format_power(truth.envelope_w), "bold"), "binding", binding_of(moment, root))
    table.add_row("site power", Text(format_power(truth.site_w), over), "orders", orders or "none")
    table.add_row("surplus", format_power(truth.surplus_w), "devices", devices_of(moment))
    if cut_off := open_of(moment):
        table.add_row("cut off", Text(cut_off, "bold red"))
    table.add_row("mode", Text(mode, _COLOURS.get(mode, "red")), "why", reason or "all is trusted")
    return table


def _course(moments: Sequence[Moment]) -> Table:
    moments = moments[-SPARK_WIDTH:]
    highest = max(moment.truth.envelope_w for moment in moments)
    table = Table.grid(padding=(0, 2))
    table.add_row("envelope", sparkline([moment.truth.envelope_w for moment in moments], highest))
    table.add_row("site", sparkline([moment.truth.site_w for moment in moments], highest))
    return table
