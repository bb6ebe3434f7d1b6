"""From true quantities to the messages of a meter or a gateway, straight from the data of its profile.

Written apart from `drivers.meters.payloads` and without its help, so that one misreading of a profile does not cancel out.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import yaml

_PREFIX: Final = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_BASE: Final = frozenset({"W", "Wh", "var", "Hz", "V", "A"})

#: What stands where the power should: itself, or what gateways send in its place.
PowerForm = Literal["number", "nan", "null", "text", "infinite", "true", "unavailable", "absent"]


def read_message_data(profile: str) -> dict[str, Any]:
    """Return the data of a bundled profile of messages, or of the file at this path; OSError where there is none."""
    bundled = files("drivers.meters.payloads") / "profiles" / f"{profile}.yaml"
    text = bundled.read_text(encoding="utf-8") if bundled.is_file() else Path(profile).read_text(encoding="utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def messages(
    data: Mapping[str, Any], values: Mapping[str, float], at_utc_s: float, power: PowerForm = "number"
) -> dict[str, bytes]:
    """Return the messages by topic (below the meter's) that show `values`, measured at this time."""
    spots: dict[str, Any] = {}
    # Sums first: what else shows their parts knows them better.
    rows = sorted(data["fields"].items(), key=lambda item: not isinstance(item[1]["at"], list))
    for name, row in rows:
        spots |= dict(_spots(row, _number(values[name], row)))
        spots |= dict.fromkeys(_listed(row.get("valid_at", [])), True)
        if "unit_at" in row:
            spots[row["unit_at"]] = row.get("unit", "W")
    for spot in _listed(data["fields"]["active_power_w"]["at"]):
        spots[spot] = _as(power, spots[spot])
    if "stamp" in data:
        spots[data["stamp"]["at"]] = _time(at_utc_s, data["stamp"]["form"])
    return _bodies(spots, data.get("form", "json"))


def _listed(at: str | list[str]) -> list[str]:
    return at if isinstance(at, list) else [at]


def _spots(row: Mapping[str, Any], number: float) -> Iterator[tuple[str, Any]]:
    at = _listed(row["at"])
    for spot in at:
        share = number / len(at)
        yield spot, f"{share:.10g}" if row.get("written") else share


def _number(value: float, row: Mapping[str, Any]) -> float:
    unit = row.get("unit", "W")
    size = 1.0 if unit in _BASE else _PREFIX[unit[0]]
    factor: float = size * row.get("scale", 1) * row.get("sign", 1)
    return value / factor


def _as(power: PowerForm, shown: Any) -> Any:
    if power == "text":
        return str(shown)
    made = {"nan": math.nan, "null": None, "infinite": math.inf, "true": True, "unavailable": "unavailable"}
    return ... if power == "absent" else made.get(power, shown)


def _time(at_utc_s: float, form: str) -> Any:
    if form.startswith("unix"):
        return at_utc_s if form == "unix_s" else int(1000 * at_utc_s)
    when = datetime.fromtimestamp(at_utc_s, UTC)
    return when.isoformat() if form == "iso8601" else when.replace(tzinfo=None).isoformat()


def _bodies(spots: Mapping[str, Any], form: str) -> dict[str, bytes]:
    trees: defaultdict[str, Any] = defaultdict(dict)
    for spot, value in spots.items():
        topic, slash, pointer = ("", "/", spot[1:]) if spot.startswith("/") else spot.partition(" /")
        if value is ...:
            trees[topic] = trees[topic] if slash else ...
        elif slash:
            steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")]
            at = trees[topic]
            for step in steps[:-1]:
                at = at.setdefault(step, {})
            at[steps[-1]] = value
        else:
            trees[topic] = value
    told = {topic: tree for topic, tree in trees.items() if tree is not ...}
    write = _written if form == "text" else (lambda tree: json.dumps(_with_lists(tree)))
    return {topic: write(tree).encode() for topic, tree in told.items()}


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return value if isinstance(value, str) else f"{value:.10g}"


def _with_lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    made = {step: _with_lists(below) for step, below in tree.items()}
    return list(made.values()) if made and all(step.isdecimal() for step in made) else made
