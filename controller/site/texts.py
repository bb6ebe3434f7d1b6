"""Names, addresses, plain numbers."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Literal

from controller.site.value_type import NotAllowedError, ValueType, require, text_schema
from drivers.meters.http.address import Url
from drivers.meters.payloads.profiles import is_spot


def matching(pattern: str, allowed: str) -> ValueType:
    """Return the type of a text that matches as a whole."""

    def parse(text: object) -> str:
        if not isinstance(text, str) or re.fullmatch(pattern, text) is None:
            raise NotAllowedError
        return text

    return ValueType(parse=parse, allowed=allowed, json=text_schema(f"^(?:{pattern})$"))


def whole(low: int, high: int) -> ValueType:
    """Return the type of a whole number between the bounds."""

    def parse(value: object) -> int:
        if type(value) is not int or not low <= value <= high:
            raise NotAllowedError
        return value

    json = {"type": "integer", "minimum": low, "maximum": high}
    return ValueType(parse=parse, allowed=f"a whole number from {low} to {high}", json=json)


def ratio(low: float, high: float) -> ValueType:
    """Return the type of a bare number between the bounds."""

    def parse(value: object) -> float:
        if type(value) not in {int, float} or not low <= value <= high:  # type: ignore[operator]
            raise NotAllowedError
        return float(value)  # type: ignore[arg-type]

    json = {"type": "number", "minimum": low, "maximum": high}
    return ValueType(parse=parse, allowed=f"a number from {low:g} to {high:g}", json=json)


_UNIT = whole(0, 255)
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"

Id = Annotated[
    str, matching("[a-z0-9][a-z0-9-]{0,62}", "1 to 63 of a-z, 0-9 and -, not starting with - (quote digits)")
]
Name = Annotated[str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "1 to 63 letters, digits, dots, _ and -")]
Text = Annotated[str, matching(r"\S(?:.*\S)?", "a text of one line")]
Host = Annotated[str, matching(r"[A-Za-z0-9._:-]{1,253}", "a host name or an IP address")]
Endpoint = Annotated[
    str, matching(rf"opc\.tcp://{_HOST}(?::[0-9]{{1,5}})?(?:/\S*)?", "an address such as opc.tcp://10.0.0.5:4840/")
]
Sha256 = Annotated[str, matching("[0-9a-f]{64}", "a SHA-256 as 64 hexadecimal digits in lower case")]
Port = Annotated[int, whole(1, 65535)]
Baud = Annotated[int, whole(300, 4_000_000)]
StopBits = Annotated[int, whole(1, 2)]
ModbusUnit = Annotated[int, whole(0, 255)]
MeterUnit = Annotated[
    int | Literal["any"],
    ValueType(
        parse=lambda value: "any" if value == "any" else _UNIT.parse(value),
        allowed=f"{_UNIT.allowed}, or the word any",
        json={"anyOf": [{"const": "any"}, _UNIT.json]},
    ),
]
ModbusAddress = Annotated[int, whole(0, 65535)]
Count = Annotated[int, whole(1, 100_000)]
Factor = Annotated[float, ratio(1e-6, 1e6)]
TransformerRatio = Annotated[float, ratio(1e-3, 1e5)]


def _ip_address(text: object) -> str:
    require(isinstance(text, str))
    try:
        return str(ipaddress.ip_address(str(text)))
    except ValueError as error:
        raise NotAllowedError from error


IpAddress = Annotated[
    str, ValueType(parse=_ip_address, allowed="an IP address, in quotes", json=text_schema(r"^[0-9A-Fa-f:.]+$"))
]


def _sign(value: object) -> int:
    require(type(value) is int and value in {1, -1})
    return 1 if value == 1 else -1


def _phase_count(value: object) -> int:
    require(type(value) is int and value in {1, 3})
    return 3 if value == 3 else 1


def _flag(value: object) -> bool:
    require(isinstance(value, bool))
    return bool(value)


Flag = Annotated[bool, ValueType(parse=_flag, allowed="true or false", json={"type": "boolean"})]
PhaseCount = Annotated[Literal[1, 3], ValueType(parse=_phase_count, allowed="1 or 3", json={"enum": [1, 3]})]
Sign = Annotated[
    Literal[1, -1],
    ValueType(parse=_sign, allowed="1 or -1", json={"enum": [1, -1]}),
]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens; port 0 takes any free one."""

    host: str
    port: int


def _listen(text: object) -> Listen:
    match = (
        re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", text)
        if isinstance(text, str)
        else None
    )
    if match is None or int(match[3]) > 65535:
        raise NotAllowedError
    return Listen(match[1] or match[2], int(match[3]))


ListenAddress = Annotated[
    Listen,
    ValueType(
        parse=_listen,
        allowed='"HOST:PORT", as in "127.0.0.1:8420" or "[::1]:8420"',
        json=text_schema(r"^\S+:[0-9]{1,5}$"),
    ),
]


def _web_address(text: object) -> str:
    require(isinstance(text, str))
    try:
        return str(Url.parse(str(text)))
    except ValueError as error:
        raise NotAllowedError from error


WebAddress = Annotated[
    str,
    ValueType(
        parse=_web_address,
        allowed="an address such as http://10.0.0.5/status, without user and password",
        json=text_schema(r"^https?://\S+$"),
    ),
]


def _value_place(text: object) -> str:
    require(is_spot(text))
    return str(text)


ValuePlace = Annotated[
    str,
    ValueType(
        parse=_value_place,
        allowed="a JSON pointer, such as /grid/power; of MQTT also a topic below the meter's, a space and a pointer",
        json={"type": "string"},
    ),
]
Topic = Annotated[str, matching(r"[^#+\x00-\x1f\x7f]{1,250}(?<!/)", "a topic without wildcards that does not end in /")]
