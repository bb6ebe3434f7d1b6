"""Sums over the meters of one connection: whether all of them can be asked as often as the site file says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from controller.site.meter_profile import settled
from controller.site.model import SiteFile
from controller.site.problems import Loc, Problem
from controller.site.sources import ModbusSource
from controller.site.unknown import UNKNOWN
from drivers.errors import ConfigError
from drivers.meters.blocks import Block, plan
from drivers.meters.profiles import FAST, Profile
from drivers.modbus.place import Serial

#: Bits of a character on a serial line, and the bytes of a request and of an answer around its registers.
_BITS: Final = 11
_REQUEST, _AROUND = 8, 5


def line_problems(site: SiteFile) -> Iterator[Problem]:
    """Report meters that share a connection and cannot all be in time, and those that are too slow or too coarse alone."""
    lines: defaultdict[object, list[tuple[Loc, ModbusSource]]] = defaultdict(list)
    for loc, source, suspect_s in _sources(site):
        profile = _profile(source)
        if profile is None:
            continue
        yield from _refresh_problems((*loc, "profile"), source, profile, suspect_s)
        if UNKNOWN not in (source.poll_s, source.poll_slow_s, source.timeout_s, source.answer_time_s):
            lines[_line(source)].append((loc, source))
    for line in lines.values():
        yield from _sum_problems(line)


def _sources(site: SiteFile) -> Iterator[tuple[Loc, ModbusSource, float]]:
    for index, meter in enumerate(site.meters):
        if meter.modbus is not None and meter.modbus is not UNKNOWN:
            yield ("meters", index, "modbus"), meter.modbus, site.control.suspect_after_s
    surplus = site.surplus
    if surplus.modbus is not None and surplus.modbus is not UNKNOWN:
        yield ("surplus", "modbus"), surplus.modbus, surplus.suspect_after_s


def _line(source: ModbusSource) -> object:
    return (source.host, source.port) if source.serial is None else source.serial.device


def _profile(source: ModbusSource) -> Profile | None:
    """Return the profile; None where it is wrong, which is said elsewhere."""
    if UNKNOWN in (source.profile, source.confirmed, source.power_unit):
        return None
    try:
        return settled(source)
    except ConfigError:
        return None


def _refresh_problems(loc: Loc, source: ModbusSource, profile: Profile, suspect_s: float) -> Iterator[Problem]:
    least_s = profile.shortest_poll_s + source.timeout_s
    if least_s > suspect_s:
        yield Problem(
            loc=loc,
            found=f"{profile.id!r}, which has new values every {profile.shortest_poll_s:g} s",
            allowed=f"one that is quicker, or a suspect_after of at least {least_s:g} s",
        )


def _sum_problems(line: Sequence[tuple[Loc, ModbusSource]]) -> Iterator[Problem]:
    """Report the first meter of a line whose rounds take longer than there is between them."""
    shares, round_s = 0.0, 0.0
    for loc, source in line:
        fast_s, full_s = _times_s(source)
        shares += fast_s / source.poll_s + max(0.0, full_s - fast_s) / source.poll_slow_s
        round_s += fast_s
        if fast_s > source.timeout_s:
            allowed = f"at least {fast_s:.3g} s, which the answers with power and frequency take together"
            yield Problem(loc=(*loc, "timeout"), allowed=allowed)
    if shares > 1.0:
        loc, source = line[0]
        slower_s = max(source.poll_s for _, source in line) * shares
        yield Problem(
            loc=(*loc, "poll"),
            found=f"{source.poll_s:g} s for {_count(line)}, which take {round_s:.3g} s for one round of power and frequency",
            allowed=f"at least {slower_s:.2g} s for each of them, or fewer on one connection",
        )


def _count(line: Sequence[object]) -> str:
    return f"the {len(line)} meters of one connection" if len(line) > 1 else "this meter"


def _times_s(source: ModbusSource) -> tuple[float, float]:
    """Return how long the requests take that bring power and frequency, and those that bring all, as far as that is known."""
    profile = settled(source)
    fast = plan(profile, [name for name in FAST if name in profile.registers])
    return sum(_answer_s(source, each) for each in fast), sum(_answer_s(source, each) for each in plan(profile))


def _answer_s(source: ModbusSource, block: Block) -> float:
    """Return what one request takes: as the site file says, else what the bits take on the serial line, else nothing."""
    if source.answer_time_s is not None:
        return source.answer_time_s
    if source.serial is None or source.serial.baud is UNKNOWN:
        return 0.0
    serial = Serial(device="", baud=source.serial.baud)
    return (_REQUEST + _AROUND + 2 * block.count) * _BITS / serial.baud + 2 * serial.silence_s
