from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.meters.blocks import Block, decode_all, plan
from drivers.meters.codec import Dropped, Register
from drivers.meters.profiles import Profile


def profile(registers: dict[str, Register], *, largest_block: int = 125, largest_gap: int = 0) -> Profile:
    return Profile(
        id="p",
        vendor="v",
        model="m",
        confidence="partial",
        word_order="big",
        registers=registers,
        largest_block=largest_block,
        largest_gap=largest_gap,
    )


def at(*addresses: int, fc: int = 3, type_name: str = "float32") -> Register:
    return Register(fc=fc, addresses=addresses, type=type_name)


def test_neighbours_are_read_together_and_gaps_only_as_far_as_they_are_allowed():
    registers = {"a": at(10), "b": at(12), "c": at(18), "d": at(40)}
    assert plan(profile(registers)) == (Block(3, 10, 4), Block(3, 18, 2), Block(3, 40, 2))
    assert plan(profile(registers, largest_gap=4)) == (Block(3, 10, 10), Block(3, 40, 2))


def test_function_codes_and_the_largest_block_part_the_reads():
    assert plan(profile({"a": at(0, fc=3), "b": at(2, fc=4)})) == (Block(3, 0, 2), Block(4, 2, 2))
    assert plan(profile({"a": at(0), "b": at(2), "c": at(4)}, largest_block=4)) == (Block(3, 0, 4), Block(3, 4, 2))


@given(
    st.lists(
        st.tuples(st.sampled_from([3, 4]), st.integers(0, 300), st.sampled_from(["uint16", "int32", "float64"])),
        min_size=1,
        max_size=20,
    ),
    st.integers(4, 125),
    st.integers(0, 125),
)
def test_every_register_is_read_whole_in_some_block_and_none_is_too_large(rows, largest_block, largest_gap):
    registers = {
        f"q{index}": at(address, fc=fc, type_name=type_name) for index, (fc, address, type_name) in enumerate(rows)
    }
    plans = profile(registers, largest_block=largest_block, largest_gap=largest_gap)
    blocks = plan(plans)
    assert all(block.count <= largest_block for block in blocks)
    decoded = decode_all(plans, {block: [0] * block.count for block in blocks})
    assert decoded == dict.fromkeys(registers, 0.0)


def test_an_answered_exception_drops_the_quantities_of_its_block_only():
    plans = profile({"a": at(0), "b": at(50)})
    decoded = decode_all(plans, {Block(3, 0, 2): [0x42C8, 0], Block(3, 50, 2): "exception 2"})
    assert decoded == {"a": 100.0, "b": Dropped("exception 2")}
