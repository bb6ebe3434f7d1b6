"""From the site file's meters on DLMS/COSEM to drivers: one for each line that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from controller.daemon.meters.supervision import Driver
from controller.daemon.secret import read_secret
from controller.site.dlms_source import DlmsSource
from drivers.errors import ConfigError
from drivers.meters.dlms.access import Access
from drivers.meters.dlms.line import lines, read_line
from drivers.meters.dlms.meter import DlmsMeter
from drivers.meters.dlms.obis import obis
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.meters.dlms.protection import KEY_BYTES, Keys
from drivers.meters.orientation import Orientation
from drivers.meters.profiles import REQUIRED
from drivers.modbus.place import Serial
from drivers.readings import Publish


def line_drivers(
    sources: Mapping[str, DlmsSource],
    quantities: Mapping[str, str],
    publish: Publish,
    each_poll: Mapping[str, tuple[str, ...]],
) -> tuple[Driver, ...]:
    """Return a driver for each line; their polls are spread evenly over the period.

    `sources`: by the meter's name. `quantities`: name to what its power is published as, where that is not its active power.
    `each_poll`: name to what is read at every poll beside power and frequency. Raises ConfigError for a profile, a password
    or a key that cannot be used.
    """
    shared = lines(
        dlms_meter(name, source, quantities.get(name, REQUIRED), each_poll.get(name, ()))
        for name, source in sources.items()
    )
    return tuple(
        Driver(
            sources=tuple(meter.id for meter in line),
            run=partial(read_line, line, publish, share=index / len(shared)),
            reads=tuple(line),
        )
        for index, line in enumerate(shared)
    )


def dlms_meter(name: str, source: DlmsSource, quantity: str = REQUIRED, each_poll: tuple[str, ...] = ()) -> DlmsMeter:
    """Return a meter as the driver knows it; raises ConfigError."""
    return DlmsMeter(
        id=name,
        place=DlmsPlace(
            transport=source.transport,
            host=source.host or "",
            port=source.port if source.serial is None else 0,
            serial=None if source.serial is None else Serial(**dict(source.serial)),
        ),
        address=Station(
            client=source.client,
            server=source.server,
            physical=source.physical,
            length=source.address_bytes or 0,
        ),
        access=_access(source),
        profile=load_dlms_profile(str(source.profile)),
        poll_s=source.poll_s,
        poll_slow_s=source.poll_slow_s,
        timeout_s=source.timeout_s,
        orientation=Orientation(
            sign=source.sign, swap_counters=source.swap_counters, ct_ratio=source.ct_ratio, quantity=quantity
        ),
        each_poll=each_poll,
    )


def _access(source: DlmsSource) -> Access:
    return access(
        source.authentication,
        password_file=source.password_file,
        encryption_key_file=source.encryption_key_file,
        authentication_key_file=source.authentication_key_file,
        system_title=source.system_title,
        counter=source.counter,
    )


def access(
    authentication: str,
    *,
    password_file: Path | None,
    encryption_key_file: Path | None,
    authentication_key_file: Path | None,
    system_title: str | None,
    counter: str,
) -> Access:
    """Return as whom a meter is read, with what the files hold; raises ConfigError."""
    if authentication == "low" and password_file is not None:
        return Access(authentication="low", password=read_secret(password_file).encode())
    if authentication == "high" and encryption_key_file is not None and authentication_key_file is not None:
        keys = Keys(encryption=_key(encryption_key_file), authentication=_key(authentication_key_file))
        title = bytes.fromhex(system_title or "")
        return Access(authentication="high", keys=keys, title=title, counter_code=obis(counter) or b"")
    return Access()


def _key(path: Path) -> bytes:
    digits = 2 * KEY_BYTES
    text = read_secret(path)
    if re.fullmatch(f"[0-9A-Fa-f]{{{digits}}}", text) is None:
        raise ConfigError(f"{path}: found {len(text)} characters, allowed is a key of {digits} hexadecimal digits")
    return bytes.fromhex(text)
