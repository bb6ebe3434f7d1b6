"""Which block reads fetch the registers of a profile, and what the answers to them say. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.meters.codec import Dropped, Register, decode
from drivers.meters.profiles import Profile


@dataclass(frozen=True, slots=True)
class Block:
    """One read request: `count` registers from `address`, with function code `fc`."""

    fc: int
    address: int
    count: int


#: What a block read brought: its registers, or the reason why there are none.
Answer = Sequence[int] | str


def plan(profile: Profile) -> tuple[Block, ...]:
    """Return the fewest block reads, in order of address, that the profile's largest block and gap allow."""
    blocks: list[Block] = []
    for fc, address, words in sorted(
        (register.fc, address, register.words)
        for register in profile.registers.values()
        for address in register.addresses
    ):
        if blocks and blocks[-1].fc == fc and address - _end(blocks[-1]) <= profile.largest_gap:
            merged = Block(fc, blocks[-1].address, max(_end(blocks[-1]), address + words) - blocks[-1].address)
            if merged.count <= profile.largest_block:
                blocks[-1] = merged
                continue
        blocks.append(Block(fc, address, words))
    return tuple(blocks)


def decode_all(profile: Profile, answers: Mapping[Block, Answer]) -> dict[str, float | Dropped]:
    """Return each quantity of `profile`, decoded from the answers to its planned blocks, or why it is missing."""
    return {name: _decode_one(register, answers) for name, register in profile.registers.items()}


def _decode_one(register: Register, answers: Mapping[Block, Answer]) -> float | Dropped:
    parts: list[Sequence[int]] = []
    for address in register.addresses:
        block = next(block for block in answers if _holds(block, register, address))
        answer = answers[block]
        if isinstance(answer, str):
            return Dropped(answer)
        parts.append(answer[address - block.address : address - block.address + register.words])
    return decode(register, parts)


def _end(block: Block) -> int:
    return block.address + block.count


def _holds(block: Block, register: Register, address: int) -> bool:
    return block.fc == register.fc and block.address <= address and address + register.words <= _end(block)
