"""Checks of the meters on Modbus: where they are, what their profile needs, and what they share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from controller.site.model import SiteFile
from controller.site.problems import Loc, Problem, path_text, unless_one
from controller.site.sources import ModbusSource
from controller.site.unknown import UNKNOWN
from drivers.errors import ConfigError
from drivers.meters.profiles import Profile, load_profile

#: The last unit id of a serial line (Modbus over serial line 1.02, section 2.2); 0 is for all, and nobody answers.
_LAST_SERIAL_UNIT: Final = 247


def modbus_problems(site: SiteFile) -> Iterator[Problem]:
    """Report what is wrong with each Modbus source, and those that cannot share the connection that they name."""
    sources: list[tuple[Loc, ModbusSource | None]] = [
        (("meters", index, "modbus"), meter.modbus) for index, meter in enumerate(site.meters)
    ]
    sources.append((("surplus", "modbus"), site.surplus.modbus))
    given = [(loc, source) for loc, source in sources if source is not None and source is not UNKNOWN]
    for loc, source in given:
        yield from _place_problems(loc, source)
        yield from _unit_problems(loc, source)
        yield from _time_problems(loc, source)
        yield from _profile_problems(loc, source)
    yield from _shared_problems(given)
    yield from _company_problems(given)


def _place_problems(loc: Loc, source: ModbusSource) -> Iterator[Problem]:
    yield from unless_one(loc, {"host": source.host, "serial": source.serial})
    transport = source.transport
    if transport is UNKNOWN:
        return
    given, wanted = ("host", "serial") if source.serial is None else ("serial", "host")
    if (transport == "rtu") != (given == "serial") and (source.host is None) != (source.serial is None):
        found = f"{given} for the transport {transport}"
        yield Problem(loc=(*loc, given), found=found, allowed=f"{wanted}, or another transport", at_key=True)
    if (transport == "tls") != (source.tls is not None):
        found = f"tls for the transport {transport}" if source.tls else "the transport tls without tls"
        yield Problem(loc=(*loc, "tls") if source.tls else loc, found=found, allowed="both or neither", at_key=True)
    if source.tls is not None and (source.tls.certificate is None) != (source.tls.private_key is None):
        yield Problem(
            loc=(*loc, "tls"), found="one of certificate and private_key", allowed="both or neither", at_key=True
        )


def _unit_problems(loc: Loc, source: ModbusSource) -> Iterator[Problem]:
    if source.transport in {"rtu", "rtu_over_tcp"} and source.unit is not UNKNOWN:
        if source.unit == "any" or not 1 <= source.unit <= _LAST_SERIAL_UNIT:
            allowed = f"1 to {_LAST_SERIAL_UNIT} on a serial line, where the unit alone says who answers"
            yield Problem(loc=(*loc, "unit"), allowed=allowed)
        if source.ignore_transaction is True:
            yield Problem(
                loc=(*loc, "ignore_transaction"),
                found=f"true for the transport {source.transport}, which has no transactions",
                allowed="false",
                at_key=True,
            )


def _company_problems(given: list[tuple[Loc, ModbusSource]]) -> Iterator[Problem]:
    """Report a meter that answers as any unit where others answer, too."""
    there = Counter((source.host, source.port) for _, source in given)
    for loc, source in given:
        if source.unit == "any" and there[source.host, source.port] > 1:
            yield Problem(loc=(*loc, "unit"), allowed="a number: other meters are read at this address, too")


def _time_problems(loc: Loc, source: ModbusSource) -> Iterator[Problem]:
    if source.poll_slow_s < source.poll_s:
        yield Problem(loc=(*loc, "poll_slow"), allowed=f"at least poll, {source.poll_s:g} s")


def _profile_problems(loc: Loc, source: ModbusSource) -> Iterator[Problem]:
    profile = _profile(source)
    if profile is None:
        return
    if source.poll_s < profile.shortest_poll_s:
        least = f"at least {profile.shortest_poll_s:g} s, in which {profile.id} has new values"
        yield Problem(loc=(*loc, "poll"), allowed=least)
    if profile.secondary and "ct_ratio" not in source.model_fields_set:
        found = f"no ct_ratio for {profile.id}, which shows what its transformers put out"
        yield Problem(loc=loc, found=found, allowed="ct_ratio, 1 where the meter knows its transformers", at_key=True)
    yield from _model_problems(loc, source, profile)
    yield from _doubt_problems(loc, source, profile)
    if profile.needs_full_scale and source.full_scale_w is None:
        found = f"no full_scale for {profile.id}, whose powers are shares of it"
        yield Problem(loc=loc, found=found, allowed="full_scale as it is set in the meter", at_key=True)
    if not profile.needs_full_scale and source.full_scale_w is not None:
        found = f"full_scale for {profile.id}, which shows watts"
        yield Problem(loc=(*loc, "full_scale"), found=found, allowed="none", at_key=True)


def _doubt_problems(loc: Loc, source: ModbusSource, profile: Profile) -> Iterator[Problem]:
    """Report a profile whose power is in doubt that nobody has settled: a factor of 1000 may pass every other check."""
    given = [key for key in ("confirmed", "power_unit") if key in source.model_fields_set]
    if profile.power_doubt and source.confirmed is False and source.power_unit is None:
        yield Problem(
            loc=(*loc, "profile"),
            found=f"{profile.id!r}, whose power is in doubt ({profile.power_doubt})",
            allowed="confirmed: true or power_unit: … beside it, when the power was compared with the meter's display, or by "
            "`surplusd meter probe`, which compares it with volts times amperes",
        )
    for key in given:
        if not profile.power_doubt:
            yield Problem(
                loc=(*loc, key), found=f"{key} for {profile.id}, whose power is sure", allowed="none", at_key=True
            )


def _model_problems(loc: Loc, source: ModbusSource, profile: Profile) -> Iterator[Problem]:
    for key in ("model", "nth"):
        if not profile.sunspec_models and key in source.model_fields_set:
            found = f"{key} for {profile.id}, which is no profile of SunSpec"
            yield Problem(loc=(*loc, key), found=found, allowed="none", at_key=True)
    if profile.sunspec_models and source.model is not None and source.model not in profile.sunspec_models:
        yield Problem(loc=(*loc, "model"), allowed=f"one of {', '.join(map(str, profile.sunspec_models))}")


def _profile(source: ModbusSource) -> Profile | None:
    """Return the profile; None where its own file is wrong, which is said when it is used."""
    if source.profile is UNKNOWN:
        return None
    try:
        return load_profile(source.profile)
    except ConfigError:
        return None


def _shared_problems(given: list[tuple[Loc, ModbusSource]]) -> Iterator[Problem]:
    first: dict[object, tuple[Loc, ModbusSource]] = {}
    for loc, source in given:
        port = (source.host, source.port) if source.serial is None else source.serial.device
        before, other = first.setdefault(port, (loc, source))
        if _connection(other) != _connection(source):
            yield Problem(
                loc=loc,
                found=f"another transport, serial, tls or ignore_transaction than {path_text(before)} has at the same place",
                allowed="the same, for they share one connection",
                at_key=True,
            )


def _connection(source: ModbusSource) -> tuple[object, ...]:
    """Return what all meters of one connection have in common."""
    return source.transport, source.serial, source.tls, source.ignore_transaction
