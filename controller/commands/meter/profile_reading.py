"""A meter read once by a profile, whether it is there or was captured."""

from __future__ import annotations

from collections.abc import Collection

from drivers.meters.blocks import Block, Plan, decode_all
from drivers.meters.codec import Dropped
from drivers.meters.profiles import Profile
from drivers.meters.sunspec import Read, find_model
from drivers.modbus.answers import Answer, Refusal

#: Values by quantity, and why the others have none.
Shown = tuple[dict[str, float], dict[str, str]]


async def read_by(
    read: Read, profile: Profile, *, start: int | None = None, only: Collection[str] | None = None
) -> Shown:
    """Return the values of the profile's quantities (of `only` these), and why the others have none.

    `start`: where the addresses count from; looked for where it is not given. Raises DriverLoss.
    """
    if start is None:
        start = await find_model(read, profile.sunspec_models) if profile.sunspec_models else 0
    quantities = tuple(profile.registers) if only is None else tuple(only)
    plan = Plan(profile, quantities)
    answers: dict[Block, Answer] = {}
    todo = list(plan.blocks(0.0))
    while todo:
        block = todo.pop(0)
        answer = await read(block.fc, start + block.address, block.count)
        if isinstance(answer, Refusal) and (parts := plan.narrow(block, answer)):
            todo = [*parts, *todo]
        else:
            answers[block] = answer
    decoded = decode_all(profile, plan.refused | answers, quantities)
    values = {name: value for name, value in decoded.items() if not isinstance(value, Dropped)}
    return values, {name: value.reason for name, value in decoded.items() if isinstance(value, Dropped)}
