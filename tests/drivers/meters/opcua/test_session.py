"""What one session does with messages that no server of ours sends."""

from __future__ import annotations

import math

from asyncua import ua

from drivers.meters.opcua.driver import _Session
from drivers.meters.opcua.watch import Clockwork, Item, PointWatch
from drivers.meters.opcua.wire import Published, Value
from tests.drivers.meters.opcua.serving import point, server
from tests.drivers.meters.watching import Seen


def test_after_a_message_that_was_lost_everything_is_read_again():
    watch = PointWatch(point(), Seen())
    session = _Session(server("opc.tcp://nowhere"), [watch], lambda: 1000.0)
    session._clockwork = Clockwork(lambda: 1000.0)
    items = [Item(point=watch, quantity=f"q{k}", node=ua.NodeId(k), factor=1.0) for k in (1, 2)]
    session._items = dict(enumerate(items))
    for item in items:
        item.heard_s = 999.0

    def told(sequence: int) -> list[float]:
        session._take(Published(1, sequence, [(0, Value(1.0))], None))
        return [item.heard_s for item in items]

    session._published_s = 1000.0
    assert told(7)[1] == 999.0
    assert told(8)[1] == 999.0
    assert told(1)[1] == 999.0  # the numbers start over
    assert told(4)[1] == -math.inf


def test_a_change_of_an_item_that_is_no_longer_watched_is_dropped():
    seen = Seen()
    session = _Session(server("opc.tcp://nowhere"), [PointWatch(point(), seen)], lambda: 1000.0)
    session._take(Published(1, 1, [(99, Value(1.0))], None))
    assert not seen
