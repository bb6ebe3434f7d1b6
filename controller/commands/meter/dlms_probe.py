"""``surplusd meter probe`` and ``test`` of a meter on DLMS/COSEM: what it has, and by which profile it is read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.dlms_options import DlmsAsked
from controller.commands.meter.findings import look
from controller.commands.meter.layout import fold, note, one, table
from controller.commands.meter.source import Source
from controller.commands.meter.source_table import report
from controller.commands.signals import run_until_signal
from controller.terminal.escaped import escaped
from controller.terminal.telling import tell
from drivers.clock import boottime_s
from drivers.errors import ConfigError, DriverLoss
from drivers.meters.codec import Dropped
from drivers.meters.dlms.meter import read_dlms_once
from drivers.meters.dlms.place import Transport
from drivers.meters.dlms.profiles import LOGICAL_NAME, DlmsProfile, bundled_dlms_profiles, load_dlms_profile
from drivers.meters.dlms.session import Line, Session
from drivers.meters.dlms.stream import Closed, Silent
from drivers.meters.dlms.values import value_of
from drivers.meters.dlms.xdlms import Attribute, Got
from drivers.meters.profiles import QUANTITIES, REQUIRED

_OTHER: Final[Mapping[Transport, Transport]] = {"wrapper": "hdlc_over_tcp", "hdlc_over_tcp": "wrapper"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a meter shows by one profile."""

    profile: DlmsProfile
    values: Mapping[str, float]
    invalid: Mapping[str, str]
    named: bool

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """The larger the better: the power is there, the profile is for its maker, how much of it is there."""
        return REQUIRED in self.values, self.named, len(self.values)


def probe_dlms(asked: DlmsAsked, own: Sequence[str]) -> int:
    """Ask the meter for all that the profiles know, print which of them read it; status 0 where one does.

    `own`: profiles to try besides the bundled ones. Raises ConfigError.
    """
    if sys.stderr.isatty():
        tell(f"asking {asked}; nothing is written to it", out=sys.stderr)
    mine = [replace(load_dlms_profile(name), id=name) for name in own]
    profiles = [*mine, *(load_dlms_profile(name) for name in bundled_dlms_profiles())]
    wanted = dict.fromkeys(
        attribute
        for profile in profiles
        for measured in profile.quantities.values()
        for number in measured.numbers
        for attribute in (number.scaler_unit, number.value)
    )
    got = run_until_signal(_ask(asked, (LOGICAL_NAME, *wanted)))
    name = _name(got[LOGICAL_NAME])
    readings = sorted((_reading(profile, got, name) for profile in profiles), key=lambda each: each.rank, reverse=True)
    tell(*_told(asked, len(got), name, readings))
    return DONE if REQUIRED in readings[0].values and not look(readings[0].values, readings[0].invalid) else NOT_GOOD


async def _ask(asked: DlmsAsked, wanted: Sequence[Attribute]) -> dict[Attribute, Got]:
    try:
        return await _get(asked, wanted)
    except DriverLoss as loss:
        other = _OTHER.get(asked.place.transport)
        if other and isinstance(loss, (Silent, Closed)) and not getattr(loss, "heard", False):
            way = replace(asked, place=replace(asked.place, transport=other))
            try:
                await _get(way, (LOGICAL_NAME,))
            except DriverLoss as second:
                answers = getattr(second, "heard", not isinstance(second, (Silent, Closed)))
            else:
                answers = True
            if answers:
                raise ConfigError(f"{asked}: {loss}. It answers with --transport {other}") from loss
        raise ConfigError(f"{asked}: {loss}") from loss


async def _get(asked: DlmsAsked, wanted: Sequence[Attribute]) -> dict[Attribute, Got]:
    line = Line(asked.place, asked.timeout_s)
    session = Session(line, asked.address, asked.access, asked.timeout_s)
    try:
        return await session.get(wanted)
    finally:
        session.drop()
        line.close()


def _name(got: Got) -> str:
    return escaped(got.decode("latin-1").strip("\0 ")) if isinstance(got, bytes) else ""


def _reading(profile: DlmsProfile, got: Mapping[Attribute, Got], name: str) -> Reading:
    shown = {each: value_of(where, QUANTITIES[each], got) for each, where in profile.quantities.items()}
    return Reading(
        profile=profile,
        values={each: value for each, value in shown.items() if not isinstance(value, Dropped)},
        invalid={each: value.reason for each, value in shown.items() if isinstance(value, Dropped)},
        named=name[:3] in profile.makers,
    )


def _told(asked: DlmsAsked, count: int, name: str, readings: Sequence[Reading]) -> Iterator[str]:
    yield f"{asked}: {count} attributes asked for, all of them read"
    yield f"calls itself  {name or 'nothing (no logical device name)'}"
    yield ""
    rows = [(each.profile.id, "yes" if REQUIRED in each.values else "no", _why(each)) for each in readings]
    yield from table([("PROFILE", "FITS", "WHY"), *rows])
    yield ""
    best = readings[0]
    if REQUIRED not in best.values:
        yield "None fits. Another client (`--client`) may be shown more; a profile file of your own names other objects."
        return
    for text in look(best.values, best.invalid):
        yield from note("!", text, indent=0)
    yield from fold("For the site file:")
    yield f"    dlms: {{{_place(asked)}, {asked.keys}, profile: {best.profile.id}}}"


def _why(reading: Reading) -> str:
    there, all_ = len(reading.values), len(reading.profile.quantities)
    named = "its maker's" if reading.named else ""
    power = (
        one(REQUIRED, reading.values[REQUIRED])
        if REQUIRED in reading.values
        else f"no power: {reading.invalid[REQUIRED]}"
    )
    return "; ".join(text for text in (named, power, f"{there} of {all_} quantities") if text)


def _place(asked: DlmsAsked) -> str:
    place = asked.place
    if place.serial is not None:
        serial = place.serial
        port = f"device: {serial.device}, baud: {serial.baud}, parity: {serial.parity}, stop_bits: {serial.stop_bits}"
        return f"transport: hdlc, serial: {{{port}}}"
    keys = f"host: {place.host}, port: {place.port}"
    return keys if place.transport == "wrapper" else f"transport: {place.transport}, {keys}"


def try_dlms(asked: DlmsAsked, profile: str, rating_w: float | None) -> int:
    """Read the meter once by `profile` as the daemon does, and print what it shows; raises ConfigError."""
    meter = asked.meter(load_dlms_profile(profile))
    seen = run_until_signal(read_dlms_once(meter))
    unread = Source(
        name=meter.profile.id,
        where=str(asked),
        suspect_s=float("inf"),
        rating_w=rating_w,
        expects=len(meter.profile.quantities),
    )
    told = report({unread.name: unread.taken(seen, ())}, boottime_s())
    tell(*told.lines)
    tell("look at the lines with !" if told.bad else "nothing looks wrong; compare with what the meter displays")
    return NOT_GOOD if told.bad else DONE
