"""Family by family and trap by trap, over sockets: nothing that is not down is called down, and no pool changes."""

from __future__ import annotations

import pytest

from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.wire import Follow
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS
from simulators.devices.cells import model_of, play
from simulators.devices.served import SERVED
from simulators.devices.traps import MANNERS, ReplyForm, Trap

#: What the first command may come to, by how it is answered. What is answered with a page, or half, is never a yes.
OUTCOMES = {
    ReplyForm.YES: CommandOutcome.ACCEPTED,
    ReplyForm.NO: CommandOutcome.REFUSED,
}


def outcome_of(trap: Trap) -> CommandOutcome:
    if trap is Trap.WRONG_SERIAL:
        return CommandOutcome.UNKNOWN  # it is told nothing, and what is with the one that is meant nobody knows
    return OUTCOMES.get(MANNERS[trap].reply, CommandOutcome.UNKNOWN)


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", SERVED)
def test_a_cell(family: str, trap: Trap) -> None:
    cell = timeless.run(play(family, trap))
    assert cell.outcome is outcome_of(trap)
    assert cell.lied_s == 0.0
    assert cell.pools == POOLS
    assert cell.down_s is not None
    down_s = model_of(family).down_s
    assert cell.down_s <= (2 * down_s + 10.0 if trap is Trap.MOVES_BACK else down_s + 6.5)
    if trap is Trap.OK:
        assert (cell.state, cell.relayed) == (Follow.PROVEN, False)
