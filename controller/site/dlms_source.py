"""How a meter is read over DLMS/COSEM: the part of the site file for it."""

from __future__ import annotations

from typing import Annotated, Literal

from controller.site.measures import Seconds
from controller.site.part import Part, key
from controller.site.paths import FilePath, ProfileLeaf
from controller.site.sources import SerialPort
from controller.site.texts import Flag, Host, Port, Sign, TransformerRatio, matching, whole
from drivers.meters.dlms.place import PORT
from drivers.meters.dlms.profiles import bundled_dlms_profiles

_ObisCode = Annotated[str, matching(r"\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3}", "an OBIS code such as 0-0:43.1.0")]
_SystemTitle = Annotated[str, matching("[0-9A-Fa-f]{16}", "16 hexadecimal digits in quotes")]
_Station = Annotated[int, whole(1, 16383)]
_ProfileName = Annotated[
    str,
    ProfileLeaf(
        parse=str,
        allowed="a bundled profile of DLMS, or the path of a YAML file",
        json={"type": "string", "minLength": 1},
        bundled=bundled_dlms_profiles,
    ),
]


class DlmsSource(Part):
    """A meter on DLMS/COSEM; on HDLC those at the same host and port, or on the same serial port, share one connection."""

    transport: Literal["wrapper", "hdlc_over_tcp", "hdlc"] = key(
        "transport",
        "`wrapper`: DLMS over TCP; `hdlc`: a serial port; `hdlc_over_tcp`: HDLC frames through a serial device server",
        "wrapper",
    )
    host: Host | None = key("host", "address of the meter or its gateway; `hdlc` has `serial` instead", None)
    port: Port = key("port", "TCP port", PORT)
    serial: SerialPort | None = key("serial", "the serial port, for `hdlc` alone", None)
    client: _Station = key("client", "number of the client as which it is read; 16 is the public one", 16)
    server: _Station = key("server", "number of the logical device in the meter; 1 is the one that every meter has", 1)
    physical: _Station | None = key("physical", "address of the meter on an HDLC line", None)
    address_bytes: Literal[1, 2, 4] | None = key(
        "address_bytes", "length of `server` and `physical` in an HDLC frame; as few as hold them", None
    )
    authentication: Literal["none", "low", "high"] = key(
        "authentication",
        "`low`: a password, which crosses the network as it is; `high`: GMAC, with every message ciphered (security suite 0)",
        "none",
    )
    password_file: FilePath | None = key("password_file", "file with the password, for `low` alone", None)
    encryption_key_file: FilePath | None = key(
        "encryption_key_file",
        "file with the global unicast encryption key, 32 hexadecimal digits, for `high` alone",
        None,
    )
    authentication_key_file: FilePath | None = key(
        "authentication_key_file", "file with the authentication key, 32 hexadecimal digits, for `high` alone", None
    )
    system_title: _SystemTitle | None = key(
        "system_title",
        "of `high`: what this client calls itself, where the meter insists on it; else a new one each time",
        None,
    )
    counter: _ObisCode = key(
        "counter",
        "of `high`: the object with the newest invocation counter, which the public client reads",
        "0-0:43.1.0",
    )
    profile: _ProfileName = key("profile", "objects: a bundled profile of DLMS, or the path of a profile file")
    poll_s: Seconds = key("poll", "time from one poll of power, frequency and clock to the next", "1 s")
    poll_slow_s: Seconds = key("poll_slow", "time from one poll of all quantities to the next", "10 s")
    timeout_s: Seconds = key("timeout", "how long an answer may take", "1 s")
    sign: Sign = key("sign", "-1 turns the direction of a meter that was wired the other way round", 1)
    swap_counters: Flag = key(
        "swap_counters",
        "with sign -1 the two energy counters change places; false where only its power is turned",
        True,
    )
    ct_ratio: TransformerRatio = key(
        "ct_ratio", "factor of the current (and voltage) transformers that the meter itself does not know", 1.0
    )
