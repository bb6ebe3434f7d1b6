"""Profiles of meters that send messages: which quantity stands where, as data in ``profiles/*.yaml``.

A profile file is read strictly, as those of Modbus are. Its keys, and what each may hold, are the tables of rules below;
``docs/meters.md`` explains them. Every bundled file names its sources and how far they may be believed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal, get_args

import yaml

from drivers.errors import ConfigError
from drivers.meters.payloads.fields import Field, Spot
from drivers.meters.payloads.pointer import Pointer
from drivers.meters.payloads.stamps import Stamp, StampForm, StampOf
from drivers.meters.profiles import QUANTITIES, REQUIRED
from drivers.meters.strict_file import Rule, StrictFile, list_of, number, number_range, one_of, parse_strictly, text
from drivers.nearest import nearest
from drivers.quantities import UNITS

#: How a message is written: a document of JSON, or one bare value.
Form = Literal["json", "text"]
#: How a meter is read.
Way = Literal["http", "mqtt"]

_FOLDER: Final = "drivers.meters.payloads"
_TOPIC: Final = re.compile(r"[^/#+\0][^#+\0]{0,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadProfile:
    """One kind of message.

    `ways`: how it is read. `path`: what is asked for by HTTP where the site file says no path. `form`: of each message.
    `fields`: quantity name to where it stands. `stamp`: where the time of the reading stands, None where nobody says it.
    `every_s`: how often it is sent over MQTT, or has new values, as it comes from the maker.
    """

    id: str
    vendor: str
    model: str
    confidence: str
    ways: tuple[Way, ...]
    fields: Mapping[str, Field]
    path: str = ""
    form: Form = "json"
    stamp: Stamp | None = None
    every_s: float = 1.0
    sources: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def quantities(self) -> frozenset[str]:
        """What a meter of this profile shows."""
        return frozenset(self.fields)

    @property
    def promised(self) -> int:
        """How many quantities every reading brings: what comes in messages of its own may take its time."""
        return sum(each.topics <= self.needed_topics for each in self.fields.values())

    @property
    def doubts(self) -> Mapping[str, str]:
        """By quantity what must be verified on the device."""
        return {name: each.doubt for name, each in self.fields.items() if each.doubt}

    @property
    def needs_unit(self) -> bool:
        """Whether nobody but the site file can say in what its power counts."""
        power = self.fields[REQUIRED]
        return power.unit is None and power.unit_at is None

    @property
    def topics(self) -> frozenset[str]:
        """All topics below that of the meter that it is read from."""
        return frozenset(spot.topic for spot in self.spots)

    @property
    def spots(self) -> frozenset[Spot]:
        """All places that it is read from."""
        stamp = {self.stamp.spot} if self.stamp else set()
        return frozenset[Spot]().union(*(each.all_spots for each in self.fields.values())) | stamp

    @property
    def needed_topics(self) -> frozenset[str]:
        """Those without which there is no reading of its power."""
        stamp = {self.stamp.spot.topic} if self.stamp else set()
        return self.fields[REQUIRED].topics | stamp


def bundled_payloads() -> tuple[str, ...]:
    """Return the ids of the profiles that come with surplusd."""
    folder = files(_FOLDER) / "profiles"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")))


def load_payload(name_or_path: str) -> PayloadProfile:
    """Return the bundled profile with this id, or the one in the file at this path.

    Raises ConfigError that lists every fault of the file at once as ``file:line``, what was found, what is allowed.
    """
    if name_or_path in bundled_payloads():
        source = files(_FOLDER) / "profiles" / f"{name_or_path}.yaml"
        return parse_payload(source.read_text(encoding="utf-8"), f"profiles/{name_or_path}.yaml")
    try:
        content = Path(name_or_path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        near = nearest(bundled_payloads(), name_or_path)
        meant = f"{near} (did you mean that?), " if near else ""
        allowed = (
            f"one of {meant}{', '.join(name for name in bundled_payloads() if name != near)}, or the path of a file"
        )
        raise ConfigError(f"profile: found {name_or_path!r} ({error}), allowed is {allowed}") from error
    return parse_payload(content, name_or_path)


@lru_cache(maxsize=64)  # a site has many meters of few models
def parse_payload(content: str, name: str) -> PayloadProfile:
    """Return the profile written in `content`; `name` is how errors call the file. Raises ConfigError."""
    return parse_strictly(content, name, _profile)


def spot_of(value: str) -> Spot:
    """Return a value's place as it is written: a pointer, behind a topic and a space where it has one of its own."""
    if not value or value.startswith("/"):
        return Spot(Pointer.parse(value))
    topic, slash, pointer = value.partition(" /")
    return Spot(Pointer.parse(f"/{pointer}" if slash else ""), topic)


def is_spot(value: object) -> bool:
    """Return whether that is the place of a value."""
    if not isinstance(value, str):
        return False
    try:
        spot = spot_of(value)
    except ValueError:
        return False
    return not spot.topic or _TOPIC.fullmatch(spot.topic) is not None


def _node(kind: type[yaml.Node]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind) and bool(value.value)


_SPOT: Final = (
    "a JSON pointer, such as /em:0/total_act_power; a topic below the meter's, or such a topic, a space and a pointer"
)

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
    "ways": Rule(list_of(one_of(*get_args(Way))), "a list of http, mqtt"),
    "path": Rule(lambda value: text(value) and value.startswith("/"), "what is asked for, from its / on", default=""),
    "form": Rule(one_of(*get_args(Form)), "json, or text for a bare value", default="json"),
    "every": Rule(lambda value: number(value) and 0.1 <= value <= 3600, "0.1 to 3600 seconds", default=1.0),
    "stamp": Rule(_node(yaml.MappingNode), "a mapping {at, form}", default=None, nested=True),
    "fields": Rule(_node(yaml.MappingNode), "fields by quantity", nested=True),
}

_STAMP: Final[Mapping[str, Rule]] = {
    "at": Rule(is_spot, _SPOT),
    "form": Rule(one_of(*get_args(StampForm)), ", ".join(get_args(StampForm))),
    "of": Rule(
        one_of(*get_args(StampOf)), "measurement, or change where it moves with the value alone", default="measurement"
    ),
    "max_age": Rule(lambda value: number(value) and 0 < value <= 86_400, "0 to 86400 seconds", default=math.inf),
}

_FIELD: Final[Mapping[str, Rule]] = {
    "at": Rule(
        lambda value: is_spot(value) or (list_of(is_spot)(value) and len(set(value)) == len(value)),
        f"{_SPOT}; or a list of different ones to add up",
    ),
    "unit_at": Rule(is_spot, _SPOT, default=None),
    "scale": Rule(lambda value: number(value) and 1e-12 <= abs(value) <= 1e12, "a number that is not 0", default=1),
    "sign": Rule(one_of(1, -1), "1, or -1 where the meter counts power into the site as negative", default=1),
    "written": Rule(one_of(True, False), "true where numbers are sent as texts, or false", default=False),
    "valid_at": Rule(
        lambda value: is_spot(value) or list_of(is_spot)(value), f"{_SPOT}; or a list of them", default=[]
    ),
    "plausible": Rule(number_range, "[low, high] in the unit of the quantity's name", default=()),
    "doubt": Rule(text, "a text: what to verify on the device", default=""),
}


def _profile(file: StrictFile, root: yaml.Node) -> PayloadProfile | None:
    known = file.fields(root, _PROFILE, "profile")
    parts = file.parts(root)
    fields_node, stamp_node = parts.get("fields"), parts.get("stamp")
    stamp = None if stamp_node is None else _stamp(file, stamp_node)
    if not isinstance(fields_node, yaml.MappingNode):
        return None
    nodes = file.items(fields_node, QUANTITIES, "fields")
    if REQUIRED not in nodes:
        file.fault(fields_node, "fields", f"no key {REQUIRED!r}", "a profile with the power that is controlled")
    found = {name: _field(file, node, name) for name, node in nodes.items()}
    if file.faults or known is None:
        return None
    return PayloadProfile(
        id=known["id"],
        vendor=known["vendor"],
        model=known["model"],
        confidence=known["confidence"],
        ways=tuple(known["ways"]),
        path=known["path"],
        form=known["form"],
        stamp=stamp,
        every_s=float(known["every"]),
        fields={
            name: replace(each, written=each.written or known["form"] == "text")
            for name, each in found.items()
            if each is not None
        },
        sources=tuple(known["sources"]),
        notes=tuple(known["notes"]),
    )


def _stamp(file: StrictFile, node: yaml.Node) -> Stamp | None:
    known = file.fields(node, _STAMP, "stamp")
    if known is None:
        return None
    if (known["of"] == "change") is math.isinf(known["max_age"]):
        file.fault(node, "stamp", f"of: {known['of']}, max_age {known['max_age']:g}", "max_age beside of: change alone")
    return Stamp(spot=spot_of(known["at"]), form=known["form"], of=known["of"], max_age_s=float(known["max_age"]))


def _spots(written: str | list[str]) -> tuple[Spot, ...]:
    return tuple(map(spot_of, written if isinstance(written, list) else [written]))


def _field(file: StrictFile, node: yaml.Node, name: str) -> Field | None:
    kind = QUANTITIES[name]
    units = Rule(one_of(*UNITS[kind]), ", ".join(UNITS[kind]), default=None)
    known = file.fields(node, {**_FIELD, "unit": units}, name)
    if known is None:
        return None
    return Field(
        kind=kind,
        spots=_spots(known["at"]),
        unit=known["unit"],
        unit_at=None if known["unit_at"] is None else spot_of(known["unit_at"]),
        factor=float(known["scale"]) * known["sign"],
        written=known["written"],
        valid_at=_spots(known["valid_at"]),
        plausible=tuple(known["plausible"]) or None,
        doubt=known["doubt"],
    )
