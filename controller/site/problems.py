"""A mistake in the site file, with where it is, what was found and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from controller.site.unknown import UNKNOWN
from drivers.nearest import nearest

#: The way from the root of a file to a value: keys and list positions.
Loc = tuple[str | int, ...]

_MOST_NAMES = 20
_LOGIN = re.compile(r"//[^/@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake.

    `found` empty means the value as it stands in the file. `at_key` points at the key instead of the value; `place` is
    the line and column (from 1) where `loc` alone cannot tell, as for a key that stands twice.
    """

    loc: Loc
    allowed: str
    found: str = ""
    at_key: bool = False
    place: tuple[int, int] | None = None


def path_text(loc: Loc) -> str:
    """Return the way to a value as people write it.

    >>> path_text(("meters", 2, "modbus", "port"))
    'meters[2].modbus.port'
    """
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_printable(step)}" for step in loc)
    return text.removeprefix(".") or "the file"


def _printable(key: str) -> str:
    return key if key.isprintable() else repr(key)


def shown(value: object) -> str:
    """Return a value of the file in the words of an error message, without the login that an address may have in it."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return _LOGIN.sub("//…@", repr(value)) if isinstance(value, str) else str(value)


def one_of(names: Iterable[str], wanted: object) -> str:
    """Return `names` as the allowed ones, the one nearest to `wanted` first.

    >>> one_of(["limit", "parent"], "limt")
    'limit (did you mean that?), parent'
    """
    known = sorted(names)
    near = nearest(known, wanted)
    first = [] if near is None else [f"{near} (did you mean that?)"]
    others = [name for name in known if name != near]
    rest = [f"and {len(others) - _MOST_NAMES} more"] if len(others) > _MOST_NAMES else []
    return ", ".join([*first, *others[:_MOST_NAMES], *rest]) or "none"


def repeated(ids: Iterable[tuple[Loc, str]]) -> Iterator[Problem]:
    """Report each id that stood before; unknown ids repeat nothing."""
    first: dict[str, Loc] = {}
    for loc, name in ids:
        before = first.setdefault(name, loc)
        if before != loc and name is not UNKNOWN:
            yield Problem(loc=loc, found=f"{name!r}, which {path_text(before)} has too", allowed="an id of its own")


def unless_one(loc: Loc, choices: Mapping[str, object]) -> Iterator[Problem]:
    """Report keys of which several or none are given; where nothing is known, neither is that."""
    given = [name for name, value in choices.items() if value is not None]
    if len(given) != 1 and not all(value is UNKNOWN for value in choices.values()):
        found = f"both {' and '.join(given)}" if given else f"neither {' nor '.join(choices)}"
        allowed = "exactly one of the two" if len(choices) == 2 else f"exactly one of {', '.join(choices)}"
        yield Problem(loc=loc, found=found, allowed=allowed, at_key=True)


def unless_known(loc: Loc, name: str, known: Collection[str], what: str, *, complete: bool = True) -> Iterator[Problem]:
    """Report a reference to nothing; an unknown one, or one into a list that is not `complete`, cannot be judged."""
    if complete and name is not UNKNOWN and name not in known:
        yield Problem(loc=loc, allowed=f"one of the {what} {one_of(known, name)}")


def kw(watts: float) -> str:
    """Return watts in kW, exact enough to be typed back.

    >>> kw(130_050.0)
    '130.05 kW'
    """
    return f"{watts / 1e3:.9g} kW"
