"""Meter profiles: which quantity stands in which registers of a model of meter, as data in ``profiles/*.yaml``.

A profile file is read strictly. Its keys, and what each may hold, are the three tables of rules below; ``docs/meters.md``
explains them. Every bundled file names its sources and how far they may be believed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from drivers.errors import ConfigError
from drivers.meters.codec import Register
from drivers.meters.encodings import TYPES
from drivers.meters.strict_file import (
    Rule,
    StrictFile,
    integer,
    list_of,
    number,
    number_range,
    one_of,
    parse_strictly,
    text,
)
from drivers.nearest import nearest
from drivers.quantities import UNITS, QuantityKind

#: Registers of one read request that Modbus allows (Modbus application protocol 1.1b3, section 6.3).
MOST_REGISTERS: Final = 125

#: The quantity that every profile must give.
REQUIRED: Final = "active_power_w"

#: Every quantity that a profile may give; the name carries the unit of the published value.
QUANTITIES: Final[Mapping[str, QuantityKind]] = {
    "active_power_w": QuantityKind.POWER,
    "frequency_hz": QuantityKind.FREQUENCY,
    "energy_import_wh": QuantityKind.ENERGY,
    "energy_export_wh": QuantityKind.ENERGY,
    **{f"active_power_{phase}_w": QuantityKind.POWER for phase in ("l1", "l2", "l3")},
    "reactive_power_var": QuantityKind.REACTIVE_POWER,
    **{f"voltage_{phase}_n_v": QuantityKind.VOLTAGE for phase in ("l1", "l2", "l3")},
    **{f"voltage_{phases}_v": QuantityKind.VOLTAGE for phases in ("l1_l2", "l2_l3", "l3_l1")},
    **{f"current_{phase}_a": QuantityKind.CURRENT for phase in ("l1", "l2", "l3")},
}

#: Those that a controller acts on: read at every poll, the others at every slow poll.
FAST: Final = ("active_power_w", "frequency_hz")


@dataclass(frozen=True, slots=True)
class Identity:
    """Registers that only this model of meter answers with these words, to a request for exactly these registers."""

    fc: int
    address: int
    words: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One model of meter.

    `registers`: quantity name to its registers. `largest_block`: most registers that one request may ask for.
    `largest_gap`: most registers between two wanted ones that may be read along; 0 where unmapped registers are refused.
    `shortest_poll_s`: polling faster brings nothing new. `unit_id`: the meter's own default. `secondary`: it shows what its
    transformers put out, so that the site's ratio is needed. `zero_not_ready`: answers that are all zero mean that there is
    no reading yet. `identity`: any one that matches identifies the meter. `sunspec_models`: not empty where addresses are
    offsets from the ID register of the first of these SunSpec models. `turned_makers`: those that count power out of the site
    as positive, beside counters that are named as SunSpec has them.
    """

    id: str
    vendor: str
    model: str
    confidence: str
    word_order: str
    registers: Mapping[str, Register]
    largest_block: int
    largest_gap: int
    byte_order: str = "big"
    shortest_poll_s: float = 0.1
    unit_id: int = 1
    secondary: bool = False
    zero_not_ready: bool = False
    identity: tuple[Identity, ...] = ()
    sunspec_models: tuple[int, ...] = ()
    turned_makers: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def promised(self) -> int:
        """How many quantities every reading of all that it has brings."""
        return len(self.registers)

    @property
    def doubts(self) -> Mapping[str, str]:
        """By quantity what must be verified on the device."""
        return {name: register.doubt for name, register in self.registers.items() if register.doubt}

    @property
    def power_doubt(self) -> str:
        """What is not sure about the power that is controlled; empty where it is."""
        return self.registers[REQUIRED].doubt

    @property
    def needs_full_scale(self) -> bool:
        """Whether its numbers mean nothing without the full scale that is set in the meter."""
        return any(register.of_full_scale for register in self.registers.values())


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
    except (OSError, ValueError) as error:
        near = nearest(bundled_profiles(), name_or_path)
        meant = f"{near} (did you mean that?), " if near else ""
        others = ", ".join(name for name in bundled_profiles() if name != near)
        allowed = f"one of {meant}{others}, or the path of a profile file"
        raise ConfigError(f"profile: found {name_or_path!r} ({error}), allowed is {allowed}") from error
    return parse_profile(content, name_or_path)


@lru_cache(maxsize=64)  # a site has many meters of few models
def parse_profile(content: str, name: str) -> Profile:
    """Return the profile written in `content`; `name` is how errors call the file. Raises ConfigError."""
    return parse_strictly(content, name, _profile)


def bind(profile: Profile, full_scale_w: float | None = None) -> Profile:
    """Return `profile` for a meter that is set to this full scale; raises ConfigError where it is missing or has no use."""
    if profile.needs_full_scale is not (full_scale_w is not None):
        known, wanted = ("none", "the power at full scale") if full_scale_w is None else (full_scale_w, "no such key")
        raise ConfigError(f"full_scale: found {known}, allowed with the profile {profile.id} is {wanted}")
    if full_scale_w is None:
        return profile
    if not 0 < full_scale_w < math.inf:
        raise ConfigError(f"full_scale: found {full_scale_w}, allowed is a power above 0")
    registers = {
        name: replace(each, factor=each.factor * Fraction(full_scale_w), of_full_scale=False)
        if each.of_full_scale
        else each
        for name, each in profile.registers.items()
    }
    return replace(profile, registers=registers)


def settle(profile: Profile, *, confirmed: bool = False, power_unit: str | None = None) -> Profile:
    """Return `profile` where a person has settled what is in doubt about the power.

    `confirmed`: it is as the profile has it. `power_unit`: what all that is in the same doubt counts in, in thousands as W,
    kW, MW or GW do. Raises ConfigError where nothing is in doubt.
    """
    if not confirmed and power_unit is None:
        return profile
    if not profile.power_doubt:
        raise ConfigError(f"confirmed, power_unit: allowed with the profile {profile.id}, whose power is sure, is none")
    registers = {
        name: replace(each, doubt="", factor=each.factor * _ratio(power_unit, each))
        if each.doubt == profile.power_doubt
        else each
        for name, each in profile.registers.items()
    }
    return replace(profile, registers=registers)


def _ratio(power_unit: str | None, register: Register) -> Fraction:
    """Return by how much more the register counts when its power is in `power_unit`."""
    if power_unit is None:
        return Fraction(1)
    own = next(units[register.unit] for units in UNITS.values() if register.unit in units)
    return _exact(UNITS[QuantityKind.POWER][power_unit]) / _exact(own)


def _markers(value: object) -> bool:
    def marker(one: object) -> bool:
        return integer(0, 2**64 - 1)(one) or (number_range(one) and list_of(integer(0, 2**64 - 1))(one))

    return isinstance(value, dict) and all(key in TYPES and list_of(marker)(each) for key, each in value.items())


def _node(kind: type[yaml.Node]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and bool(value.value)


def _seconds(value: object) -> bool:
    return number(value) and 0.02 <= value <= 3600  # type: ignore[operator]


_address = integer(0, 65535)
_TYPES = ", ".join(TYPES)
_FULL_SCALE: Final = "full_scale"
_FC: Final = Rule(one_of(3, 4), "3 (holding registers) or 4 (input registers)")
_BYTE_ORDER: Final = "big, or little where the two bytes of each register are swapped"
_WORD_ORDER: Final = "big (most significant word first) or little"
_YES_NO: Final = one_of(True, False)

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
    "word_order": Rule(one_of("big", "little"), _WORD_ORDER),
    "byte_order": Rule(one_of("big", "little"), _BYTE_ORDER, default="big"),
    "largest_block": Rule(integer(1, MOST_REGISTERS), f"1 to {MOST_REGISTERS} registers", default=MOST_REGISTERS),
    "largest_gap": Rule(integer(0, MOST_REGISTERS), f"0 to {MOST_REGISTERS} registers", default=0),
    "shortest_poll": Rule(_seconds, "0.02 to 3600 seconds", default=0.1),
    "unit_id": Rule(integer(0, 255), "0 to 255", default=1),
    "secondary": Rule(_YES_NO, "true or false", default=False),
    "zero_not_ready": Rule(_YES_NO, "true or false", default=False),
    "identity": Rule(_node(yaml.SequenceNode), "a list of {fc, address, words}", default=None, nested=True),
    "invalid": Rule(_markers, f"lists of bit patterns or [low, high] ranges of them, by type ({_TYPES})", default={}),
    "sunspec_models": Rule(list_of(integer(1, 65534)), "a list of SunSpec model ids", default=[]),
    "turned_makers": Rule(list_of(text), "a list of makers as the meter names them", default=[]),
    "registers": Rule(_node(yaml.MappingNode), "registers by quantity", nested=True),
}

_REGISTER: Final[Mapping[str, Rule]] = {
    "fc": _FC,
    "address": Rule(
        lambda value: _address(value) or list_of(_address)(value), "0 to 65535, or a list of addresses to add up"
    ),
    "subtract": Rule(list_of(_address), "a list of addresses to take away", default=[]),
    "type": Rule(one_of(*TYPES), _TYPES),
    "word_order": Rule(one_of("big", "little"), _WORD_ORDER, default=""),
    "scale": Rule(lambda value: number(value) and 1e-12 <= abs(value) <= 1e12, "a number that is not 0", default=1),
    "scale_address": Rule(_address, "0 to 65535, where an exponent of ten stands", default=None),
    "lin3": Rule(
        lambda value: value == _FULL_SCALE or (number_range(value) and value[0] < value[1]),
        f"[low, high] in the unit, or {_FULL_SCALE}",
        default=None,
    ),
    "sign": Rule(one_of(1, -1), "1, or -1 where the meter counts power into the site as negative", default=1),
    "plausible": Rule(number_range, "[low, high] in the unit of the quantity's name", default=()),
    "doubt": Rule(text, "a text: what to verify on the device", default=""),
}

_IDENTITY: Final[Mapping[str, Rule]] = {
    "fc": _FC,
    "address": Rule(_address, "0 to 65535"),
    "words": Rule(
        lambda value: list_of(_address)(value) and len(value) <= MOST_REGISTERS, "1 to 125 words, each 0 to 65535"
    ),
}


def _profile(file: StrictFile, root: yaml.Node) -> Profile | None:
    fields = file.fields(root, _PROFILE, "profile")
    parts = file.parts(root)
    identity_node, registers_node = parts.get("identity"), parts.get("registers")
    identities = identity_node.value if isinstance(identity_node, yaml.SequenceNode) else ()
    identity = [_identity(file, node) for node in identities]
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
        byte_order=fields["byte_order"],
        registers={name: register for name, register in registers.items() if register is not None},
        largest_block=fields["largest_block"],
        largest_gap=fields["largest_gap"],
        shortest_poll_s=float(fields["shortest_poll"]),
        unit_id=fields["unit_id"],
        secondary=fields["secondary"],
        zero_not_ready=fields["zero_not_ready"],
        identity=tuple(each for each in identity if each is not None),
        sunspec_models=tuple(fields["sunspec_models"]),
        turned_makers=tuple(fields["turned_makers"]),
        sources=tuple(fields["sources"]),
        notes=tuple(fields["notes"]),
    )


def _identity(file: StrictFile, node: yaml.Node) -> Identity | None:
    fields = file.fields(node, _IDENTITY, "identity")
    return Identity(fields["fc"], fields["address"], tuple(fields["words"])) if fields else None


def _register(file: StrictFile, node: yaml.Node, name: str, profile: Mapping[str, Any]) -> Register | None:
    units = UNITS[QUANTITIES[name]]
    fields = file.fields(node, {**_REGISTER, "unit": Rule(one_of(*units), ", ".join(units))}, name)
    if fields is None:
        return None
    lin3, of_full_scale = fields["lin3"], fields["lin3"] == _FULL_SCALE
    register = Register(
        fc=fields["fc"],
        addresses=tuple(fields["address"]) if isinstance(fields["address"], list) else (fields["address"],),
        subtract=tuple(fields["subtract"]),
        type=fields["type"],
        word_order=fields["word_order"] or profile.get("word_order", "big"),
        byte_order=profile.get("byte_order", "big"),
        factor=_exact(fields["scale"]) * _exact(units[fields["unit"]]) * fields["sign"],
        scale_address=fields["scale_address"],
        lin3=(Fraction(-1), Fraction(1)) if of_full_scale else lin3 and (_exact(lin3[0]), _exact(lin3[1])),
        of_full_scale=of_full_scale,
        invalid=tuple(_bounds(marker) for marker in profile.get("invalid", {}).get(fields["type"], ())),
        plausible=tuple(fields["plausible"]) or None,
        doubt=fields["doubt"],
        unit=fields["unit"],
    )
    faults = _misplaced(register, profile) + _misused_lin3(register, fields)
    for found, allowed in faults:
        file.fault(node, name, found, allowed)
    return None if faults else register


def _misplaced(register: Register, profile: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (found, allowed) of what no request can fetch."""
    room, gap = profile.get("largest_block", MOST_REGISTERS), profile.get("largest_gap", 0)
    spans = sorted(register.reads)
    end = max(address + words for address, words in spans)
    if register.words > room or end > 65536:
        return [(f"{register.words} registers at {register.addresses}", f"at most {room}, none beyond 65535")]
    if not register.together:
        return []
    holes = [start - (address + words) for (address, words), (start, _) in pairwise(spans)]
    if end - spans[0][0] > room or max(holes) > gap:
        found = f"parts at {spans[0][0]} to {end - 1}"
        return [(found, f"parts that one request fetches: {room} registers, at most {gap} unwanted ones in between")]
    return []


def _misused_lin3(register: Register, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return (found, allowed) of what makes no sense together with lin3."""
    if register.lin3 is None:
        return []
    faults = []
    if register.type != "uint16" or len(register.reads) > 1 or fields["scale"] != 1:
        faults.append(("lin3 with another type, scale or address", "one uint16 without a scale"))
    if register.of_full_scale and fields["unit"] not in {"W", "var"}:
        faults.append((f"lin3: full_scale in {fields['unit']}", "W or var: the site's full scale carries its own unit"))
    return faults


def _exact(number_: float) -> Fraction:
    return Fraction(str(number_))


def _bounds(marker: int | list[int]) -> tuple[int, int]:
    return (marker, marker) if isinstance(marker, int) else (marker[0], marker[1])
