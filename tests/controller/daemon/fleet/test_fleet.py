"""The fleet over a link that the test holds: what goes out, when, and what comes in."""

import logging
import math
import threading

import numpy as np
import pytest
from msgspec import structs

from controller.core.decision import Decision
from controller.core.reasons import Code, Reason
from controller.core.safe import safe_step
from controller.core.site import Site
from controller.core.snapshot import Followed, Measurer
from controller.core.state import initial_state
from controller.daemon.fleet import fleet as fleet_module
from controller.daemon.fleet.fleet import Fleet, subscriptions
from drivers.fleet import wire
from drivers.fleet.head import JournalHead, open_head, seal
from drivers.fleet.keys import CONTROLLER, PrivateKey
from drivers.fleet.wire import Leaf, Set, open_set, sign, topic
from drivers.machine_clocks import MachineClocks
from tests.controller.core.world import World
from tests.controller.daemon.fleet.loop import (
    FAILSAFE,
    FULL,
    HEAD,
    MODELS,
    SITE,
    inventory_of,
    key,
    make_site,
    models_of,
    own_devices,
    report_of,
)
from tests.controller.north import make_decision
from tests.waiting import DEADLINE_S

AGENTS = ("hall-a", "hall-b", "hall-c")
CONTROLLER_KEY = PrivateKey.generate()


class FakeLink:
    """A link that keeps what is published while it is up."""

    def __init__(self) -> None:
        self.up = False
        self.published: list[tuple[str, Set, float | None, dict]] = []
        self.tried = 0
        self.changed = threading.Condition()
        self.broken: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.at_the_gate = threading.Event()

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def publish(self, name: str, payload: bytes, *, expiry_s: float | None = None, **more) -> bool:
        if not self.gate.is_set():
            self.at_the_gate.set()
            assert self.gate.wait(DEADLINE_S)
        with self.changed:
            self.tried += 1
            self.changed.notify_all()
            agent = name.split("/")[3]
            if agent in self.broken:
                raise ValueError("a mistake of ours")
            if self.up:
                body = open_set(payload, {CONTROLLER: CONTROLLER_KEY.public_key()}, site=SITE, agent=agent)
                self.published.append((name, body, expiry_s, more))
            return self.up


class Rig:
    """A fleet of three agents with its clock and its link in the test's hands."""

    def __init__(self, site: Site, relays=None) -> None:
        self.now_s = 1000.0
        self.head: JournalHead | None = None
        self.site = site
        self.link = FakeLink()
        self.fleet = Fleet(
            site,
            make_link=self.make_link,
            key=CONTROLLER_KEY,
            agent_keys=dict.fromkeys(AGENTS, key().public_key()),
            models=models_of(site),
            epoch=5,
            head=lambda: self.head,
            relays=relays or {},
            clock=lambda: self.now_s,
        )

    def make_link(self, on_message, on_connection, topics):
        self.on_message, self.on_connection, self.topics = on_message, on_connection, topics
        return self.link

    def connect(self, up: bool = True) -> None:
        """Connect; the inventories are what the broker has kept."""
        self.link.up = up
        self.on_connection(up)
        if up:
            for a in range(len(AGENTS)):
                self.introduce(a)

    def introduce(self, a: int, listed=None, **more) -> None:
        body = inventory_of(self.devices(a) if listed is None else listed, agent=AGENTS[a], **more)
        self.on_message(topic(SITE, AGENTS[a], Leaf.INVENTORY), sign(body, key()), True)

    def devices(self, a: int):
        ids = self.site.devices.ids
        return own_devices([id_ for id_, agent in zip(ids, self.site.devices.agent, strict=True) if agent == a])

    def report(self, a: int, *, retained: bool = False, **fields) -> None:
        defaults = {"listed": self.devices(a), "epoch": 5}
        body = report_of(agent=AGENTS[a], now_ms=round(1000 * self.now_s), **(defaults | fields))
        self.on_message(topic(SITE, AGENTS[a], Leaf.REPORT), sign(body, key()), retained)

    def decide(self, setpoint_w=None, *, look: bool = True, **more) -> Decision:
        """Look and send one decision; everything at its maximum unless told otherwise."""
        if look:
            self.fleet.columns()
        setpoint_w = self.site.devices.max_w.copy() if setpoint_w is None else setpoint_w
        base = make_decision()
        decision = Decision(
            **{name: getattr(base, name) for name in base.__slots__}
            | {"at_s": self.now_s, "setpoint_w": setpoint_w}
            | more
        )
        self.fleet.send(decision)
        return decision

    def sets(self, count: int) -> list[Set]:
        """Wait for so many sets and return them all."""
        with self.link.changed:
            enough = self.link.changed.wait_for(lambda: len(self.link.published) >= count, DEADLINE_S)
            assert enough, f"{len(self.link.published)} of {count} sets"
            return [body for _, body, *_ in self.link.published]

    def wait_until_all_are_told(self, setpoint_w) -> None:
        """Wait until the newest set of every agent says these watts of the site's devices."""

        def told() -> bool:
            newest = {body.agent: body.setpoints_w for _, body, *_ in self.link.published}
            return all(
                newest.get(agent) == [round(w) for w in setpoint_w[self.site.devices.agent == a]]
                for a, agent in enumerate(AGENTS)
            )

        with self.link.changed:
            assert self.link.changed.wait_for(told, DEADLINE_S), self.link.published


@pytest.fixture
def rig():
    made = Rig(make_site(AGENTS))
    made.fleet.start()
    yield made
    made.fleet.stop()


@pytest.fixture
def led(rig: Rig) -> Rig:
    """All agents connected and heard."""
    rig.connect()
    rig.sets(3)
    for a in range(3):
        rig.report(a, accepted_seq=1, lapsed=False)
    rig.link.published.clear()
    return rig


def test_reads_what_agents_say_and_nothing_else(rig):
    assert rig.topics == subscriptions(SITE)
    assert set(rig.topics) == {f"surplus/v2/{SITE}/+/{leaf}" for leaf in ("report", "inventory", "status")}


def test_first_safe_statements_go_out_with_the_link_before_any_decision(rig):
    assert rig.fleet.first_sent_s is None
    rig.connect()
    for body in rig.sets(3):
        assert body.echo is None, "without a clock nothing is raised and no lease is lengthened"
        assert sorted(body.setpoints_w) == sorted(FAILSAFE.values())
        assert (body.epoch, body.key, body.site) == (5, CONTROLLER, SITE)
    assert rig.fleet.first_sent_s == 1000.0


def test_nothing_is_published_while_the_link_is_down_nor_kept_for_later(rig):
    for a in range(3):
        rig.introduce(a)
    rig.decide()
    with rig.link.changed:
        assert rig.link.changed.wait_for(lambda: rig.link.tried >= 3, DEADLINE_S)
    assert rig.link.published == []
    off_w = rig.site.devices.off_w
    rig.now_s += 1.0
    rig.decide(off_w)
    rig.connect()
    rig.wait_until_all_are_told(off_w)


def test_a_set_is_never_retained_and_expires_with_its_lease(led):
    led.decide()
    led.sets(3)
    for name, body, expiry_s, more in led.link.published:
        assert name == topic(SITE, body.agent, Leaf.SET)
        assert expiry_s == body.ttl_ms / 1000
        assert more.get("retain", False) is False
        assert more["qos"] == 0, "the report confirms it, and no acknowledgement is waited for"


def test_a_decision_is_stated_whole_to_every_agent_with_its_clock(led):
    led.decide()
    sets = led.sets(3)
    assert [body.agent for body in sets] == list(AGENTS)
    for body in sets:
        assert sorted(body.setpoints_w) == sorted(FULL.values())
        assert body.echo.boottime_ms == 1_000_000


def test_the_newest_decision_replaces_what_waits_and_who_is_lowered_is_first(led):
    led.link.gate.clear()
    led.decide()
    assert led.link.at_the_gate.wait(DEADLINE_S)
    max_w, off_w = led.site.devices.max_w, led.site.devices.off_w
    led.decide(np.where(led.site.devices.agent == 2, off_w, max_w))
    led.link.gate.set()
    sets = led.sets(3)
    assert [body.agent for body in sets] == ["hall-a", "hall-c", "hall-b"]
    assert sets[1].setpoints_w == off_w[led.site.devices.agent == 2].tolist(), "it never hears the decision before"


def test_a_round_begins_with_whom_the_last_one_kept_waiting(led):
    led.link.gate.clear()
    led.decide(0.5 * led.site.devices.max_w)
    assert led.link.at_the_gate.wait(DEADLINE_S)
    led.decide()
    led.link.gate.set()
    sets = led.sets(4)
    assert [body.agent for body in sets] == ["hall-a", "hall-b", "hall-c", "hall-a"]
    max_w = led.site.devices.max_w[led.site.devices.agent == 1]
    assert sets[1].setpoints_w == max_w.tolist(), "it is the first of the new round, not the next of the old one"


def test_i6_the_lease_ends_of_a_site_are_staggered_and_none_is_too_long(led):
    led.decide()
    ttls = [body.ttl_ms for body in led.sets(3)]
    assert len(set(ttls)) == 3
    assert max(ttls) == 1000 * led.site.rules.lease_s
    assert min(ttls) >= 800 * led.site.rules.lease_s


def test_an_agent_that_was_never_heard_gets_no_raise(rig):
    rig.connect()
    rig.sets(3)
    rig.report(0)
    rig.link.published.clear()
    rig.decide()
    assert [body.echo is not None for body in rig.sets(3)] == [True, False, False]


def test_a_decision_carries_the_clock_that_it_was_taken_by(led):
    """A report between the look and the sending may tell of a lapse that the decision did not know of."""
    led.fleet.columns()
    led.now_s += 0.2
    led.report(0, lapsed=True)
    led.decide(look=False)
    assert led.sets(3)[0].echo.boottime_ms == 1_000_000


def test_a_decision_without_a_look_is_sent_without_clocks(led):
    led.decide(look=False)
    assert all(body.echo is None for body in led.sets(3))


def test_a_lost_link_makes_every_clock_unknown_until_the_agent_reports_anew(led):
    assert led.fleet.link_lost_s == math.inf
    led.now_s += 1.0
    led.connect(up=False)
    assert led.fleet.link_lost_s == led.now_s
    assert not led.fleet.columns().echo.any()
    assert np.isfinite(led.fleet.columns().heard_s).all(), "what they said is not forgotten"
    led.connect()
    assert led.fleet.link_lost_s == math.inf
    assert not led.fleet.columns().echo.any()
    led.report(1)
    assert led.fleet.columns().echo.tolist() == [False, True, False]


def test_the_clocks_of_agents_in_contact_are_told_by_how_far_they_are_ahead_of_the_count(led):
    def ahead():
        clocks = MachineClocks(
            utc_s=1.8e9, count_s=led.now_s - 400.0, boot="m", boottime_s=led.now_s, kernel="it is not asked"
        )
        return {agent: round(clock.ahead_s, 3) for agent, clock in led.fleet.clocks(clocks).items()}

    assert ahead() == dict.fromkeys(AGENTS, 400.0)
    led.now_s += 3.0
    assert ahead() == dict.fromkeys(AGENTS, 400.0), "they have run on since"
    led.report(1, boot="b9")
    led.now_s += 3.0
    assert ahead() == {AGENTS[1]: 400.0}, "of one that is silent nothing is known"
    led.report(0, epoch=4, boot="b7")
    assert AGENTS[0] not in ahead(), "what it said to a controller of before may be old"
    led.connect(up=False)
    assert ahead() == {}


def test_a_decision_from_before_a_loss_is_sent_without_clocks_after_it(led):
    led.decide()
    led.sets(3)
    led.connect(up=False)
    led.now_s += 2.0
    led.link.published.clear()
    led.connect()
    assert all(body.echo is None for body in led.sets(3))


def test_the_link_counts_as_lost_from_the_start():
    assert Rig(make_site(AGENTS)).fleet.link_lost_s == 1000.0


def test_columns_follow_the_order_of_the_site(led):
    mine = [i for i, agent in enumerate(led.site.devices.agent) if agent == 1]
    ids = [led.site.devices.ids[i] for i in mine]
    led.now_s += 1.0
    led.report(1, applied={id_: 1000 + k for k, id_ in enumerate(ids)}, measured_w=[5, None, 7])
    columns = led.fleet.columns()
    assert columns.applied_w[mine].tolist() == [1000.0, 1001.0, 1002.0]
    assert np.array_equal(columns.measured_w[mine], [5.0, np.nan, 7.0], equal_nan=True)
    assert set(columns.follow[mine]) == {Followed.PROVEN}
    assert set(columns.measured_by[mine]) == {Measurer.PDU}
    assert columns.heard_s.tolist() == [1000.0, 1001.0, 1000.0]
    assert np.array_equal(columns.max_w, led.site.devices.max_w)
    assert np.array_equal(columns.down_seen_s, led.site.devices.down_seen_s)
    assert np.array_equal(columns.up_seen_s, led.site.devices.up_seen_s)
    others = [i for i in range(len(led.site.devices.ids)) if i not in mine]
    assert columns.applied_w[others].tolist() == led.site.devices.off_w[others].tolist()


def test_hardware_that_two_agents_have_is_named_by_both_whatever_they_call_it(led):
    for a in (0, 2):
        first, *others = led.devices(a)
        led.introduce(a, [structs.replace(first, serial="5cf3"), *others])
    ids = [led.devices(a)[0].id for a in (0, 2)]
    expected = [
        Reason(Code.DEVICES_SHARED, AGENTS[a], {"other": AGENTS[other], "devices": id_, "more": 0})
        for a, other, id_ in ((0, 2, ids[0]), (2, 0, ids[1]))
    ]
    assert expected[1] in led.fleet.findings()
    listed = [structs.replace(led.devices(0)[0], serial="5cf3"), *led.devices(0)[1:]]
    led.report(0, listed=listed)
    assert [one for one in led.fleet.findings() if one.code is Code.DEVICES_SHARED] == expected
    led.introduce(2)
    led.report(0, listed=listed)
    assert [one for one in led.fleet.findings() if one.code is Code.DEVICES_SHARED] == []


def test_what_an_agent_wants_looked_at_is_told_by_device_until_it_is_over(led):
    first, second, *_ = (device.id for device in led.devices(0))
    changed = wire.AlarmedDevice(device=first, alarm=wire.DeviceAlarm.POOLS_CHANGED)
    moved = [wire.AlarmedDevice(device=id_, alarm=wire.DeviceAlarm.MOVED) for id_ in (first, second)]
    led.report(0, alarms=[changed, *moved])
    assert led.fleet.findings() == (
        Reason(Code.POOLS_CHANGED, AGENTS[0], {"devices": first, "more": 0}),
        Reason(Code.DEVICES_MOVED, AGENTS[0], {"devices": f"{first}, {second}", "more": 0}),
    )
    led.report(0)
    assert led.fleet.findings() == ()


def test_of_a_silent_agent_the_devices_that_nothing_takes_down_are_named(led):
    first, *others = led.devices(0)
    held = structs.replace(first, dead_man=wire.DeadMan(after_ms=12_000, falls_to_w=0))
    led.introduce(0, [held, *others])
    led.report(0, listed=[held, *others])
    for a in (1, 2):
        led.report(a)
    led.now_s += 5.0
    assert led.fleet.findings() == ()
    led.report(1)
    led.report(2)
    led.now_s += 0.1
    ids = [device.id for device in others]
    expected = Reason(Code.DEVICES_STAY, AGENTS[0], {"devices": ", ".join(ids[:3]), "more": max(0, len(ids) - 3)})
    assert led.fleet.findings() == (expected,)
    led.report(0, listed=[held, *others])
    assert led.fleet.findings() == ()


def test_a_sequence_that_is_taken_confirms_its_decision_and_no_newer_one(led):
    first = led.decide()
    body = led.sets(3)[0]
    led.now_s += 0.5
    led.decide(led.site.devices.off_w)
    led.sets(6)
    led.report(0, epoch=5, accepted_seq=body.seq)
    assert led.fleet.columns().confirmed_s.tolist() == [first.at_s, -math.inf, -math.inf]


def test_refused_messages_change_nothing_are_counted_and_logged_once(led, caplog):
    refused: list[Reason] = []
    led.fleet.on_refused = refused.append
    before = led.fleet.reports.newest
    caplog.set_level(logging.WARNING)
    for _ in range(5):
        led.on_message(topic(SITE, AGENTS[0], Leaf.REPORT), b"nonsense", False)
    for name in ("surplus/v2/elsewhere/hall-a/report", "house/kitchen", topic(SITE, "hall-z", Leaf.STATUS)):
        led.on_message(name, b"{}", False)
    led.report(0, retained=True)
    assert led.fleet.reports.newest is before
    assert [(reason.code, reason.subject) for reason in refused] == [
        *[(Code.MESSAGE_INVALID, AGENTS[0])] * 5,
        *[(Code.TOPIC_UNKNOWN, "pcc")] * 2,
        (Code.AGENT_UNKNOWN, "pcc"),
        (Code.MESSAGE_NEVER_TAKEN, AGENTS[0]),
    ]
    records = [record for record in caplog.records if getattr(record, "event", "") == "message_refused"]
    assert len(records) == 2, "one for the agent, one for whoever makes topics up"
    assert "nonsense" not in caplog.text


def test_many_strange_topics_cost_no_memory(led, caplog):
    for k in range(2000):
        led.on_message(topic(SITE, f"rogue-{k}", Leaf.STATUS), b"{}", False)
    assert len(led.fleet._refused) <= len(AGENTS) * len(Leaf) + 1
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_a_statement_that_cannot_be_made_stops_no_other(led, caplog):
    setpoint_w = led.site.devices.max_w.copy()
    setpoint_w[np.flatnonzero(led.site.devices.agent == 0)] = np.nan
    led.decide(setpoint_w)
    assert [body.agent for body in led.sets(2)] == list(AGENTS[1:])
    led.now_s += 1.0
    led.decide(setpoint_w - 1)
    led.sets(4)
    assert [record.event for record in caplog.records] == ["send_failed"], "once"
    led.now_s += 1.0
    led.decide()
    assert {body.agent for body in led.sets(7)[4:]} == set(AGENTS), "and the next decision is tried"


def test_a_link_that_raises_for_one_agent_stops_no_other(led):
    led.link.broken = {"hall-b"}
    led.decide()
    assert [body.agent for body in led.sets(2)] == ["hall-a", "hall-c"]


def test_sending_waits_for_nobody(led):
    with led.link.changed:  # the link is stuck
        for _ in range(100):
            led.now_s += 0.1
            led.decide()
    assert {body.agent for body in led.sets(3)} == set(AGENTS)


def test_lowers_go_out_before_raises_whoever_is_first_in_the_file(led):
    led.decide(led.site.devices.off_w + 1000.0)
    led.sets(3)
    setpoint_w = led.site.devices.max_w.copy()
    setpoint_w[led.site.devices.agent == 2] = led.site.devices.off_w[led.site.devices.agent == 2]
    led.decide(setpoint_w)
    assert [body.agent for body in led.sets(6)[3:]] == ["hall-c", "hall-a", "hall-b"]


def test_an_agent_gets_its_first_statement_as_soon_as_it_has_said_what_it_has(rig):
    rig.link.up = True
    rig.on_connection(True)
    with rig.link.changed:
        assert not rig.link.published
    rig.introduce(1)
    assert [body.agent for body in rig.sets(1)] == ["hall-b"]


def test_each_set_carries_the_token_of_the_newest_head_which_is_sealed_once(led, monkeypatch):
    sealed: list[JournalHead] = []
    monkeypatch.setattr(fleet_module, "seal", lambda head, **more: sealed.append(head) or seal(head, **more))
    led.decide()
    assert {body.head for body in led.sets(3)} == {None}
    for led.head in (HEAD, structs.replace(HEAD, seq=2)):
        led.link.published.clear()
        led.now_s += 1.0
        led.decide(led.site.devices.off_w + led.head.seq)
        (token,) = {body.head for body in led.sets(3)}
        assert open_head(token, CONTROLLER_KEY.public_key(), site=SITE) == led.head
    assert [head.seq for head in sealed] == [1, 2]


def test_stop_ends_the_sender_and_states_nothing_more(rig):
    rig.connect()
    rig.sets(3)
    rig.fleet.stop()
    count = len(rig.link.published)
    rig.decide()
    rig.connect()
    assert not rig.fleet._sender.is_alive()
    assert len(rig.link.published) == count


def test_failsafe_decisions_of_the_safe_step_can_be_sent(led):
    """The one decision that is made when all else fails must fit the wire."""
    snapshot = World(led.site, surplus_w=0.0).snapshot()
    columns = led.fleet.columns()
    fields = {name: getattr(snapshot, name) for name in snapshot.__slots__} | {"fleet": columns, "now_s": led.now_s}
    _, decision = safe_step(led.site, initial_state(led.site, led.now_s - 1), type(snapshot)(**fields))
    led.fleet.send(decision)
    assert len(led.sets(3)) == 3
    assert len(led.site.devices.ids) == len(AGENTS) * len(MODELS)


def test_whoever_compares_is_told_of_every_head_of_ours_with_every_report_and_of_no_other():
    rig, told = Rig(make_site(AGENTS)), []
    rig.fleet.on_head = lambda who, head: told.append((who, head))
    rig.connect()
    ours, older = HEAD, structs.replace(HEAD, seq=0)
    for _ in range(2):
        rig.report(0, head_seen=token(ours), head_stored=token(older))
    assert told == [("agent hall-a", ours), ("agent hall-a", older)] * 2
    told.clear()
    foreign = seal(HEAD, site=SITE, key=PrivateKey.generate())
    absurd = token(structs.replace(HEAD, epoch=2**41))
    for strange in (foreign, absurd, "nonsense"):
        rig.now_s += 1.0
        rig.report(1, head_seen=strange)
        assert [finding.code for finding in rig.fleet.findings()] == [Code.HEAD_REFUSED], strange
    assert told == [], "it is named, and locks nothing"


def token(head):
    return seal(head, site=SITE, key=CONTROLLER_KEY)


def test_a_fleet_that_goes_on_above_a_head_says_all_anew_in_the_higher_epoch():
    rig = Rig(make_site(AGENTS))
    rig.connect()
    rig.fleet._wake.clear()
    for a in range(len(AGENTS)):
        rig.fleet._send_one(a, None)
    assert {body.epoch for _, body, _, _ in rig.link.published} == {5}
    rig.link.published.clear()
    rig.fleet.lead(1000)
    for a in range(len(AGENTS)):
        rig.report(a)
        rig.fleet._send_one(a, None)
    assert [(body.epoch, body.seq, body.setpoints_w is not None) for _, body, _, _ in rig.link.published] == [
        (1000, 1, True)
    ] * len(AGENTS)
    assert {view.echo for view in rig.fleet.reports.newest} == {None}, "a report of the former epoch gives no clock"
    rig.now_s += 1.0
    rig.report(0, epoch=1000, accepted_seq=1)
    assert rig.fleet.reports.newest[0].echo is not None


def test_in_a_new_epoch_another_controllers_first_low_number_is_a_sign_of_it():
    rig = Rig(make_site(AGENTS))
    rig.connect()
    rig.fleet._wake.clear()
    for _ in range(5):
        rig.now_s += 30.0
        rig.report(0, epoch=5, accepted_seq=rig.fleet.reports.sent_seq[0])
        rig.fleet._send_one(0, None)
    assert rig.fleet.reports.sent_seq[0] > 2
    former = rig.fleet._statements[0]
    rig.fleet.lead(1000)
    rig.now_s += 1.0
    rig.report(0, epoch=1000, accepted_seq=2)
    assert rig.fleet.second_controller() is not None, "nothing of this epoch has been sent by us"
    rig.fleet._statements = (former, *rig.fleet._statements[1:])
    rig.fleet._send_one(0, None)
    assert rig.fleet.reports.sent_seq[0] == 0, "what was still on its way in the epoch before is not of this one"
