"""Family by family and trap by trap, over sockets: nothing that is not down is called down, and no pool changes."""

from __future__ import annotations

import pytest

from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.wire import Follow
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS
from simulators.devices.cells import model_of, play
from simulators.devices.served import SERVED
from simulators.devices.traps import MANNERS, Reply, Trap

#: What the first command may come to, by how it is answered. What is answered with a page, or half, is never a yes.
OUTCOMES = {
    Reply.YES: CommandOutcome.ACCEPTED,
    Reply.NO: CommandOutcome.REFUSED,
}


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", SERVED)
def test_a_cell(family: str, trap: Trap) -> None:
    cell = timeless.run(play(family, trap))
    assert cell.outcome is OUTCOMES.get(MANNERS[trap].reply, CommandOutcome.UNKNOWN)
    assert cell.lied_s == 0.0
    assert cell.pools == POOLS
    assert cell.down_s is not None
    assert cell.down_s <= model_of(family).down_s + 6.0
    if trap is Trap.OK:
        assert (cell.state, cell.relayed) == (Follow.PROVEN, False)
