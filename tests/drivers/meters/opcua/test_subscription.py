"""What a subscription does with messages that no server of ours sends."""

from __future__ import annotations

import asyncio
import math

import pytest
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from drivers.errors import DriverLoss
from drivers.meters.opcua.subscription import NotSubscribedError, Subscription
from drivers.meters.opcua.watch import Item, PointWatch
from drivers.meters.opcua.wire import Published, Value
from tests.drivers.meters.opcua.serving import point
from tests.drivers.meters.watching import Seen


class Line:
    """A session in which the server answers a publish request with these, one after the other."""

    def __init__(self, *answers: Published | Exception) -> None:
        self.answers = list(answers)

    async def publish(self, _acknowledged: object) -> Published:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def two_items() -> list[Item]:
    watch = PointWatch(point(), Seen())
    items = [Item(point=watch, quantity=f"q{k}", node=ua.NodeId(k), factor=1.0) for k in (1, 2)]
    for item in items:
        item.heard_s = 999.0
    return items


def subscription(line: Line, items: list[Item], taken: list[Item], now_s: float = 1000.0) -> Subscription:
    def take(changes, arrived_s: float) -> None:
        taken.extend(item for item, _ in changes)
        for item, _ in changes:
            item.heard_s = arrived_s

    return Subscription(line, dict(enumerate(items)), take, timeout_s=1.0, clock=lambda: now_s)


def told(sequence: int, handle: int = 0) -> Published:
    return Published(0, sequence, [(handle, Value(1.0))], None)


def lost(code: int) -> UaStatusCodeError:
    return UaStatusCodeError(code)


def listened(line: Line, items: list[Item], taken: list[Item], ends: type[Exception]) -> None:
    with pytest.raises(ends):
        asyncio.run(subscription(line, items, taken).listen())


@pytest.mark.parametrize(("sequences", "heard_s"), [((7, 8), 999.0), ((7, 8, 1), 999.0), ((7, 9), -math.inf)])
def test_after_a_message_that_was_lost_everything_is_read_again(sequences, heard_s):
    items, taken = two_items(), list[Item]()
    listened(Line(*map(told, sequences), OSError()), items, taken, OSError)
    assert taken == [items[0]] * len(sequences)
    assert (items[0].heard_s, items[1].heard_s) == (1000.0, heard_s)


def test_a_change_of_an_item_that_is_no_longer_watched_is_dropped():
    taken: list[Item] = []
    listened(Line(told(1, handle=99), OSError()), two_items(), taken, OSError)
    assert not taken


@pytest.mark.parametrize(
    ("code", "ends"),
    [
        (StatusCodes.BadServiceUnsupported, NotSubscribedError),
        (StatusCodes.BadTooManyPublishRequests, NotSubscribedError),
        (StatusCodes.BadNoSubscription, UaStatusCodeError),
        (StatusCodes.BadSessionIdInvalid, UaStatusCodeError),
    ],
)
def test_a_server_that_cannot_publish_is_told_from_one_that_has_lost_the_session(code, ends):
    listened(Line(lost(code)), two_items(), [], ends)


@pytest.mark.parametrize(("heard", "ends"), [(False, NotSubscribedError), (True, DriverLoss)])
def test_a_subscription_that_never_said_anything_is_told_from_one_that_has_died(heard, ends):
    made = subscription(Line(), two_items(), [])
    made._silent_after_s, made._published_s, made._heard = 3.0, 900.0, heard
    with pytest.raises(ends):
        asyncio.run(made.guard())
