"""Checks of the meters on DLMS/COSEM: where they are, as whom they are read, and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controller.site.dlms_source import DlmsSource
from controller.site.model import SiteFile
from controller.site.problems import Loc, Problem, path_text, unless_one
from controller.site.unknown import UNKNOWN

#: What the one byte of a client's address on HDLC holds, and each byte of a server's.
_ON_HDLC: Final = 127
#: The keys that belong to each kind of authentication: those that are needed, and those that may be there.
_NEEDED: Final = {
    "none": (),
    "low": ("password_file",),
    "high": ("encryption_key_file", "authentication_key_file"),
}
_MAY: Final = {"none": (), "low": (), "high": ("system_title", "counter")}
_SECRETS: Final = ("password_file", "encryption_key_file", "authentication_key_file", "system_title", "counter")


def dlms_problems(site: SiteFile) -> Iterator[Problem]:
    """Report what is wrong with each source on DLMS, and those that cannot share the line that they name."""
    sources: list[tuple[Loc, DlmsSource | None]] = [
        (("meters", index, "dlms"), meter.dlms) for index, meter in enumerate(site.meters)
    ]
    sources.append((("surplus", "dlms"), site.surplus.dlms))
    given = [(loc, source) for loc, source in sources if source is not None and source is not UNKNOWN]
    for loc, source in given:
        yield from _place_problems(loc, source)
        yield from _address_problems(loc, source)
        yield from _access_problems(loc, source)
        if source.poll_slow_s < source.poll_s:
            yield Problem(loc=(*loc, "poll_slow"), allowed=f"at least poll, {source.poll_s:g} s")
    yield from _shared_problems(site, given)


def _place_problems(loc: Loc, source: DlmsSource) -> Iterator[Problem]:
    yield from unless_one(loc, {"host": source.host, "serial": source.serial})
    if source.transport is UNKNOWN or (source.host is None) == (source.serial is None):
        return
    given, wanted = ("host", "serial") if source.serial is None else ("serial", "host")
    if (source.transport == "hdlc") != (given == "serial"):
        found = f"{given} for the transport {source.transport}"
        yield Problem(loc=(*loc, given), found=found, allowed=f"{wanted}, or another transport", at_key=True)


def _address_problems(loc: Loc, source: DlmsSource) -> Iterator[Problem]:
    if source.transport is UNKNOWN:
        return
    if source.transport == "wrapper":
        for key in ("physical", "address_bytes"):
            if getattr(source, key) is not None:
                found = f"{key} for the transport wrapper"
                yield Problem(loc=(*loc, key), found=found, allowed="one for HDLC alone", at_key=True)
        return
    if source.client > _ON_HDLC:
        yield Problem(loc=(*loc, "client"), allowed=f"1 to {_ON_HDLC} on HDLC")
    if source.physical is None and (source.server > _ON_HDLC or source.address_bytes in {2, 4}):
        found = "an address of more than one byte without a physical one"
        yield Problem(loc=loc, found=found, allowed="physical beside server", at_key=True)
    most = {1: 0, 2: _ON_HDLC}.get(source.address_bytes or 4)
    if source.physical is not None and most is not None and max(source.server, source.physical) > most:
        yield Problem(loc=(*loc, "address_bytes"), allowed="2 for server and physical to 127, 4 for higher ones")


def _access_problems(loc: Loc, source: DlmsSource) -> Iterator[Problem]:
    """Report secrets that the authentication needs and has not got, and those that it has no use for."""
    kind = source.authentication
    if kind is UNKNOWN:
        return
    for key in _NEEDED[kind]:
        if getattr(source, key) is None:
            yield Problem(loc=loc, found=f"authentication {kind} without {key}", allowed=key, at_key=True)
    for key in _SECRETS:
        if key in source.model_fields_set and key not in {*_NEEDED[kind], *_MAY[kind]}:
            found = f"{key} for the authentication {kind}"
            yield Problem(loc=(*loc, key), found=found, allowed="none", at_key=True)


def _shared_problems(site: SiteFile, given: list[tuple[Loc, DlmsSource]]) -> Iterator[Problem]:
    """Report two that are one meter, and lines that are set in two ways or belong to Modbus already."""
    first: dict[object, tuple[Loc, DlmsSource]] = {}
    meters: dict[object, Loc] = {}
    of_modbus = [site.surplus.modbus, *(meter.modbus for meter in site.meters)]
    modbus = {source.serial.device for source in of_modbus if source and source.serial}
    for loc, source in given:
        port = (source.host, source.port) if source.serial is None else source.serial.device
        before, other = first.setdefault(port, (loc, source))
        if (other.transport, other.serial) != (source.transport, source.serial):
            found = f"another transport or serial than {path_text(before)} has at the same place"
            yield Problem(loc=loc, found=found, allowed="the same, for they share one connection", at_key=True)
        if source.serial is not None and source.serial.device in modbus:
            found = f"the serial port {source.serial.device}, on which a meter speaks Modbus"
            yield Problem(loc=(*loc, "serial"), found=found, allowed="a port of its own", at_key=True)
        meter = (port, source.server, source.physical)
        if UNKNOWN not in meter and meters.setdefault(meter, loc) != loc:
            found = f"the place, server and physical address of {path_text(meters[meter])}"
            yield Problem(loc=loc, found=found, allowed="every meter once", at_key=True)
