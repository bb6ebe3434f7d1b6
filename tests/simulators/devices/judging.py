"""What must hold of every cell of the table of families and traps."""

from __future__ import annotations

from drivers.devices.families import Wakes, load_families
from drivers.fleet.agent.contact import READ_S, SILENT_S
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.catalogue import DeviceKind
from drivers.fleet.wire import Follow
from simulators.devices.bench_unit import POOLS
from simulators.devices.cells import TURN_S, Cell, model_of
from simulators.devices.served import Served
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


def judge(family: str, trap: Trap, cell: Cell, served: Served | None = None) -> None:
    assert cell.outcome is outcome_of(trap)
    # What firmware undoes by itself is seen when the device is read again, a second later at most.
    assert cell.late_s <= (READ_S + TURN_S if trap is Trap.MOVES_BACK else 0.0)
    assert cell.pools == POOLS
    assert cell.down_s is not None
    down_s = model_of(family, served).down_s
    assert cell.down_s <= (2 * down_s + 21.0 if trap is Trap.MOVES_BACK else down_s + 6.5)
    if trap is Trap.OK:
        assert (cell.state, cell.relayed) == (Follow.PROVEN, False)


def judge_restart(family: str, wakes: Wakes, cell: Cell) -> None:
    """Hold that stop means stop: within one poll of a silent device, and the time of its own, it is down again, proven."""
    facts = load_families()[family]
    assert cell.state in {Follow.PROVEN, Follow.STOPPED}
    assert cell.late_s <= READ_S + TURN_S
    assert cell.pools == POOLS
    assert cell.down_s is not None
    forgets = wakes is Wakes.FULL or facts.kind is DeviceKind.GPU  # limits of GPUs outlive no start
    comes_back_s = facts.boot_s if forgets else 0.0
    assert cell.down_s <= comes_back_s + SILENT_S + TURN_S + facts.down_s
