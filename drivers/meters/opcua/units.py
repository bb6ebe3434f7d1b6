"""Units as OPC UA servers state them: the UNECE code as UnitId, and the display name beside it (OPC 10000-8, 5.6.3)."""

from __future__ import annotations

from typing import Final

from asyncua import ua

UNECE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"

#: SI unit of our quantities -> unit -> factor and UNECE common code. Case matters: mW and MW differ by 10^9.
UNITS: Final[dict[str, dict[str, tuple[float, str]]]] = {
    "W": {
        "mW": (1e-3, "C31"),
        "W": (1.0, "WTT"),
        "kW": (1e3, "KWT"),
        "MW": (1e6, "MAW"),
        "GW": (1e9, "A90"),
        "TW": (1e12, "D31"),
    },
    "Wh": {
        "Wh": (1.0, "WHR"),
        "kWh": (1e3, "KWH"),
        "MWh": (1e6, "MWH"),
        "GWh": (1e9, "GWH"),
        "TWh": (1e12, "D32"),
        "Ws": (1 / 3600, "J55"),
        "J": (1 / 3600, "JOU"),
        "kJ": (1 / 3.6, "KJO"),
        "MJ": (1e3 / 3.6, "3B"),
        "GJ": (1e6 / 3.6, "GV"),
    },
    "Hz": {"Hz": (1.0, "HTZ"), "kHz": (1e3, "KHZ")},
}

_ALIASES: Final = {"W·h": "Wh", "kW·h": "kWh", "MW·h": "MWh", "GW·h": "GWh", "W h": "Wh", "kW h": "kWh"}
_WORDS: Final = {
    "watt": "W", "kilowatt": "kW", "megawatt": "MW", "gigawatt": "GW",
    "watt hour": "Wh", "kilowatt hour": "kWh", "megawatt hour": "MWh", "hertz": "Hz",
}  # fmt: skip


def unit_id(code: str) -> int:
    """Return the UnitId of a UNECE common code: its characters as the bytes of a number.

    >>> unit_id("WTT")
    5723220
    """
    return int.from_bytes(code.encode("ascii"), "big")


_BY_ID: Final = {unit_id(code): unit for units in UNITS.values() for unit, (_, code) in units.items()}
_KNOWN: Final = frozenset(_BY_ID.values())


class UnitRefusedError(Exception):
    """The unit of a node is not usable; the text says why."""


def factor(stated: object, wanted: str | None, si: str) -> float:
    """Return the factor from the node's unit to `si`.

    `stated`: the node's EngineeringUnits, None where it has none; `wanted`: the unit that the site file names, None where
    it names none. Raises UnitRefusedError where both are silent, where they disagree, and for a unit of something else.
    """
    units = UNITS[si]
    said = _unit(stated)
    if said is None and wanted is None:
        raise UnitRefusedError(f"the server states no unit that is known{_found(stated)}: the site file must name it")
    if said is not None and said not in units:
        raise UnitRefusedError(f"the server states the unit {said}, which is none of {', '.join(units)}")
    if said is not None and wanted is not None and said != wanted:
        raise UnitRefusedError(f"the server states the unit {said}, the site file says {wanted}: one of them is wrong")
    return units[said or wanted or ""][0]


def _unit(stated: object) -> str | None:
    """Return the unit that the UnitId and the display name mean; raises UnitRefusedError where they differ."""
    if not isinstance(stated, ua.EUInformation):
        return None
    by_id = _BY_ID.get(stated.UnitId) if stated.NamespaceUri in {None, "", UNECE} else None
    by_name = _named(stated.DisplayName) or _named(stated.Description)
    if by_id is not None and by_name is not None and by_id != by_name:
        raise UnitRefusedError(f"the server states the unit {by_id} by its UnitId and {by_name} by its name")
    if by_id is None and by_name is None and (name := _text(stated.DisplayName)):
        return name  # a unit, but none of ours
    return by_id or by_name


def _named(text: object) -> str | None:
    name = _text(text)
    name = _ALIASES.get(name, name)
    return name if name in _KNOWN else _WORDS.get(name.lower().rstrip("s"))


def _text(text: object) -> str:
    return str(getattr(text, "Text", None) or "").strip()


def _found(stated: object) -> str:
    return f" (UnitId {stated.UnitId} of {stated.NamespaceUri!r})" if isinstance(stated, ua.EUInformation) else ""
