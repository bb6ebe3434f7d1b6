"""A capture: what a meter was asked and what it answered, as text that can be read, sent by mail and replayed.

One request a line; everything from ``#`` on is a remark, the time in front (seconds) may be left out::

    # surplusd capture 1
    # 10.0.0.5:502 unit 1
    0.012 fc 3 address 3059 count 2 = 444b 2000
    0.134 fc 3 address 50000 count 4 = exception 2 (illegal data address)
    0.250 fc 43 = Schneider Electric | PM5560 | 2.3.1

Words are hexadecimal, most significant byte first. A request that was asked often stands there often; the last counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from drivers.errors import ConfigError
from drivers.modbus.answers import Answer, Refusal
from drivers.modbus.line import NoAnswer
from drivers.modbus.requests import ReadRequest

HEADER: Final = "# surplusd capture 1"
#: Why a replay has no registers for a request.
NOT_CAPTURED: Final = "not in the capture"
#: What a request brought to which the meter said nothing at all.
SILENCE: Final = "no answer"

_READ: Final = re.compile(r"^(?:\d+\.\d+\s+)?fc\s+([34])\s+address\s+(\d+)\s+count\s+(\d+)\s*=\s*(\S.*)$")
_IDENTITY: Final = re.compile(r"^(?:\d+\.\d+\s+)?fc\s+43\s*=\s*(\S.*)$")
_REFUSED: Final = re.compile(r"^exception (\d{1,3})\b")
_WORDS: Final = re.compile(r"^[0-9a-fA-F]{4}(?:\s+[0-9a-fA-F]{4})*$")
_ALLOWED: Final = "'fc 3 address 3059 count 2 = 444b 2000' (words in hex, or a reason in words), 'fc 43 = texts'"


def read_line(fc: int, address: int, count: int, answer: Answer) -> str:
    """Return the line of one request and its answer."""
    text = answer if isinstance(answer, str) else " ".join(f"{word:04x}" for word in answer)
    return f"fc {fc} address {address} count {count} = {text}"


class CapturedMeter:
    """A meter that answers as it did when it was captured."""

    def __init__(self) -> None:
        self._answers: dict[tuple[int, int, int], Answer] = {}
        self._words: dict[tuple[int, int], int] = {}
        self.identity: tuple[str, ...] = ()

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        """Return the same as `read`; raises NoAnswer where there was none."""
        del within_s, since_s
        answer = await self.read(request.fc, request.address, request.count)
        if isinstance(answer, str) and answer.startswith(SILENCE):
            raise NoAnswer(answer.removeprefix(f"{SILENCE}: "), told=True)
        return answer

    async def read(self, fc: int, address: int, count: int) -> Answer:
        """Return what was answered to this request, else its words from other requests, else why there are none."""
        if (exact := self.exact(fc, address, count)) is not None:
            return exact
        wanted = [(fc, address + index) for index in range(count)]
        if all(key in self._words for key in wanted):
            return [self._words[key] for key in wanted]
        return f"{NOT_CAPTURED}: fc {fc} address {address} count {count}"

    def exact(self, fc: int, address: int, count: int) -> Answer | None:
        """Return what was answered to exactly this request, None where it was not asked."""
        return self._answers.get((fc, address, count))

    def take(self, fc: int, address: int, count: int, answer: Answer) -> None:
        """Know the answer to one more request."""
        self._answers[fc, address, count] = answer
        if isinstance(answer, str):
            return
        words = {(fc, address + index): word for index, word in enumerate(answer)}
        # A register that is read alone may mean something else (Carlo Gavazzi 0x0B): what stood in a block counts.
        self._words = self._words | words if count > 1 else words | self._words


def refuse_existing(path: Path | None) -> None:
    """Raise ConfigError where a capture would overwrite something."""
    if path is not None and path.exists():
        raise ConfigError(f"--capture: found {path}, which is there already; allowed is a new file")


def write_capture(path: Path, lines: Sequence[str]) -> None:
    """Write a new capture. Raises ConfigError."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except OSError as error:
        raise ConfigError(f"--capture: {path} cannot be written: {error.strerror}") from error


def read_capture(path: Path) -> CapturedMeter:
    """Return the meter in a capture file. Raises ConfigError with ``file:line`` for each line that is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable: {error}") from error
    replay, faults = CapturedMeter(), []
    for number, raw in enumerate(lines, start=1):
        line = raw.partition("#")[0].strip()
        if line and not _take(replay, line):
            faults.append(f"{path}:{number}: found {line[:60]!r}, allowed is {_ALLOWED}")
    if faults:
        raise ConfigError("\n".join(faults[:20]))
    return replay


def _take(replay: CapturedMeter, line: str) -> bool:
    if match := _IDENTITY.match(line):
        replay.identity = tuple(part.strip() for part in match[1].split("|"))
        return True
    match = _READ.match(line)
    if match is None:
        return False
    fc, address, count, answer = int(match[1]), int(match[2]), int(match[3]), match[4].strip()
    if not _WORDS.match(answer):
        refused = _REFUSED.match(answer)
        replay.take(fc, address, count, Refusal(int(refused[1]), answer) if refused else answer)
        return not re.fullmatch(r"[0-9a-fA-F\s]+", answer)  # nearly words: a slip, not a reason
    words = [int(word, 16) for word in answer.split()]
    replay.take(fc, address, count, words)
    return len(words) == count and address + count <= 65536
