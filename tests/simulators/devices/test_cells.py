"""Family by family and trap by trap, over sockets: nothing that is not down is called down, and no pool changes."""

from __future__ import annotations

import pytest

from drivers.devices.families import Wakes, load_families
from drivers.fleet.agent.contact import READ_S, SILENT_S
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.wire import Follow
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS
from simulators.devices.cells import TURN_S, model_of, play, restart
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
    # What firmware undoes by itself is seen when the device is read again, a second later at most.
    assert cell.late_s <= (READ_S + TURN_S if trap is Trap.MOVES_BACK else 0.0)
    assert cell.pools == POOLS
    assert cell.down_s is not None
    down_s = model_of(family).down_s
    assert cell.down_s <= (2 * down_s + 20.0 if trap is Trap.MOVES_BACK else down_s + 6.5)
    if trap is Trap.OK:
        assert (cell.state, cell.relayed) == (Follow.PROVEN, False)


@pytest.mark.parametrize("family", SERVED)
def test_stop_means_stop_after_a_reboot(family: str) -> None:
    facts = load_families()[family]
    cell = timeless.run(restart(family))
    assert cell.down_s is not None
    assert cell.state in {Follow.PROVEN, Follow.STOPPED}
    assert cell.late_s <= READ_S + TURN_S
    comes_back_s = 0.0 if facts.wakes is Wakes.AS_SET else facts.boot_s
    assert cell.down_s <= comes_back_s + SILENT_S + TURN_S + facts.down_s


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", SERVED)
def test_a_cell_without_a_relay_tells_no_lie_either(family: str, trap: Trap) -> None:
    cell = timeless.run(play(family, trap, relay=False))
    assert cell.late_s <= (READ_S + TURN_S if trap in {Trap.MOVES_BACK, Trap.REBOOTS} else 0.0)
    assert cell.pools == POOLS
    assert not cell.relayed
