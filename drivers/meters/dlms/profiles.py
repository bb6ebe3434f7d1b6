"""Profiles of meters on DLMS/COSEM: under which OBIS code a model of meter has a quantity, as data in ``profiles/*.yaml``.

What a number counts in is not in the profile: the meter says so (scaler_unit), and what it says has to fit the quantity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from drivers.errors import ConfigError
from drivers.meters.dlms.obis import is_obis, obis
from drivers.meters.dlms.xdlms import Attribute
from drivers.meters.profiles import QUANTITIES, REQUIRED
from drivers.meters.strict_file import Rule, StrictFile, list_of, one_of, parse_strictly, text
from drivers.nearest import nearest

#: The classes of objects that carry a number: the attributes with its value, and with its scaler and unit (IEC 62056-6-2).
_NUMBERS: Final[Mapping[int, tuple[int, int]]] = {3: (2, 3), 4: (2, 3), 5: (2, 4)}
#: The clock of every meter: class 8, its time.
CLOCK: Final = Attribute(8, bytes([0, 0, 1, 0, 0, 255]), 2)
#: What a meter calls itself: class 1, its value, whose first three letters are its maker's.
LOGICAL_NAME: Final = Attribute(1, bytes([0, 0, 42, 0, 0, 255]), 2)


@dataclass(frozen=True, slots=True)
class Number:
    """An object with a number: the attribute that holds it, and the one with its scaler and unit."""

    value: Attribute
    scaler_unit: Attribute


@dataclass(frozen=True, slots=True)
class Measured:
    """Where a quantity is: a number, and the one to be taken away from it, where there is one."""

    code: Number
    subtract: Number | None = None

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Both."""
        return (self.code,) if self.subtract is None else (self.code, self.subtract)


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsProfile:
    """One model of meter. `makers`: with which three letters its logical device name may begin; empty for any."""

    id: str
    vendor: str
    model: str
    confidence: str
    quantities: Mapping[str, Measured]
    makers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def bundled_dlms_profiles() -> tuple[str, ...]:
    """Return the ids of the profiles that come with surplusd."""
    folder = files("drivers.meters.dlms") / "profiles"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_dlms_profile(name_or_path: str) -> DlmsProfile:
    """Return the bundled profile with this id, or the one in the file at this path.

    Raises ConfigError that lists every fault of the file at once as ``file:line``, what was found, what is allowed.
    """
    known = bundled_dlms_profiles()
    if name_or_path in known:
        source = files("drivers.meters.dlms") / "profiles" / f"{name_or_path}.yaml"
        return parse_dlms_profile(source.read_text(encoding="utf-8"), f"profiles/{name_or_path}.yaml")
    try:
        content = Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        near = nearest(known, name_or_path)
        meant = f"{near} (did you mean that?), " if near else ""
        others = ", ".join(name for name in known if name != near)
        allowed = f"one of {meant}{others}, or the path of a profile file"
        raise ConfigError(f"profile: found {name_or_path!r} ({error}), allowed for dlms is {allowed}") from error
    return parse_dlms_profile(content, name_or_path)


@lru_cache(maxsize=64)  # a site has many meters of few models
def parse_dlms_profile(content: str, name: str) -> DlmsProfile:
    """Return the profile written in `content`; `name` is how errors call the file. Raises ConfigError."""
    return parse_strictly(content, name, _profile)


_OBIS: Final = "an OBIS code such as 1-0:1.7.0"
_PROFILE: Final[Mapping[str, Rule]] = {
    "id": Rule(lambda value: text(value) and re.fullmatch(r"[a-z0-9_]+", value) is not None, "a word of a-z, 0-9, _"),
    "vendor": Rule(text, "a text"),
    "model": Rule(text, "a text"),
    "confidence": Rule(
        one_of("specification", "two_sources", "single_source", "partial"),
        "specification, two_sources, single_source or partial",
    ),
    "sources": Rule(list_of(text), "a list of texts"),
    "notes": Rule(list_of(text), "a list of texts", default=[]),
    "makers": Rule(
        list_of(lambda value: text(value) and re.fullmatch("[A-Z]{3}", value) is not None),
        "a list of three capital letters each",
        default=[],
    ),
    "quantities": Rule(lambda value: isinstance(value, yaml.MappingNode), "objects by quantity", nested=True),
}
_MEASURED: Final[Mapping[str, Rule]] = {
    "code": Rule(is_obis, _OBIS),
    "subtract": Rule(is_obis, f"{_OBIS}, to be taken away", default=None),
    "class": Rule(
        one_of(*_NUMBERS), "3 (register), 4 (extended register) or 5 (demand register: its running mean)", default=3
    ),
}


def _profile(file: StrictFile, root: yaml.Node) -> DlmsProfile | None:
    fields = file.fields(root, _PROFILE, "profile")
    node = file.parts(root).get("quantities")
    if not isinstance(node, yaml.MappingNode):
        return None
    rows = file.items(node, QUANTITIES, "quantities")
    if REQUIRED not in rows:
        file.fault(node, "quantities", f"no key {REQUIRED!r}", "a profile with the power that is controlled")
    quantities = {name: _measured(file.fields(row, _MEASURED, name)) for name, row in rows.items()}
    if file.faults or fields is None:
        return None
    return DlmsProfile(
        id=fields["id"],
        vendor=fields["vendor"],
        model=fields["model"],
        confidence=fields["confidence"],
        quantities={name: each for name, each in quantities.items() if each is not None},
        makers=tuple(fields["makers"]),
        sources=tuple(fields["sources"]),
        notes=tuple(fields["notes"]),
    )


def _measured(fields: Mapping[str, Any] | None) -> Measured | None:
    if fields is None:
        return None
    code, subtract = (_number(fields["class"], fields[key]) for key in ("code", "subtract"))
    return None if code is None else Measured(code, subtract)


def _number(class_id: int, text_: str | None) -> Number | None:
    code = obis(text_) if text_ else None
    if code is None:
        return None
    value, scaler_unit = _NUMBERS[class_id]
    return Number(Attribute(class_id, code, value), Attribute(class_id, code, scaler_unit))
