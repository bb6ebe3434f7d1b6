"""Units as OPC UA servers state them: the UNECE code as UnitId, and the display name beside it (OPC 10000-8, 5.6.3).

Plants write names as they like: `KW`, `[kW]`, `MWel`. What can mean one unit only is that unit. `mw` may be milliwatts or
megawatts, 10^9 apart, and so may `mW` where no UnitId stands beside it: such a name is none.
"""

from __future__ import annotations

import json
import re
import unicodedata
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

#: Spelt out, without a plural.
_WORDS: Final = {
    "milliwatt": "mW", "watt": "W", "kilowatt": "kW", "megawatt": "MW", "gigawatt": "GW", "terawatt": "TW",
    "watthour": "Wh", "kilowatthour": "kWh", "megawatthour": "MWh", "gigawatthour": "GWh",
    "hertz": "Hz", "kilohertz": "kHz",
}  # fmt: skip
#: Without their case: names of what is no power, energy or frequency.
_OTHERS: Final = frozenset({
    "°c", "degc", "°f", "k", "v", "kv", "mv", "a", "ka", "ma", "var", "kvar", "mvar", "va", "kva", "mva", "varh", "kvarh",
    "mvarh", "vah", "kvah", "mvah", "%", "bar", "pa", "kpa", "rpm", "m", "m3", "l", "kg", "t", "s", "min", "h",
})  # fmt: skip
#: Electrical, as opposed to thermal, power.
_ELECTRICAL: Final = re.compile(r"(?<=[Ww])[ _]?[(\[]?el?\.?[)\]]?$", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"[\[({<](.*)[\])}>]")
#: What stands between the factors of a product, as in kW·h.
_TIMES: Final = re.compile(r"[\s·⋅*.]+")
#: UnitIds by which servers say that they have none.
_NO_ID: Final = frozenset({0, -1})


def unit_id(code: str) -> int:
    """Return the UnitId of a UNECE common code: its characters as the bytes of a number.

    >>> unit_id("WTT")
    5723220
    """
    return int.from_bytes(code.encode("ascii"), "big")


_BY_ID: Final = {unit_id(code): unit for units in UNITS.values() for unit, (_, code) in units.items()}
#: A name without its case -> what it may mean, thousandths beside millions.
_BY_LETTERS: Final[dict[str, frozenset[str]]] = {
    unit.lower(): frozenset({unit, f"m{unit[1:]}"} if unit[0] == "M" else {unit})
    for unit in sorted(_BY_ID.values(), reverse=True)
}


class UnitRefusedError(Exception):
    """The unit of a node is not usable; the text says why."""


def factor(stated: object, wanted: str | None, si: str, stated_as: str | None = None) -> float:
    """Return the factor from the node's unit to `si`.

    `stated`: the node's EngineeringUnits, None where it has none; `wanted`: the unit that the site file names, None where
    it names none; `stated_as`: the name that the server gives the unit, quoted by a person for whom it means `wanted`.
    Raises UnitRefusedError where both are silent, where they disagree, and for a unit of something else.
    """
    units = UNITS[si]
    said = _unit(stated, wanted, stated_as)
    if said is None and wanted is None:
        raise UnitRefusedError(f"the server states no unit that is known{_found(stated)}: the site file must name it")
    if said is not None and said not in units:
        raise UnitRefusedError(
            f"the server states the unit {said}, which is none of {', '.join(units)}{_way_out(said, wanted)}"
        )
    if said is not None and wanted is not None and said != wanted:
        raise UnitRefusedError(f"the server states the unit {said}, the site file says {wanted}: one of them is wrong")
    return units[said or wanted or ""][0]


def _unit(stated: object, wanted: str | None, stated_as: str | None) -> str | None:
    """Return the unit that UnitId and name mean, None where nothing is stated; raises UnitRefusedError where they differ.

    A name that means nothing to us is returned as it is.
    """
    name, by_name = _by_name(stated)
    if stated_as is not None:
        by_name = _quoted(name, by_name, wanted, stated_as)
    by_id = _by_id(stated, name, known=bool(by_name))
    if by_id is not None and name and by_name and by_id not in by_name:
        raise UnitRefusedError(f"the server states the unit {by_id} by its UnitId and {_either(by_name)} by its name")
    if by_id is not None and stated_as is None and _plain(name).lower() in _OTHERS:
        raise UnitRefusedError(f"the server states the unit {by_id} by its UnitId and {name} by its name")
    if by_id is not None:
        return by_id
    if len(by_name) > 1 or (by_name == {"mW"} and stated_as is None and _plain(name) == "mW"):
        meant = _either(_in_letters(name))
        raise UnitRefusedError(f"the server calls the unit {name!r}, which may be {meant}{_way_out(name, wanted)}")
    return next(iter(by_name), name or None)


def _by_id(stated: object, name: str, *, known: bool) -> str | None:
    """Return the unit of the UnitId; raises UnitRefusedError where it is a code of something else than the name says."""
    if not isinstance(stated, ua.EUInformation) or not _of_unece(stated.NamespaceUri):
        return None
    unit = _BY_ID.get(stated.UnitId)
    if unit is None and known and (code := _code(stated.UnitId)):
        raise UnitRefusedError(
            f"the server states a unit by its UnitId {stated.UnitId} (UNECE {code}) that is not {name} as it is called: "
            "one of the two is wrong, and must be put right at the server"
        )
    return unit


def _of_unece(namespace: object) -> bool:
    """Tell whether UnitIds of a namespace are UNECE's: also where none is named, or that one is not written to the letter."""
    written = str(namespace or UNECE).strip().lower().rstrip("/")
    return written.replace("//opcfoundation.", "//www.opcfoundation.") == UNECE.lower()


def _code(number: object) -> str:
    """Return the UNECE common code of a UnitId; empty where it cannot be one."""
    if not isinstance(number, int) or number in _NO_ID or not 0 < number < 1 << 24:
        return ""
    code = number.to_bytes(3, "big").lstrip(b"\0")
    return code.decode("ascii") if re.fullmatch(rb"[A-Z0-9]{2,3}", code) else ""


def _by_name(stated: object) -> tuple[str, frozenset[str]]:
    """Return how the server calls the unit, and what that may mean; the description counts where the name is not clear."""
    if isinstance(stated, str):  # a property that is a plain text, as some controllers have it
        return stated.strip(), _named(stated)
    if isinstance(stated, ua.LocalizedText):
        return _text(stated), _named(_text(stated))
    if not isinstance(stated, ua.EUInformation):
        return "", frozenset()
    name, description = _text(stated.DisplayName), _text(stated.Description)
    meant, described = _named(name), _named(description)
    if not name:
        return description if described else "", described
    if meant and described and not meant & described:
        raise UnitRefusedError(f"the server calls the unit {name!r} and describes it as {description!r}")
    return name, meant & described or meant


def _quoted(name: str, meant: frozenset[str], wanted: str | None, stated_as: str) -> frozenset[str]:
    """Return the unit that a person says a name means; raises UnitRefusedError where the server calls it otherwise."""
    if name != stated_as.strip():
        raise UnitRefusedError(f"the server calls the unit {name!r}, the site file says unit_stated_as: {stated_as!r}")
    clear = len(meant) == 1 and meant != {"mW"}
    return meant if wanted is None or clear else frozenset({wanted})


def is_known(name: str) -> bool:
    """Return whether this is the name of a unit, of power or of something else."""
    return _plain(name) in _BY_ID.values() or _plain(name).lower() in _OTHERS


def _named(text: str) -> frozenset[str]:
    """Return the units that a name may mean."""
    name = _plain(text)
    if name in _BY_ID.values():
        return frozenset({name})
    word = _WORDS.get(name.lower().rstrip("s"))
    if word is not None:
        return frozenset({word})
    units = _BY_LETTERS.get(name.lower(), frozenset())
    # An M is mega in any spelling of the rest.
    return units if name[:1] != "M" or len(units) == 1 else frozenset(unit for unit in units if unit[0] == "M")


def _in_letters(name: str) -> frozenset[str]:
    """Return the units that a name may mean where its case says nothing."""
    return _BY_LETTERS.get(_plain(name).lower(), frozenset())


def _plain(text: str) -> str:
    """Return a name without brackets around it, what joins a product, and the mark of electrical power."""
    name = unicodedata.normalize("NFKC", text).strip()
    bracketed = _BRACKETS.fullmatch(name)
    name = bracketed[1].strip() if bracketed else name
    return _TIMES.sub("", _ELECTRICAL.sub("", name))


def _text(text: object) -> str:
    return str(getattr(text, "Text", None) or "").strip()


def _either(units: frozenset[str]) -> str:
    return " or ".join(sorted(units))


def _way_out(name: str, wanted: str | None) -> str:
    """Return what a person writes who knows what the name means: the unit that the site file has, never one of ours."""
    quoted = f"unit_stated_as: {json.dumps(name)}"
    if wanted is not None:
        return f"; if it is {wanted} all the same, beside unit: {wanted} {quoted}"
    return f"; who knows writes which of W, kW, MW, GW it is, and beside it {quoted}"


def _found(stated: object) -> str:
    return f" (UnitId {stated.UnitId} of {stated.NamespaceUri!r})" if isinstance(stated, ua.EUInformation) else ""
