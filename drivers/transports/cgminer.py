"""Replies in the form of CGMiner: a status with its letter, code and message, and parts that are lists of mappings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.transports.line_json import ask

#: Letters of a status: done, or for information; not done. A warning (W), and any other, says neither.
_DONE: Final = frozenset({"S", "I"})
_NOT_DONE: Final = frozenset({"E", "F"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CgminerReply:
    """One reply of the device at `place`; `raw`: all of it. Raises DriverLoss where it holds no such status."""

    place: str
    letter: str
    code: int | None
    message: str
    raw: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any], place: str) -> Self:
        """Return the reply in a JSON object."""
        status = raw.get("STATUS")
        first = status[0] if isinstance(status, list) and status else status
        if not isinstance(first, dict) or not isinstance(first.get("STATUS"), str):
            raise DriverLoss(f"{place} answers without a status")
        code = first.get("Code")
        return cls(
            place=place,
            letter=first["STATUS"],
            code=code if type(code) is int else None,
            message=str(first.get("Msg", "")),
            raw=raw,
        )

    @property
    def outcome(self) -> CommandOutcome:
        """What the device says of what it was asked."""
        if self.letter in _DONE:
            return CommandOutcome.ACCEPTED
        return CommandOutcome.REFUSED if self.letter in _NOT_DONE else CommandOutcome.UNKNOWN

    def parts(self, key: str) -> list[dict[str, Any]]:
        """Return the mappings below `key`; raises DriverLoss where it is no list of them, or the reply is no yes."""
        parts = self.raw.get(key)
        if self.outcome is not CommandOutcome.ACCEPTED:
            raise DriverLoss(f"{self.place} answers {self.letter} {self.message!r} instead of {key}")
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise DriverLoss(f"{self.place} answers without {key}")
        return parts

    def part(self, key: str) -> dict[str, Any]:
        """Return the one mapping below `key`; raises DriverLoss where there is none."""
        parts = self.parts(key)
        if not parts:
            raise DriverLoss(f"{self.place} answers with an empty {key}")
        return parts[0]


async def command(host: str, port: int, verb: str, parameter: str | None = None, *, timeout_s: float) -> CgminerReply:
    """Return the reply to a verb; raises DriverLoss as `ask` does, and for what is no reply in this form."""
    request = {"command": verb} if parameter is None else {"command": verb, "parameter": parameter}
    return CgminerReply.of(await ask(host, port, request, timeout_s=timeout_s), f"{host}:{port}")
