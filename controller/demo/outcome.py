"""The outcome of a demo: the referee's verdict with the daemon's own figures beside it, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from controller.core.limits.parts import EnvelopePart
from controller.demo.earnings import Carbon, Earnings
from controller.demo.trips import TripReport
from controller.demo.watch import DaemonStatus
from controller.texts.parts import told_parts
from drivers.quantities import format_power
from simulators.world.report import RefereeReport

#: An order is to be met within this time, where devices can follow so soon.
ORDER_MET_S: Final = 12.0


class DaemonFigures(msgspec.Struct, kw_only=True, frozen=True):
    """What the daemon says of itself at the end; None where it does not answer."""

    mode: str | None
    site_w: float | None
    envelope_w: float | None
    tick_p99_s: float | None


class DemoOutcome(msgspec.Struct, kw_only=True, frozen=True):
    """All of one demo. `site_w`: true power at the end, beside the daemon's; `events`: who fell and came back.

    `parts_wh`: where the envelope went, by what the daemon said. `protocols`: how many devices spoke the protocol of which family. `earnings`: of a very long run the last hours, None where no books were kept. `trips`: the nodes that were cut off.
    """

    passed: bool
    seed: int
    surplus: str
    model: str
    referee: RefereeReport
    site_w: float
    envelope_w: float
    daemon: DaemonFigures
    events: tuple[str, ...]
    earnings: Earnings | None = None
    trips: tuple[TripReport, ...] = ()
    protocols: Mapping[str, int] = {}
    parts_wh: Mapping[EnvelopePart, float] = {}

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n")


def figures_of(status: DaemonStatus | None, root: str, tick_p99_s: float | None) -> DaemonFigures:
    """Return the figures of the daemon's last status."""
    if status is None:
        return DaemonFigures(mode=None, site_w=None, envelope_w=None, tick_p99_s=tick_p99_s)
    envelope_w = status.nodes[root].envelope_w if root in status.nodes else None
    return DaemonFigures(
        mode=status.mode,
        site_w=status.site_w,
        envelope_w=envelope_w if isinstance(envelope_w, float) else None,
        tick_p99_s=tick_p99_s,
    )


def summary(outcome: DemoOutcome) -> str:
    """Return the table that is printed at the end."""
    rows = [*_judged(outcome.referee), *_bars(outcome), *_cut_off(outcome.trips), *_beside(outcome)]
    if outcome.earnings is not None:
        rows += _earned(outcome.earnings)
    width = max(len(name) for name, _ in rows)
    verdict = "PASSED" if outcome.passed else "FAILED"
    lines = [f"{verdict}  (judged by the world; {outcome.surplus}, seed {outcome.seed})"]
    lines += [f"  {name:<{width}}  {value}" for name, value in rows]
    lines += [f"  because {reason}" for reason in outcome.referee.reasons]
    return "\n".join(lines)


def _judged(report: RefereeReport) -> Iterator[tuple[str, str]]:
    yield "judged", f"{report.seconds:.1f} s"
    yield "offered / used", f"{_kwh(report.offered_wh)} / {_kwh(report.used_wh)} = {_percent(report.utilisation)}"
    raw = f"{_kwh(report.offered_raw_wh)} / {_kwh(report.used_raw_wh)} = {_percent(report.utilisation_raw)}"
    yield "the same, raw", f"{raw} (no allowance for ramps and device latency)"
    yield "above the envelope", f"{report.violation_s:.1f} s, {report.violation_kws:.1f} kW·s"
    below = {node: seconds for node, seconds in list(report.node_violation_s.items())[1:] if seconds}
    yield "nodes above theirs", ", ".join(f"{node} {seconds:.1f} s" for node, seconds in below.items()) or "none"
    yield "infeasible", f"{report.infeasible_s:.1f} s"
    yield "largest step in 1 s", format_power(report.largest_step_w)
    for order in report.orders:
        took = "never met" if order.response_s is None else f"met after {order.response_s:.1f} s"
        cut = f"{format_power(order.before_w)} to {format_power(order.limit_w)}"
        yield f"order {order.id}", f"{cut} at {order.sent_s:.1f} s: {took}, binding for {order.binding_s:.1f} s"


def _bars(outcome: DemoOutcome) -> Iterator[tuple[str, str]]:
    """Return what the devices spoke, and what is asked of them whatever they speak, beside what came of it."""
    spoken = ", ".join(f"{count} {family}" for family, count in outcome.protocols.items())
    yield "own protocols", spoken or "none: all hardware is simulated"
    report = outcome.referee
    seconds = max(report.node_violation_s.values(), default=report.violation_s)
    bars = [_bar(f"above an envelope {seconds:.1f} s", "0 s", kept=seconds == 0.0)]
    for order in report.orders:
        took = "never" if order.response_s is None else f"after {order.response_s:.1f} s"
        kept = order.response_s is not None and order.response_s <= ORDER_MET_S
        bars.append(_bar(f"order met {took}", f"{ORDER_MET_S:g} s", kept=kept))
    yield "bars", "; ".join(bars)


def _bar(found: str, most: str, *, kept: bool) -> str:
    return f"{found}, of {most} at most: {'kept' if kept else 'MISSED'}"


def _cut_off(trips: Iterable[TripReport]) -> Iterator[tuple[str, str]]:
    for trip in trips:
        cause = "not by the daemon" if trip.cause is None else f"it drew more than {trip.cause}"
        opened = "its contactor has not opened" if trip.opened_s is None else f"open at {trip.opened_s:.1f} s"
        closed = "" if trip.opened_s is None else ", and to the end"
        if trip.closed_s is not None:
            closed = f", closed at {trip.closed_s:.1f} s"
        yield f"{trip.node} cut off", f"at {trip.begun_s:.1f} s, {cause}: {opened}{closed}"


def _beside(outcome: DemoOutcome) -> Iterator[tuple[str, str]]:
    daemon = outcome.daemon
    yield "site power, true", f"{format_power(outcome.site_w)}; the daemon says {_power(daemon.site_w)}"
    yield "envelope, true", f"{format_power(outcome.envelope_w)}; the daemon says {_power(daemon.envelope_w)}"
    yield "daemon's mode", daemon.mode or "no answer"
    yield "the envelope went", f"{told_parts(outcome.parts_wh)}, by the daemon's word"
    p99 = "no answer" if daemon.tick_p99_s is None else f"at most {daemon.tick_p99_s * 1e3:g} ms"
    yield "daemon's tick, p99", p99


def _earned(books: Earnings) -> Iterator[tuple[str, str]]:
    silent = f" ({books.silent_s:.1f} s unknown, counted as nothing)" if books.silent_s else ""
    decided = f"{_money(books, books.decided)} as decided, without ramps"
    yield "earned", f"{_money(books, books.earned)} in {books.seconds:.1f} s by its setpoints{silent}; {decided}"
    yield "equal share", _against(books, books.equal_share)
    yield "all on / all off", _against(books, books.all_or_nothing)
    share = _percent(books.surplus_taken_wh / books.surplus_wh) if books.surplus_wh > 0.0 else "none offered"
    if books.carbon is not None:
        yield "CO2", _carbon(books, books.carbon)
    yield "surplus taken", f"{_kwh(books.surplus_taken_wh)} of {_kwh(books.surplus_wh)} = {share}, else curtailed"


def _against(books: Earnings, other: float) -> str:
    """Return what another policy would have earned, and by what share of it the daemon's figures are above that."""
    text = f"{_money(books, other)} without ramps"
    if other <= 0.0:
        return text
    return f"{text}; against it earned {books.earned / other - 1.0:+.1%}, decided {books.decided / other - 1.0:+.1%}"


def _carbon(books: Earnings, carbon: Carbon) -> str:
    """Return the CO2 of what was drawn, beside that of the two policies."""
    drawn = f"{carbon.drawn_kg:.1f} kg for the {_kwh(books.drawn_wh)} drawn, at {carbon.g_kwh:g} g/kWh"
    return f"{drawn}; equal share {carbon.equal_share_kg:.1f} kg, all on / all off {carbon.all_or_nothing_kg:.1f} kg"


def _money(books: Earnings, amount: float) -> str:
    return f"{amount:.2f} {books.currency}"


def _kwh(watt_hours: float) -> str:
    return f"{watt_hours / 1e3:.2f} kWh"


def _percent(share: float | None) -> str:
    return "nothing offered" if share is None else f"{share:.1%}"


def _power(watts: float | None) -> str:
    return "no answer" if watts is None else format_power(watts)
