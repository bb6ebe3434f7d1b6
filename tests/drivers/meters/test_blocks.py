from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from drivers.meters.blocks import RENEWED_AFTER_S, SILENCE_RENEWED_AFTER_S, Block, Plan, decode_all, plan
from drivers.meters.codec import Dropped, Register
from drivers.meters.profiles import Profile
from drivers.modbus.answers import Refusal


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


def test_what_belongs_together_is_one_request_and_is_never_torn_apart():
    scaled = Register(fc=3, addresses=(18,), type="int16", scale_address=22)
    net = Register(fc=3, addresses=(40,), subtract=(44,), type="uint32")
    plans = profile({"active_power_w": scaled, "net": net, "b": at(19, type_name="int16")}, largest_gap=4)
    assert plan(plans) == (Block(3, 18, 5), Block(3, 40, 6))
    words = {Block(3, 18, 5): [7, 0, 0, 0, 2], Block(3, 40, 6): [0, 9, 0, 0, 0, 5]}
    assert decode_all(plans, words) == {"active_power_w": 700.0, "net": 4.0, "b": 0.0}


def test_a_few_quantities_are_read_in_the_blocks_of_all_without_what_stands_at_their_ends():
    registers = {"active_power_w": at(10), "other": at(12), "frequency_hz": at(14), "energy_import_wh": at(16)}
    assert plan(profile(registers), ["active_power_w", "frequency_hz"]) == (Block(3, 10, 6),)
    assert plan(profile(registers), ["other"]) == (Block(3, 12, 2),)


NARROW = {f"q{address}": at(address) for address in range(0, 16, 2)} | {"active_power_w": at(16)}
ILLEGAL = Refusal(2, "exception 2 (illegal data address)")


def answered(plans: Plan, missing: set[int], now_s: float) -> tuple[dict[Block, object], int]:
    """Return the answers of a meter that refuses every request that touches `missing`, and how many were asked."""
    answers, todo, asked = {}, list(plans.blocks(now_s)), 0
    while todo:
        block, asked = todo.pop(), asked + 1
        if missing & set(range(block.address, block.end)):
            if parts := plans.narrow(block, ILLEGAL):
                todo.extend(parts)
            else:
                answers[block] = ILLEGAL
        else:
            answers[block] = [0] * block.count
    return plans.refused | answers, asked


@given(st.sets(st.integers(0, 17), max_size=6))
def test_a_refused_register_costs_its_own_quantity_and_no_request_until_all_is_tried_again(missing):
    plans = Plan(profile(NARROW), tuple(NARROW))
    lost = {name for name, register in NARROW.items() if missing & {register.addresses[0], register.addresses[0] + 1}}
    for now_s in (1.0, 2.0):
        answers, asked = answered(plans, missing, now_s)
        decoded = plans.decode(answers)
        assert {name for name, value in decoded.items() if isinstance(value, Dropped)} == lost
        assert now_s == 1.0 or asked <= len(NARROW)
    assert not any(
        missing & set(range(block.address, block.end)) for block in plans.blocks(3.0) if not plans.urgent(block)
    )
    assert plans.blocks(1.0 + RENEWED_AFTER_S) == (Block(3, 0, 18),) or not lost


def test_power_is_asked_for_again_and_again_although_it_is_refused():
    plans = Plan(profile(NARROW), tuple(NARROW))
    answered(plans, {16}, 1.0)
    assert Block(3, 16, 2) in plans.blocks(2.0)


BUSY = Refusal(6, "exception 6 (server device busy)")


def test_what_is_refused_for_now_leaves_the_power_to_be_read_first():
    plans = Plan(profile(NARROW), tuple(NARROW))
    (block,) = plans.blocks(1.0)
    assert plans.narrow(block, BUSY) == (Block(3, 16, 2), Block(3, 0, 16))
    assert plans.narrow(Block(3, 16, 2), BUSY) == (), "nothing smaller"
    assert plans.blocks(2.0) == (Block(3, 16, 2), Block(3, 0, 16))


def test_a_meter_that_refused_even_its_power_is_asked_for_all_as_soon_as_it_gives_it():
    plans = Plan(profile(NARROW), tuple(NARROW))
    (block,) = plans.blocks(1.0)
    plans.narrow(block, BUSY)
    plans.narrow(Block(3, 16, 2), BUSY)
    plans.answered(Block(3, 16, 2))
    assert plans.blocks(2.0) == (block,)
    plans.narrow(block, BUSY)
    plans.answered(Block(3, 16, 2))
    assert plans.blocks(3.0) != (block,), "it gave its power alone all the time"


GAPS = {"v": at(1), "i": at(3), "frequency_hz": at(55), "active_power_w": at(65), "q": at(67), "e": at(200)}


def test_a_silence_about_the_power_and_others_parts_the_block_where_nobody_wants_the_registers():
    plans = Plan(profile(GAPS, largest_gap=60), tuple(GAPS))
    first, other = plans.blocks(1.0)
    plans.silence(first, "no answer")
    assert plans.learned
    assert plans.blocks(2.0) == (Block(3, 65, 4), Block(3, 55, 2), Block(3, 1, 4), other)
    plans.silence(Block(3, 65, 4), "no answer")
    assert plans.blocks(3.0)[:2] == (Block(3, 65, 2), Block(3, 67, 2)), "then the power alone"
    plans.silence(Block(3, 65, 2), "no answer")
    assert not plans.learned, "nothing smaller: it is the meter"


def test_a_silence_about_what_was_answered_before_is_the_meters_and_teaches_nothing():
    plans = Plan(profile(GAPS, largest_gap=60), tuple(GAPS))
    before = plans.blocks(1.0)
    plans.answered(before[0])
    plans.silence(before[0], "no answer")
    assert not plans.learned
    assert plans.blocks(2.0) == before


def test_a_silence_about_anything_else_leaves_the_others_first_and_is_given_up_when_it_lasts():
    plans = Plan(profile({"a": at(0), "b": at(50), "active_power_w": at(99)}), ("a", "b", "active_power_w"))
    power, a, b = plans.blocks(1.0)
    plans.silence(a, "no answer")
    assert not plans.settled
    assert plans.blocks(2.0) == (power, b, a)
    plans.silence(a, "no answer")
    assert plans.blocks(3.0) == (power, b)
    assert plans.refused == {a: "no answer"}
    assert plans.settled
    assert plans.blocks(3.0 + SILENCE_RENEWED_AFTER_S) == (power, b, a)


def test_a_quantity_that_holds_the_power_and_is_silent_leaves_the_power():
    """One that begins where the power does, and is longer."""
    registers = {"active_power_w": at(22, type_name="int16"), "longer": at(22, type_name="int32")}
    plans = Plan(profile(registers), tuple(registers))
    longer = Block(3, 22, 2)
    assert longer in plans.blocks(1.0)
    plans.silence(longer, "no answer")
    assert plans.learned
    assert plans.blocks(2.0) == (Block(3, 22, 1),)


@given(st.sets(st.integers(0, 68), max_size=20))
def test_whatever_registers_a_meter_is_silent_about_cost_their_own_quantities_alone(silent):
    plans = Plan(profile(GAPS, largest_gap=60), tuple(GAPS))
    lost = {name for name, register in GAPS.items() if silent & {register.addresses[0], register.addresses[0] + 1}}
    for attempt in range(40):
        answers = {}
        for block in plans.blocks(float(attempt)):
            if silent & set(range(block.address, block.end)):
                plans.silence(block, "no answer")
                break
            plans.answered(block)
            answers[block] = [0] * block.count
        if plans.settled or (not plans.learned and plans.needed(block)):
            break
    if "active_power_w" in lost:
        assert not plans.learned
    else:
        decoded = plans.decode(plans.refused | answers)
        assert {name for name, value in decoded.items() if isinstance(value, Dropped)} == lost


def test_power_and_frequency_are_read_first():
    plans = Plan(
        profile({"a": at(0), "active_power_w": at(10), "frequency_hz": at(90)}), ("a", "active_power_w", "frequency_hz")
    )
    assert [block.address for block in plans.blocks(0.0)] == [10, 90, 0]


@given(
    st.dictionaries(st.integers(0, 12), st.integers(0, 6), min_size=1, max_size=8),
    st.sets(st.integers(0, 30), max_size=6),
)
def test_parts_that_overlap_are_narrowed_too_and_it_ends(parts, missing):
    """Each int16 has its exponent some registers behind it, as SunSpec has: what belongs together overlaps."""
    registers = {
        f"q{address}": Register(fc=3, addresses=(address,), type="int16", scale_address=address + 1 + behind)
        for address, behind in parts.items()
    }
    registers["active_power_w"] = Register(fc=3, addresses=(2,), type="int16", scale_address=9)
    plans = Plan(profile(registers, largest_gap=125), tuple(registers))
    for now_s in (1.0, 2.0):
        answers, asked = answered(plans, missing, now_s)
        assert asked < 120
        lost = {
            name for name, register in registers.items() if missing & {register.addresses[0], register.scale_address}
        }
        assert {name for name, value in plans.decode(answers).items() if isinstance(value, Dropped)} == lost
    assert any(map(plans.needed, plans.blocks(3.0)))
