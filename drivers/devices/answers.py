"""Picks single values out of what a device has answered; what is missing or of another kind is None, and never 0."""

from __future__ import annotations

import math
from typing import Any

from drivers.devices.driver import Pool
from drivers.errors import DriverLoss


def at(answer: Any, *path: str | int) -> Any:
    """Return what stands at the end of a path of keys and places, None where there is nothing.

    >>> at({"POWER": [{"Watts": 7}]}, "POWER", 0, "Watts")
    7
    """
    for step in path:
        if isinstance(step, str):
            answer = answer.get(step) if isinstance(answer, dict) else None
        else:
            answer = answer[step] if isinstance(answer, list) and step < len(answer) else None
    return answer


def text(answer: Any, *path: str | int) -> str | None:
    """Return a text that is not blank."""
    value = at(answer, *path)
    return value.strip() or None if isinstance(value, str) else None


def number(answer: Any, *path: str | int) -> float | None:
    """Return a finite number, also one that is written as a text, as many firmwares do."""
    value = at(answer, *path)
    if type(value) not in {int, float, str}:
        return None
    try:
        said = float(value)
    except (ValueError, OverflowError):
        return None
    return said if math.isfinite(said) else None


def digits(answer: Any, *path: str | int) -> int | None:
    """Return the whole number that a text is, which has no more than it needs to be watts."""
    value = text(answer, *path)
    return int(value) if value is not None and value.isascii() and value.isdecimal() and len(value) < 10 else None


def mapping(answer: Any, *path: str | int) -> dict[str, Any]:
    """Return a mapping, an empty one where there is none."""
    value = at(answer, *path)
    return value if isinstance(value, dict) else {}


def watts(answer: Any, *path: str | int) -> float | None:
    """Return watts; what is below zero (-1 in some firmwares) says that the device does not know."""
    value = number(answer, *path)
    return None if value is None or value < 0 else value


def pools(listed: Any, *, url: str, user: str) -> tuple[Pool, ...]:
    """Return the pools of a list, without the places that are empty; raises DriverLoss where it is not a list of pools."""
    if not isinstance(listed, list):
        raise DriverLoss("it lists no pools")
    found = [(at(entry, url), at(entry, user)) for entry in listed]
    if any(not isinstance(word, str) for pair in found for word in pair):
        raise DriverLoss(f"it lists a pool without {url} or {user}")
    return tuple(Pool(url=place, user=who) for place, who in found if place.strip())
