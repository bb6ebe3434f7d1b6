"""What is different between two readings of a site file, and what of it may change while the site runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from controller.core.site import SURPLUS
from controller.site.loaded import LoadedSite, profiles_of, site_of
from controller.site.model import WAYS
from controller.site.own_models import OwnModels
from controller.site.part import Part

#: Keys that may change while the site runs: by key what is below it, None: all of it. In lists, of each element.
Takes: TypeAlias = Mapping[str, "Takes | None"]

_SOURCE: Final[Takes] = dict.fromkeys(WAYS, None)
_LOADS: Final[Takes] = dict.fromkeys(
    ("priority", "protected", "cap", "min_up", "min_down", "settle", "start_cost", "change_cost"), None
)
#: What is not named here waits for a restart; so does every new key, until somebody has seen to it that it is taken.
TAKES: Final[Takes] = {
    "grid": dict.fromkeys(
        ("contract", "firm", "failsafe", "ramp_up", "ramp_down", "emergency_ramp", "settle", "frequency"), None
    ),
    "nodes": {"limit": None, "house_load": None},
    "meters": {"rating": None, "class": None, **_SOURCE},
    "surplus": {"suspect_after": None, "stale_after": None, "skew": None, **_SOURCE},
    "control": dict.fromkeys(("suspect_after", "bad_after", "init", "recover"), None),
    "economics": dict.fromkeys(("tariff", "hashprice", "gpu", "carbon_intensity", "demand"), None),
    "fleet": {"groups": _LOADS, "devices": _LOADS},
    "orders": {"tokens": None},
}
#: These say how a source is asked, and not what its answer means.
_HOW_OFTEN: Final = frozenset({"poll", "poll_slow", "timeout", "answer_time", "publish_interval", "every"})


def taking(running: LoadedSite, new: LoadedSite) -> LoadedSite:
    """Return what runs with all of `new` that may change meanwhile; ConfigError where the two do not fit together."""
    raw = _merged(running.raw, new.raw, TAKES)
    return site_of(running.path, raw, running.site_file.models)


def _merged(old: Mapping[str, Any], new: Mapping[str, Any], takes: Takes) -> dict[str, Any]:
    merged = {key: value for key, value in old.items() if key not in takes}
    for key, below in _of_node(old, takes).items():
        if below is None:
            merged |= {key: new[key]} if key in new else {}
        elif key in old and isinstance(old[key], list):
            merged[key] = _each(old[key], new.get(key, []), below)
        elif key in old or isinstance(new.get(key), dict):
            merged[key] = _merged(old.get(key, {}), new.get(key, {}), below)
    kept = {key: old[key] for key in takes if key in old and key not in _of_node(old, takes)}
    return merged | kept


def _of_node(old: Mapping[str, Any], takes: Takes) -> Takes:
    """Return what may change of a mapping: the rating of a node is what its contactor's agent is told, and stays."""
    relay = "relay" in old.get("contactor", {})
    return {key: below for key, below in takes.items() if not (relay and key == "limit")}


def _each(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]], takes: Takes) -> list[dict[str, Any]]:
    """Return the old elements with what may change of them; those that are not in `new` stay, and those that are new wait."""
    by_id = {element["id"]: element for element in new}
    return [_merged(element, by_id.get(element["id"], element), takes) for element in old]


def differences(old: LoadedSite, new: LoadedSite) -> tuple[str, ...]:
    """Return where the two differ, as in ``nodes.hall.limit``; of what one of them lacks, its name alone."""
    found = dict.fromkeys(_different(old.site_file, new.site_file, ""))
    for loc, profile in profiles_of(new.site_file):
        if profile in old.profiles and old.profiles[profile] != new.profiles.get(profile):
            found[_named(new, loc)] = None
    return tuple(found)


def _named(site: LoadedSite, loc: Sequence[str | int]) -> str:
    names = [site.site_file.meters[step].id if isinstance(step, int) else step for step in loc]
    return ".".join(names)


def _different(old: object, new: object, at: str) -> Iterator[str]:
    before, after = _below(old), _below(new)
    if before is None or after is None or type(old) is not type(new):
        if old != new:
            yield at
        return
    for name in (*before, *(name for name in after if name not in before)):
        where = f"{at}.{name}".lstrip(".")
        if name in before and name in after:
            yield from _different(before[name], after[name], where)
        else:
            yield where


def _below(value: object) -> Mapping[str, object] | None:
    """Return what a value is made of by name, None where it is one that has no parts."""
    if isinstance(value, Part):
        return {str(field.alias or name): getattr(value, name) for name, field in type(value).model_fields.items()}
    if isinstance(value, OwnModels):
        return value.by_id
    if isinstance(value, Mapping):
        return value
    if isinstance(value, tuple) and all(isinstance(element, Part) for element in value):
        return {str(getattr(element, "id", None) or getattr(element, "name", "")): element for element in value}
    return None


def read_otherwise(changes: Sequence[str]) -> frozenset[str]:
    """Return the sources whose samples mean something else after these changes."""
    found = set()
    for change in changes:
        match change.split("."):
            case [*_, last] if last in _HOW_OFTEN:
                continue
            case ["meters", meter, way, *_] if way in WAYS:
                found.add(meter)
            case ["surplus", way, *_] if way in WAYS:
                found.add(SURPLUS)
    return frozenset(found)


def read_as(site: LoadedSite) -> Mapping[str, str]:
    """Return by meter a hash of what says what its samples mean: another one where `read_otherwise` would name it."""
    found = {}
    for meter in site.site_file.meters:
        said = meter.model_dump(mode="json", by_alias=True, include=set(WAYS))
        way, spoken = next((way, spoken) for way, spoken in said.items() if spoken)
        source = {key: value for key, value in spoken.items() if key not in _HOW_OFTEN}
        profile = site.profiles.get(source.get("profile") or "")
        # The first two are called so for what was confirmed before there were others.
        known = {"modbus": True, "opcua": False}.get(way, way)
        meaning = json.dumps([known, source, profile], sort_keys=True)
        found[meter.id] = hashlib.sha256(meaning.encode()).hexdigest()
    return found
