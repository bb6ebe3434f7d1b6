"""Which known name somebody may have meant who wrote another one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import Final

#: A beginning of at least so many characters is one.
_BEGINNING: Final = 3
#: Of so many characters, one may be a slip.
_SLIP: Final = 3


def nearest(names: Iterable[str], wanted: object) -> str | None:
    """Return the one of `names` that begins with `wanted`, else the one with the fewest slips, else None.

    >>> nearest(["siemens_pac2200", "siemens_pac3200_4200"], "siemens_pac320")
    'siemens_pac3200_4200'
    >>> nearest(["limit", "parent"], "limt")
    'limit'
    """
    word, known = str(wanted).lower(), sorted(names)
    begun = [name for name in known if len(word) >= _BEGINNING and name.lower().startswith(word)]
    if begun:
        return min(begun, key=len)
    far = {name: distance(name.lower(), word) for name in known}
    near = [name for name in known if far[name] <= max(len(word), len(name)) / _SLIP]
    # Of two with as many slips, the one that has more of the beginning: names say the maker first.
    return min(near, key=lambda name: (far[name], -_shared(name.lower(), word)), default=None)


def _shared(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def distance(one: str, other: str) -> int:
    """Return how many characters must be put in, left out, changed, or exchanged with the next, to come from one to the other.

    >>> distance("limit", "limt"), distance("lsit", "list")
    (1, 1)
    """
    before, row = [0], list(range(len(other) + 1))
    for here, left in enumerate(one, start=1):
        before, last, row = row, before, [here]
        for there, right in enumerate(other, start=1):
            cost = min(before[there] + 1, row[there - 1] + 1, before[there - 1] + (left != right))
            if here > 1 and there > 1 and left == other[there - 2] and one[here - 2] == right:
                cost = min(cost, last[there - 2] + 1)
            row.append(cost)
    return row[-1]
