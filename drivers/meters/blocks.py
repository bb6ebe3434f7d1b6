"""Which block reads fetch the registers of a profile, and what the answers to them say. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Final

from drivers.meters.codec import Dropped, Register, decode
from drivers.meters.profiles import FAST, REQUIRED, Profile
from drivers.modbus.answers import Answer, Refusal


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: `count` registers from `address`, with function code `fc`; `again`: the second time in one poll."""

    fc: int
    address: int
    count: int
    again: bool = False

    @property
    def end(self) -> int:
        """The address behind the last register."""
        return self.address + self.count

    def holds(self, other: Block) -> bool:
        """Whether `other` is part of this block."""
        return self.fc == other.fc and self.address <= other.address and other.end <= self.end


#: What a meter refuses it may have later: while it starts, some refuse everything.
RENEWED_AFTER_S: Final = 60.0
#: What a meter is silent about costs the whole time-out of a request, whenever it is tried again.
SILENCE_RENEWED_AFTER_S: Final = 600.0


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
    `RENEWED_AFTER_S`. A block that stays without an answer is parted where nobody wants the registers, then halved, too: one
    with the power at once, so that the power is read at the next attempt, another when it has been silent twice. `settled`:
    nothing was left out at the last attempt for a silence before it; `learned`: the next one asks in another way.
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
        self._power_refused = self._parted = False
        self._torn: dict[Block, set[Block]] = {}
        self._known_urgent: dict[Block, bool] = {}
        self._spoken: set[Block] = set()
        self._silent: set[Block] = set()
        self.refused: dict[Block, Answer] = {}
        self.settled, self.learned = True, False

    def blocks(self, now_s: float) -> tuple[Block, ...]:
        """Return what to read now, with power and frequency first."""
        self.settled, self.learned = True, False
        if self._parted:
            self._try_again(now_s)
        elif self._narrowed and self._renewed_s + RENEWED_AFTER_S <= now_s:
            self._renewed_s, self._narrowed, self.refused, self._torn = now_s, False, {}, {}
            blocks = plan(self._profile, self._quantities)
            self._blocks = tuple(sorted(blocks, key=lambda block: not self.urgent(block)))
        return self._blocks

    def _try_again(self, now_s: float) -> None:
        """Ask again for what was left out; what was parted stays so, for a silence about the power is a lost reading."""
        if self._renewed_s + SILENCE_RENEWED_AFTER_S <= now_s:
            self._renewed_s = now_s
            self._blocks += tuple(block for block in self.refused if block not in self._blocks)
            self.refused = {}

    def urgent(self, block: Block) -> bool:
        """Whether the block brings power or frequency."""
        if (known := self._known_urgent.get(block)) is None:
            known = self._known_urgent[block] = self._brings(block, self._urgent)
        return known

    def needed(self, block: Block) -> bool:
        """Whether the block brings the power that is controlled."""
        return self._brings(block, self._needed)

    def _brings(self, block: Block, spans: AbstractSet[Block]) -> bool:
        return any(block.holds(span) for span in spans) or bool(spans & self._torn.get(block, set()))

    def _power_alone(self, block: Block) -> bool:
        return block in self._needed or (self._brings(block, self._needed) and block in self._torn)

    @property
    def spoken(self) -> bool:
        """Whether any of it was ever answered."""
        return bool(self._spoken)

    def answered(self, block: Block) -> None:
        """Note that the block was read."""
        self._spoken.add(block)
        self._silent.discard(block)
        if self._power_refused and self.needed(block):
            self._power_refused, self._renewed_s = False, -math.inf

    def narrow(self, block: Block, answer: Refusal) -> tuple[Block, ...]:
        """Return the smaller blocks to read instead of one that was refused; none where it stays refused."""
        self._narrowed = True
        halves = self._halves(block) if answer.for_good or not self.needed(block) else self._around_power(block)
        parts = self._smaller(block, halves, answer)
        self._power_refused |= self._power_alone(block) and not parts
        self._put(block, parts)
        return parts

    def silence(self, block: Block, reason: str) -> None:
        """Note that nothing came for the block, nor for those after it, so that the next attempt asks in another way."""
        self.settled = False
        if self.needed(block):
            if block in self._torn or block in self._spoken:
                return
            parts = self._smaller(block, self._runs(block) or self._around_power(block), reason)
            if not parts and self._power_alone(block):
                return
            parts = tuple(sorted(parts, key=lambda part: (part.again, not self.needed(part), not self.urgent(part))))
        elif block not in self._silent:
            self._silent.add(block)
            self._blocks = (*(each for each in self._blocks if each != block), block)
            return
        else:
            parts = self._smaller(block, self._runs(block) or self._halves(block), reason)
        self._parted = self._narrowed = self.learned = True
        self._put(block, parts)

    def _smaller(self, block: Block, halves: tuple[Block, ...], why: Answer) -> tuple[Block, ...]:
        """Return what to read instead of a block: what is in it, and of what needs the whole of it the parts."""
        apart = self._apart(block)
        if not apart and (block in self._spans or block in self._torn):
            self.refused[block] = why
        return (*(half for half in halves if half not in self._blocks), *apart)

    def _put(self, block: Block, parts: tuple[Block, ...]) -> None:
        """Put the parts where the block is; what is read again is read behind all of them."""
        at = self._blocks.index(block)
        stays = (block,) if self._power_alone(block) and not parts else ()
        before, behind = self._blocks[:at], self._blocks[at + 1 :]
        self._blocks = tuple(each for each in before if each not in parts) + stays + parts + behind

    def _apart(self, block: Block) -> tuple[Block, ...]:
        """Return the scale, the value, and the scale again, which must be the same, where a meter gives them only apart.

        Nothing where the parts of a quantity have to be of the same instant.
        """
        parts: list[Block] = []
        for register, reads in self._pieces.values():
            if register.scale_address is None or register.subtract or all(span != block for _, _, span in reads):
                continue
            *values, scale = (Block(register.fc, address, count) for address, count, _ in reads)
            parts += [scale, *values, replace(scale, again=True)]
        for part in parts:
            self._torn.setdefault(part, set()).add(block)
            self._known_urgent.pop(part, None)
        again = [part for part in dict.fromkeys(parts) if part.again]
        first = [part for part in dict.fromkeys(parts) if not part.again and part not in self._blocks]
        return (*first, *again)

    def decode(self, answers: Mapping[Block, Answer]) -> dict[str, float | Dropped]:
        """Return each of the quantities, decoded from the answers to all blocks, or why it is missing."""
        return {name: _decode_one(*pieces, answers) for name, pieces in self._pieces.items()}

    def _inside(self, block: Block) -> list[Block]:
        return [span for span in self._spans if block.holds(span) and span != block]

    def _halves(self, block: Block) -> tuple[Block, ...]:
        """Return smaller blocks that hold all that the block does, but what needs the whole of it."""
        inside = self._inside(block)
        middle = len(inside) // 2
        halves = tuple(_union(half) for half in (inside[:middle], inside[middle:]) if half)
        return tuple(inside) if block in halves else halves

    def _around_power(self, block: Block) -> tuple[Block, ...]:
        """Return the power alone, and what stands before and behind it; nothing where it is alone already."""
        inside = self._inside(block)
        power = [span for span in inside if span in self._needed]
        others = [span for span in inside if span not in self._needed]
        before = [span for span in others if power and span.address < power[0].address]
        behind = [span for span in others if span not in before]
        parts = (*power, *(_union(each) for each in (before, behind) if each))
        return (*power, *others) if block in parts else parts

    def _runs(self, block: Block) -> tuple[Block, ...]:
        """Return the parts of the block between registers that nobody wants; nothing where there are none of these."""
        runs: list[list[Block]] = []
        for span in self._inside(block):
            if runs and span.address <= max(each.end for each in runs[-1]):
                runs[-1].append(span)
            else:
                runs.append([span])
        return tuple(_union(run) for run in runs) if len(runs) > 1 else ()


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
        words = _words(span, address, count, answers)
        if isinstance(words, str):
            return _decode_torn(register, reads, answers) if register.scale_address is not None else Dropped(words)
        parts.append(words)
    return decode(register, parts)


def _decode_torn(
    register: Register, reads: tuple[tuple[int, int, Block], ...], answers: Mapping[Block, Answer]
) -> float | Dropped:
    """Decode a value whose scale was read before and after it."""
    parts: list[Sequence[int]] = []
    for address, count, span in reads:
        words = _words(Block(register.fc, address, count), address, count, answers)
        if isinstance(words, str):
            whole = _words(span, span.address, span.count, answers)
            return Dropped(words or (whole if isinstance(whole, str) else ""))
        parts.append(words)
    scale = Block(register.fc, reads[-1][0], reads[-1][1], again=True)
    after = answers.get(scale, "its scale was not read again")
    if isinstance(after, str) or list(after) != list(parts[-1]):
        return Dropped(after if isinstance(after, str) else "its scale changed while it was read")
    return decode(register, parts)


def _words(held: Block, address: int, count: int, answers: Mapping[Block, Answer]) -> Sequence[int] | str:
    """Return the words from `address` out of an answer to a block that holds `held`; without one why there is none."""
    refused = ""
    for block, answer in answers.items():
        if not block.holds(held) or block.again:
            continue
        if not isinstance(answer, str):
            return answer[address - block.address : address - block.address + count]
        refused = answer
    return refused


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
