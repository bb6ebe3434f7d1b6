"""Random meters that refuse or are silent about registers: nothing but those is lost, and no meter is asked for ever."""

from __future__ import annotations

import random

from drivers.meters.blocks import Block, Plan
from drivers.meters.codec import Dropped, Register
from drivers.meters.profiles import REQUIRED, Profile
from drivers.modbus.answers import Answer, Refusal

#: More attempts than registers, and halves of them, could ever need.
_MOST_ATTEMPTS = 80
_NAMES = (
    "frequency_hz",
    "energy_import_wh",
    "voltage_l1_n_v",
    "current_l1_a",
    "reactive_power_var",
    "active_power_l1_w",
)


def plans(seed: int, inputs: int) -> int:
    """Read `inputs` random meters; return how many gave their power."""
    dice = random.Random(seed)
    return sum(_one(dice) for _ in range(inputs))


def _one(dice: random.Random) -> bool:
    profile = _profile(dice)
    missing = {dice.randrange(70) for _ in range(dice.randrange(8))}
    how = dice.choice((1, 2, 3, 4, 6, 8, None))
    window = dice.choice((2, 3, 10, 125))
    plan = Plan(profile, tuple(profile.registers))
    told = f"{profile.registers} without {sorted(missing)}, refused by {how}, {window} registers a request"
    for attempt in range(_MOST_ATTEMPTS):
        answers, silent = _attempt(plan, missing, how, window, float(attempt), told)
        if plan.settled or (silent and not plan.learned):
            break
    else:
        raise AssertionError(f"it is asked for ever: {told}")
    if silent:
        assert _lost(profile.registers[REQUIRED], missing), told
        return False
    decoded = plan.decode(plan.refused | answers)
    lost = {name for name, value in decoded.items() if isinstance(value, Dropped)}
    assert lost == {name for name, register in profile.registers.items() if _lost(register, missing)}, f"{lost}: {told}"
    return REQUIRED not in lost


def _attempt(
    plan: Plan, missing: set[int], how: int | None, window: int, now_s: float, told: str
) -> tuple[dict[Block, Answer], bool]:
    """Return the answers, and whether the power stayed without one, as a poll does it."""
    answers: dict[Block, Answer] = {}
    todo, asked = list(plan.blocks(now_s)), 0
    while todo:
        block, asked = todo.pop(0), asked + 1
        assert asked < 300, f"it is asked for ever: {told}"
        too_long = block.count > window
        if not too_long and not missing & set(range(block.address, block.end)):
            plan.answered(block)
            answers[block] = [1] * block.count
        elif how is None and not too_long:
            plan.silence(block, "silence")
            if plan.needed(block):
                return answers, True
            answers |= dict.fromkeys([block, *todo], "silence")
            return answers, False
        else:
            refusal = Refusal(3 if too_long else how or 2, "refused")
            if parts := plan.narrow(block, refusal):
                todo = [*parts, *todo]
                continue
            answers[block] = refusal
    return answers, False


def _lost(register: Register, missing: set[int]) -> bool:
    return any(missing & set(range(address, address + count)) for address, count in register.reads)


def _profile(dice: random.Random) -> Profile:
    names = (REQUIRED, *dice.sample(_NAMES, dice.randrange(len(_NAMES) + 1)))
    registers = {name: _register(dice) for name in names}
    return Profile(
        id="random",
        vendor="v",
        model="m",
        confidence="partial",
        word_order="big",
        registers=registers,
        largest_block=125,
        largest_gap=125
        if any(each.scale_address is not None for each in registers.values())
        else dice.choice((0, 5, 60)),
    )


def _register(dice: random.Random) -> Register:
    address = dice.randrange(50)
    if dice.random() < 0.5:
        return Register(fc=3, addresses=(address,), type=dice.choice(("int16", "int32")))
    return Register(fc=3, addresses=(address,), type="int16", scale_address=address + 1 + dice.randrange(18))
