"""Family by family and trap by trap, over sockets: nothing that is not down is called down, and no pool changes."""

from __future__ import annotations

import pytest

from drivers.devices.families import Wakes, load_families
from drivers.fleet.agent.contact import READ_S, SILENT_S
from drivers.fleet.catalogue import DeviceKind
from drivers.fleet.wire import Follow
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS
from simulators.devices.cells import TURN_S, play, restart
from simulators.devices.served import ALL_SERVED
from simulators.devices.table import cell
from simulators.devices.traps import Trap
from tests.simulators.devices.judging import judge


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", ALL_SERVED)
def test_a_cell(family: str, trap: Trap) -> None:
    judge(family, trap, cell(family, trap))


@pytest.mark.parametrize("family", [one for one in ALL_SERVED if load_families()[one].kind is not DeviceKind.GPU])
def test_stop_means_stop_after_a_reboot(family: str) -> None:
    facts = load_families()[family]
    cell = timeless.run(restart(family))
    assert cell.down_s is not None
    assert cell.state in {Follow.PROVEN, Follow.STOPPED}
    assert cell.late_s <= READ_S + TURN_S
    comes_back_s = 0.0 if facts.wakes is Wakes.AS_SET else facts.boot_s
    assert cell.down_s <= comes_back_s + SILENT_S + TURN_S + facts.down_s


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", ALL_SERVED)
def test_a_cell_without_a_relay_tells_no_lie_either(family: str, trap: Trap) -> None:
    cell = timeless.run(play(family, trap, relay=False))
    assert cell.late_s <= (READ_S + TURN_S if trap in {Trap.MOVES_BACK, Trap.REBOOTS} else 0.0)
    assert cell.pools == POOLS
    assert not cell.relayed
