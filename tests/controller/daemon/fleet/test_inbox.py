"""What waits between link and fleet: the newest of each agent, in the sequence of its arrival, and nothing of before a loss."""

import logging
import threading
import time

import pytest

from controller.daemon.fleet.inbox import Inbox
from drivers.fleet.wire import Leaf, topic
from tests.waiting import DEADLINE_S

SITE = "north"
AGENTS = ("hall-a", "hall-b")


class NoLink:
    def start(self) -> None: ...

    def stop(self) -> None: ...

    def publish(self, *_, **__) -> bool:
        return True


class Hall:
    """an inbox whose taker waits until it is let go."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.heard: list[tuple[str, bytes, bool, float]] = []
        self.told: list[bool] = []
        self.changed = threading.Condition()
        self.held = threading.Event()
        self.began = threading.Event()
        self.fails = False
        self.inbox = Inbox(self.make, site=SITE, agents=AGENTS, clock=lambda: self.now_s)
        self.inbox.link(self.hear, self.told.append, ("x",))

    def make(self, on_message, on_connection, _topics):
        self.on_message, self.on_connection = on_message, on_connection
        return NoLink()

    def hear(self, name: str, payload: bytes, retained: bool, heard_s: float | None = None) -> None:
        self.began.set()
        assert self.held.wait(DEADLINE_S)
        with self.changed:
            self.heard.append((name, payload, retained, heard_s))
            self.changed.notify_all()
        if self.fails:
            raise ValueError("a mistake of ours")

    def say(self, agent: str, leaf: Leaf, payload: bytes) -> None:
        self.on_message(topic(SITE, agent, leaf), payload, False)

    def block(self) -> None:
        """Have the taker be at work on a message."""
        self.say("hall-b", Leaf.STATUS, b"first")
        assert self.began.wait(DEADLINE_S)

    def until_forgotten(self) -> None:
        end_s = time.monotonic() + DEADLINE_S
        while self.inbox._waiting and time.monotonic() < end_s:
            time.sleep(0.001)

    def payloads(self, count: int) -> list[bytes]:
        self.held.set()
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.heard) >= count, DEADLINE_S), self.heard
            return [payload for _, payload, *_ in self.heard]


@pytest.fixture
def hall():
    made = Hall()
    made.inbox.start()
    yield made
    made.held.set()
    made.inbox.stop()


def test_of_each_agent_the_newest_report_is_taken_and_what_is_left_out_is_counted_and_told_once(hall, caplog):
    caplog.set_level(logging.WARNING)
    hall.block()
    for k in range(5):
        hall.say("hall-a", Leaf.REPORT, b"a%d" % k)
    hall.say("hall-b", Leaf.REPORT, b"b0")
    assert hall.payloads(3) == [b"first", b"a4", b"b0"]
    assert hall.inbox.shed == 4
    assert [record.event for record in caplog.records] == ["reports_shed"]


def test_nobody_is_passed_by_whoever_says_more(hall):
    hall.block()
    hall.say("hall-a", Leaf.REPORT, b"a0")
    hall.say("hall-b", Leaf.REPORT, b"b0")
    hall.say("hall-a", Leaf.REPORT, b"a1")
    assert hall.payloads(3) == [b"first", b"a1", b"b0"]


def test_an_inventory_is_taken_before_the_report_that_came_after_it(hall):
    hall.block()
    hall.say("hall-a", Leaf.REPORT, b"by the old one")
    hall.say("hall-a", Leaf.INVENTORY, b"new")
    hall.say("hall-a", Leaf.REPORT, b"by the new one")
    assert hall.payloads(3) == [b"first", b"new", b"by the new one"]


def test_a_message_counts_from_when_it_came(hall):
    hall.block()
    hall.say("hall-a", Leaf.REPORT, b"a0")
    hall.now_s = 107.0
    hall.payloads(2)
    assert [heard_s for *_, heard_s in hall.heard] == [100.0, 100.0]


def test_what_waited_when_the_link_was_lost_is_never_taken(hall):
    hall.on_connection(True)
    hall.block()
    hall.say("hall-a", Leaf.REPORT, b"of before")
    losing = threading.Thread(target=hall.on_connection, args=(False,))
    losing.start()
    assert hall.told == [True], "it waits for the message that is under way"
    hall.until_forgotten()
    hall.held.set()
    losing.join(DEADLINE_S)
    hall.on_connection(True)
    hall.say("hall-a", Leaf.REPORT, b"of after")
    assert hall.payloads(2) == [b"first", b"of after"]
    assert hall.told == [True, False, True]


def test_messages_that_were_taken_up_together_are_dropped_by_a_loss_between_them(hall):
    hall.block()
    hall.say("hall-a", Leaf.INVENTORY, b"a0")
    hall.say("hall-a", Leaf.REPORT, b"a1")
    losses, messages = hall.inbox._next()
    hall.inbox._forget()
    assert len(messages) == 2
    assert losses != hall.inbox._losses, "so that neither is handled"


def test_strange_topics_fill_no_memory(hall):
    hall.block()
    for k in range(1000):
        hall.on_message(f"surplus/v2/{SITE}/rogue-{k}/report", b"%d" % k, False)
    assert hall.payloads(2) == [b"first", b"999"]
    assert hall.inbox.shed == 0


def test_a_message_that_cannot_be_dealt_with_ends_nothing(hall, caplog):
    hall.fails = True
    hall.block()
    hall.say("hall-a", Leaf.REPORT, b"a0")
    assert hall.payloads(2) == [b"first", b"a0"]
    assert "message_dropped" in [record.event for record in caplog.records]
