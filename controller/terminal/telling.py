"""What a verb says: lines in which the words of others only say something, and JSON."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from controller.terminal.escaped import escaped


def tell(*lines: str, out: TextIO | None = None) -> None:
    """Write lines at once, on standard output where nothing else is said."""
    out = out or sys.stdout
    out.write("".join(f"{escaped(line)}\n" for line in lines))
    out.flush()


def tell_json(value: Any, *, on_one_line: bool = False) -> None:
    """Write a value as JSON, which has all that a terminal would obey as an escape."""
    text = json.dumps(value, separators=(",", ":")) if on_one_line else json.dumps(value, indent=2)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")
    sys.stdout.flush()
