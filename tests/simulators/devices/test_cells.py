"""Family by family and trap by trap, over sockets: nothing that is not down is called down, and no pool changes."""

from __future__ import annotations

import pytest

from simulators.devices import timeless
from simulators.devices.cells import play
from simulators.devices.served import SERVED
from simulators.devices.traps import Trap
from tests.simulators.devices.judging import judge


@pytest.mark.parametrize("trap", Trap)
@pytest.mark.parametrize("family", SERVED)
def test_a_cell(family: str, trap: Trap) -> None:
    judge(family, trap, timeless.run(play(family, trap)))
