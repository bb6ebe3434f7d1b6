"""Which block reads fetch the registers of a profile, and what the answers to them say. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.meters.codec import Dropped, Register, decode
from drivers.meters.profiles import FAST, REQUIRED, Profile
from drivers.modbus.answers import Answer, Refusal


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: `count` registers from `address`, with function code `fc`."""

    fc: int
    address: int
    count: int

    @property
    def end(self) -> int:
        """The address behind the last register."""
        return self.address + self.count

    def holds(self, other: Block) -> bool:
        """Whether `other` is part of this block."""
        return self.fc == other.fc and self.address <= other.address and other.end <= self.end


#: Exceptions that a meter answers to a whole request for the sake of one register in it: illegal address, illegal value.
NARROWED_BY: Final = (2, 3)

#: What a meter refuses it may have later: while it starts, some refuse everything.
RENEWED_AFTER_S: Final = 60.0


def plan(profile: Profile, quantities: Collection[str] | None = None) -> tuple[Block, ...]:
    """Return the fewest block reads, in order of address, that the profile's largest block and gap allow.

    `quantities`: those that are wanted; all where None. Registers of the others are no gap between them.
    """
    blocks = _merged(profile, _spans(profile, profile.registers))
    wanted = _spans(profile, profile.registers if quantities is None else quantities)
    held = {block: [span for span in wanted if block.holds(span)] for block in blocks}
    return tuple(_union(spans) for spans in held.values() if spans)


class Plan:
    """The block reads of some quantities of a profile, narrowed to what the meter answers.

    A block that is refused is halved until the refused register stands alone. That one is left out, unless it is the
    power that is controlled, and so costs no request and no quantity but its own. All of it is tried again after
    `RENEWED_AFTER_S`.
    """

    def __init__(self, profile: Profile, quantities: Collection[str]) -> None:
        self._quantities = quantities
        self._pieces = _pieces(profile, quantities)
        self._profile = profile
        self._spans = _spans(profile, quantities)
        self._urgent = frozenset(_spans(profile, [name for name in FAST if name in quantities]))
        self._needed = frozenset(_spans(profile, [REQUIRED]))
        self._blocks: tuple[Block, ...] = ()
        self._renewed_s = -math.inf
        self._narrowed = True
        self.refused: dict[Block, Answer] = {}

    def blocks(self, now_s: float) -> tuple[Block, ...]:
        """Return what to read now, with power and frequency first."""
        if self._narrowed and self._renewed_s + RENEWED_AFTER_S <= now_s:
            self._renewed_s, self._narrowed, self.refused = now_s, False, {}
            blocks = plan(self._profile, self._quantities)
            self._blocks = tuple(sorted(blocks, key=lambda block: not self.urgent(block)))
        return self._blocks

    def urgent(self, block: Block) -> bool:
        """Whether the block brings power or frequency."""
        return any(block.holds(span) for span in self._urgent)

    def narrow(self, block: Block, answer: Refusal) -> tuple[Block, ...]:
        """Return the smaller blocks to read instead of one that was refused; none where it stays refused."""
        if answer.code not in NARROWED_BY:
            return ()
        self._narrowed = True
        parts = tuple(part for part in self._parts(block) if part not in self._blocks)
        stays = (block,) if block in self._needed else ()
        at = self._blocks.index(block)
        self._blocks = self._blocks[:at] + stays + parts + self._blocks[at + 1 :]
        if block in self._spans:
            self.refused[block] = answer
        return parts

    def decode(self, answers: Mapping[Block, Answer]) -> dict[str, float | Dropped]:
        """Return each of the quantities, decoded from the answers to all blocks, or why it is missing."""
        return {name: _decode_one(*pieces, answers) for name, pieces in self._pieces.items()}

    def _parts(self, block: Block) -> tuple[Block, ...]:
        """Return smaller blocks that hold all that the block does, but what needs the whole of it."""
        inside = [span for span in self._spans if block.holds(span) and span != block]
        middle = len(inside) // 2
        halves = tuple(_union(half) for half in (inside[:middle], inside[middle:]) if half)
        return tuple(inside) if block in halves else halves


def decode_all(
    profile: Profile, answers: Mapping[Block, Answer], quantities: Collection[str] | None = None
) -> dict[str, float | Dropped]:
    """Return each of `quantities` (all where None), decoded from the answers to their blocks, or why it is missing."""
    pieces = _pieces(profile, profile.registers if quantities is None else quantities)
    return {name: _decode_one(*of_one, answers) for name, of_one in pieces.items()}


#: A register, and for each of its reads the address, the count and what of it must not be torn apart.
_Pieces = tuple[Register, tuple[tuple[int, int, Block], ...]]


def _pieces(profile: Profile, quantities: Collection[str]) -> dict[str, _Pieces]:
    registers = {name: profile.registers[name] for name in quantities}
    return {
        name: (
            register,
            tuple((*read, span) for read, span in zip(register.reads, _spans_of(profile, register), strict=True)),
        )
        for name, register in registers.items()
    }


def _decode_one(
    register: Register, reads: tuple[tuple[int, int, Block], ...], answers: Mapping[Block, Answer]
) -> float | Dropped:
    parts: list[Sequence[int]] = []
    for address, count, span in reads:
        refused = ""
        for block, answer in answers.items():
            if not block.holds(span):
                continue
            if not isinstance(answer, str):
                parts.append(answer[address - block.address : address - block.address + count])
                break
            refused = answer
        else:
            return Dropped(refused)
    return decode(register, parts)


def _spans_of(profile: Profile, register: Register) -> tuple[Block, ...]:
    """Return, for each of the register's reads, what may not be torn apart: all of them where they belong together."""
    reads = tuple(Block(register.fc, address, count) for address, count in register.reads)
    whole = _union(reads)
    return (whole,) * len(reads) if register.together and whole.count <= profile.largest_block else reads


def _spans(profile: Profile, quantities: Collection[str]) -> tuple[Block, ...]:
    """Return all that may not be torn apart, once each, in order of address."""
    spans = {span for name in quantities for span in _spans_of(profile, profile.registers[name])}
    return tuple(sorted(spans, key=lambda span: (span.fc, span.address, span.count)))


def _merged(profile: Profile, spans: Sequence[Block]) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for span in spans:
        if blocks and blocks[-1].fc == span.fc and span.address - blocks[-1].end <= profile.largest_gap:
            merged = _union((blocks[-1], span))
            if merged.count <= profile.largest_block:
                blocks[-1] = merged
                continue
        blocks.append(span)
    return tuple(blocks)


def _union(spans: Sequence[Block]) -> Block:
    address = min(span.address for span in spans)
    return Block(spans[0].fc, address, max(span.end for span in spans) - address)
