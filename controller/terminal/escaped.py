"""Words of others, before they come to a terminal or into a line of text."""

from __future__ import annotations

import re
from typing import Final

#: What a terminal would obey, or what would begin a line of its own: control characters (C0, DEL, C1), the separators of lines
#: and paragraphs, and what turns the direction of all that follows it.
_OBEYED: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def escaped(words: str) -> str:
    r"""Return words with each such character as it is written in a program: what somebody has typed only says something.

    >>> escaped("off\x1b[2J")
    'off\\x1b[2J'
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], words)
