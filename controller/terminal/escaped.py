"""Words of others, before they are drawn in a terminal."""

from __future__ import annotations

import re
from typing import Final

#: Control characters (C0, DEL, C1): a terminal would take them for commands.
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def escaped(words: str) -> str:
    r"""Return words with every control character as it is written in a program: what somebody has typed only says something.

    >>> escaped("off\x1b[2J")
    'off\\x1b[2J'
    """
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], words)
