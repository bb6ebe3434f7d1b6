"""Family by family and trap by trap, over sockets: nothing that is not down is called down, and no pool changes."""

from __future__ import annotations

import pytest

from drivers.devices.families import Wakes
from drivers.fleet.agent.contact import READ_S
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS
from simulators.devices.cells import TURN_S, play, restart
from simulators.devices.served import ALL_SERVED, EVERY_SERVED
from simulators.devices.table import cell
from simulators.devices.traps import Trap
from tests.simulators.devices.judging import judge, judge_restart


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", ALL_SERVED)
def test_a_cell(family: str, trap: Trap) -> None:
    judge(family, trap, cell(family, trap))


@pytest.mark.parametrize("wakes", Wakes)
@pytest.mark.parametrize("family", [*ALL_SERVED, "snmp-outlet"])
def test_stop_means_stop_after_a_reboot(family: str, wakes: Wakes) -> None:
    judge_restart(family, wakes, timeless.run(restart(family, wakes, served=EVERY_SERVED[family])))


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", ALL_SERVED)
def test_a_cell_without_a_relay_tells_no_lie_either(family: str, trap: Trap) -> None:
    cell = timeless.run(play(family, trap, relay=False))
    assert cell.late_s <= (READ_S + TURN_S if trap in {Trap.MOVES_BACK, Trap.REBOOTS} else 0.0)
    assert cell.pools == POOLS
    assert not cell.relayed
