"""Meter profiles: which quantity stands in which registers of a model of meter, as data in ``profiles/*.yaml``.

A profile file is read strictly. Its keys, and what each may hold, are the two tables of rules below; ``docs/meters.md``
explains them. Every bundled file names its sources and how far they may be believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from drivers.errors import ConfigError
from drivers.meters.codec import FORMATS, Register, word_count
from drivers.meters.strict_file import Rule, StrictFile, integer, list_of, number, number_range, one_of, text
from drivers.quantities import UNITS, Kind

#: Registers of one read request that Modbus allows (Modbus application protocol 1.1b3, section 6.3).
MOST_REGISTERS: Final = 125

#: The quantity that every profile must give.
REQUIRED: Final = "active_power_w"

#: Every quantity that a profile may give; the name carries the unit of the published value.
QUANTITIES: Final[Mapping[str, Kind]] = {
    "active_power_w": Kind.POWER,
    "frequency_hz": Kind.FREQUENCY,
    "energy_import_wh": Kind.ENERGY,
    "energy_export_wh": Kind.ENERGY,
    **{f"voltage_{phase}_n_v": Kind.VOLTAGE for phase in ("l1", "l2", "l3")},
    **{f"current_{phase}_a": Kind.CURRENT for phase in ("l1", "l2", "l3")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One model of meter.

    `registers`: quantity name to its registers. `largest_block`: most registers that one request may ask for.
    `largest_gap`: most registers between two wanted ones that may be read along; 0 where unmapped registers are refused.
    `sunspec_models`: not empty where addresses are offsets from the ID register of the first of these SunSpec models.
    """

    id: str
    vendor: str
    model: str
    confidence: str
    word_order: str
    registers: Mapping[str, Register]
    largest_block: int
    largest_gap: int
    sunspec_models: tuple[int, ...] = ()


def bundled_profiles() -> tuple[str, ...]:
    """Return the ids of the profiles that come with surplusd."""
    folder = files("drivers.meters") / "profiles"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_profile(name_or_path: str) -> Profile:
    """Return the bundled profile with this id, or the one in the file at this path.

    Raises ConfigError that lists every fault of the file at once as ``file:line``, what was found, what is allowed.
    """
    if name_or_path in bundled_profiles():
        source = files("drivers.meters") / "profiles" / f"{name_or_path}.yaml"
        return parse_profile(source.read_text(encoding="utf-8"), f"profiles/{name_or_path}.yaml")
    try:
        content = Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        known = ", ".join(bundled_profiles())
        raise ConfigError(
            f"profile: found {name_or_path!r} ({error}), allowed is one of {known}, or the path of a profile file"
        ) from error
    return parse_profile(content, name_or_path)


def parse_profile(content: str, name: str) -> Profile:
    """Return the profile written in `content`; `name` is how errors call the file. Raises ConfigError."""
    file = StrictFile(content, name)
    try:
        root = file.loader.get_single_node()
        profile = _profile(file, root) if root else None
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: not YAML: {error}") from error
    if file.faults or profile is None:
        raise ConfigError("\n".join(fault for _, fault in sorted(file.faults)) or f"{name}:1: the file is empty")
    return profile


def _markers(value: object) -> bool:
    def marker(one: object) -> bool:
        return integer(0, 2**64 - 1)(one) or (number_range(one) and list_of(integer(0, 2**64 - 1))(one))

    return isinstance(value, dict) and all(key in FORMATS and list_of(marker)(each) for key, each in value.items())


_address = integer(0, 65535)
_TYPES = ", ".join(FORMATS)

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
    "word_order": Rule(one_of("big", "little"), "big (most significant word first) or little"),
    "largest_block": Rule(integer(1, MOST_REGISTERS), f"1 to {MOST_REGISTERS} registers", default=MOST_REGISTERS),
    "largest_gap": Rule(integer(0, MOST_REGISTERS), f"0 to {MOST_REGISTERS} registers", default=0),
    "invalid": Rule(_markers, f"lists of bit patterns or [low, high] ranges of them, by type ({_TYPES})", default={}),
    "sunspec_models": Rule(list_of(integer(1, 65534)), "a list of SunSpec model ids", default=[]),
    "registers": Rule(lambda value: isinstance(value, dict) and bool(value), "registers by quantity"),
}

_REGISTER: Final[Mapping[str, Rule]] = {
    "fc": Rule(one_of(3, 4), "3 (holding registers) or 4 (input registers)"),
    "address": Rule(
        lambda value: _address(value) or list_of(_address)(value), "0 to 65535, or a list of addresses to add up"
    ),
    "type": Rule(one_of(*FORMATS), _TYPES),
    "scale": Rule(lambda value: number(value) and 1e-12 <= abs(value) <= 1e12, "a number that is not 0", default=1),
    "sign": Rule(one_of(1, -1), "1, or -1 where the meter counts power into the site as negative", default=1),
    "plausible": Rule(number_range, "[low, high] in the unit of the quantity's name", default=()),
}


def _profile(file: StrictFile, root: yaml.Node) -> Profile | None:
    fields = file.fields(root, _PROFILE, "profile")
    top = dict(root.value) if isinstance(root, yaml.MappingNode) else {}
    registers_node = next((value for key, value in top.items() if key.value == "registers"), None)
    if not isinstance(registers_node, yaml.MappingNode):
        return None
    nodes = file.items(registers_node, QUANTITIES, "registers")
    if REQUIRED not in nodes:
        file.fault(registers_node, "registers", f"no key {REQUIRED!r}", "a profile with the power that is controlled")
    registers = {name: _register(file, node, name, fields or {}) for name, node in nodes.items()}
    if file.faults or fields is None:
        return None
    return Profile(
        id=fields["id"],
        vendor=fields["vendor"],
        model=fields["model"],
        confidence=fields["confidence"],
        word_order=fields["word_order"],
        registers={name: register for name, register in registers.items() if register is not None},
        largest_block=fields["largest_block"],
        largest_gap=fields["largest_gap"],
        sunspec_models=tuple(fields["sunspec_models"]),
    )


def _register(file: StrictFile, node: yaml.Node, name: str, profile: Mapping[str, Any]) -> Register | None:
    units = UNITS[QUANTITIES[name]]
    fields = file.fields(node, {**_REGISTER, "unit": Rule(one_of(*units), ", ".join(units))}, name)
    if fields is None:
        return None
    addresses = tuple(fields["address"]) if isinstance(fields["address"], list) else (fields["address"],)
    words, room = word_count(fields["type"]), profile.get("largest_block", MOST_REGISTERS)
    if words > room or max(addresses) + words > 65536:
        file.fault(node, name, f"{words} registers at {addresses}", f"at most {room}, none beyond 65535")
        return None
    return Register(
        fc=fields["fc"],
        addresses=addresses,
        type=fields["type"],
        word_order=profile.get("word_order", "big"),
        factor=Fraction(str(fields["scale"])) * Fraction(str(units[fields["unit"]])) * fields["sign"],
        invalid=tuple(_bounds(marker) for marker in profile.get("invalid", {}).get(fields["type"], ())),
        plausible=tuple(fields["plausible"]) or None,
    )


def _bounds(marker: int | list[int]) -> tuple[int, int]:
    return (marker, marker) if isinstance(marker, int) else (marker[0], marker[1])
