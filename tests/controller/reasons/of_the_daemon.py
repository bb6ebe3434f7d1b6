"""Scenarios of the daemon's parts: the wall clock, the fleet's messages, orders and releases."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from msgspec import structs

from controller.core.limits.contactors import Phase
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal, Role
from controller.daemon.clock.desk import ClockDesk
from controller.daemon.journal.journal import Journal
from controller.daemon.orders import room
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.intake import OrderIntake
from controller.daemon.orders.lock_certainty import LockCertainty
from controller.daemon.orders.refusal import OrderRefused
from controller.daemon.orders.request import OrderChange, OrderRequest, Statement
from controller.daemon.people.locks import LockDesk
from controller.daemon.people.meters import MeterDesk
from controller.daemon.people.refusal import WorkRefused
from controller.daemon.reload.beginning import begin
from controller.daemon.reload.desk import ReloadDesk
from controller.daemon.reload.kept import KeptSite
from controller.site.loaded import read_site
from drivers.fleet.wire import AlarmedDevice, DeviceAlarm, Leaf, topic
from tests.controller.daemon.clock.machine import UNSYNCHRONISED, Machine
from tests.controller.daemon.contactors.desk import OPERATOR, tripped_desk
from tests.controller.daemon.fleet.loop import SITE, device_of, make_site
from tests.controller.daemon.fleet.test_fleet import AGENTS, Rig
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.daemon.orders.test_book import GRID, NOW_S, intake_of
from tests.controller.daemon.reload.sites import HALF_EDITED, Folder
from tests.controller.daemon.test_recorder import Bench
from tests.controller.north import make_decision
from tests.controller.north import make_site as make_north
from tests.controller.reasons.produced import Produced, Scenario, Way, series_of


def clock(spoil: Callable[[Machine], object]) -> Scenario:
    """The look of a tick at a wall clock that was `spoil`-ed, through the real snapshots, recorder and metrics."""

    def scenario(folder: Path) -> Produced:
        bench = Bench(folder / "journal.db")
        try:
            spoil(bench.machine)
            bench.machine.clock.look()
            bench.act()
            doubt = bench.wall_clock.utc.doubt
            reasons = () if doubt is None else (doubt,)
            return Produced(way=Way.HELD, reasons=reasons, site=bench.site, series=series_of(bench.metrics))
        finally:
            bench.journal.close()

    return scenario


def half_edited(folder: Path) -> Produced:
    """A site file that somebody edits while the daemon is killed, through the real start, recorder and metrics."""
    (folder / "etc").mkdir()
    files, bench = Folder(folder / "etc"), Bench(folder / "journal.db")
    try:
        kept = KeptSite(files.file, files.state)
        kept.keep(read_site(files.file))
        files.write(HALF_EDITED)
        desk = ReloadDesk(root="pcc", beginning=begin(files.file, kept), kept=kept, journal=bench.journal)
        bench.recorder._besides = desk.findings
        bench.act()
        reasons, series = desk.findings(), series_of(bench.metrics)
        return Produced(way=Way.HELD, reasons=reasons, site=bench.site, series=series)
    finally:
        bench.journal.close()


def message(send: Callable[[Rig], object]) -> Scenario:
    """A message to the real fleet, over a link that the test holds."""

    def scenario(_: Path) -> Produced:
        rig, refused = Rig(make_site(AGENTS)), []
        rig.fleet.on_refused = refused.append
        send(rig)
        return Produced(way=Way.REFUSED, reasons=tuple(refused), site=rig.site)

    return scenario


def overtaken(rig: Rig) -> None:
    rig.introduce(0)
    rig.report(0)
    rig.now_s -= 1.0
    rig.report(0)


def from_a_former_start(rig: Rig) -> None:
    rig.introduce(0)
    for boot in ("b1", "b2", "b1"):
        rig.report(0, boot=boot)


def finding(listed: Callable[[Rig], object] | None = None, **report) -> Scenario:
    """What the real fleet finds of an agent that says what it has, then what it does, through recorder and metrics."""

    def scenario(folder: Path) -> Produced:
        rig = Rig(make_site(AGENTS))
        rig.introduce(0, None if listed is None else listed(rig))
        if report:
            rig.report(0, **report)
        bench = Bench(folder / "journal.db")
        try:
            bench.fleet.findings = rig.fleet.findings
            bench.act()
            return Produced(way=Way.HELD, reasons=rig.fleet.findings(), site=rig.site, series=series_of(bench.metrics))
        finally:
            bench.journal.close()

    return scenario


def shared_hardware(folder: Path) -> Produced:
    """What the real fleet finds of two agents that have the same hardware."""
    rig = Rig(make_site(AGENTS))
    for a in (0, 1):
        first, *others = rig.devices(a)
        rig.introduce(a, [structs.replace(first, serial="sn1"), *others])
    bench = Bench(folder / "journal.db")
    try:
        bench.fleet.findings = rig.fleet.findings
        bench.act()
        return Produced(way=Way.HELD, reasons=rig.fleet.findings(), site=rig.site, series=series_of(bench.metrics))
    finally:
        bench.journal.close()


def silent_without_dead_man(folder: Path) -> Produced:
    """What the real fleet finds of an agent that has spoken once, and is silent."""
    rig = Rig(make_site(AGENTS))
    rig.introduce(0)
    rig.report(0)
    rig.now_s += 6.0
    bench = Bench(folder / "journal.db")
    try:
        bench.fleet.findings = rig.fleet.findings
        bench.act()
        return Produced(way=Way.HELD, reasons=rig.fleet.findings(), site=rig.site, series=series_of(bench.metrics))
    finally:
        bench.journal.close()


DSO = Principal(name="dso", role=Role.AUTHORITY)
#: Sends orders and releases, and returns what the last answer says.
Sender = Callable[[OrderIntake, Journal], tuple[Reason, ...]]


def orders(send: Sender) -> Scenario:
    """Orders to the real intake, book and journal."""

    def scenario(folder: Path) -> Produced:
        site, journal = make_north(), journal_at(folder / "journal.db")
        issuers = frozenset({GRID.name, DSO.name, "ops-3"})
        try:
            reasons = send(intake_of(OrderBook(journal, site)), journal)
            return Produced(way=Way.ANSWERED, reasons=reasons, site=site, issuers=issuers)
        except OrderRefused as refusal:
            return Produced(way=Way.REFUSED, reasons=refusal.reasons, site=site, issuers=issuers)
        finally:
            journal.close()

    return scenario


def post(intake: OrderIntake, body: bytes) -> tuple[Reason, ...]:
    return intake.accept(OrderRequest.parse(body, GRID.name), GRID).reasons


def put(intake: OrderIntake, **fields) -> tuple[Reason, ...]:
    return post(intake, json.dumps({"id": "o-1"} | fields).encode())


def order(**fields) -> Scenario:
    return orders(lambda intake, _: put(intake, **fields))


def with_a_silent_agent(folder: Path) -> Produced:
    site, journal = make_north(), journal_at(folder / "journal.db")
    silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
    decision = replace(make_decision(), achievable_w=np.array([9e3, 7.6e3]), warnings=(silent,))
    try:
        reasons = put(intake_of(OrderBook(journal, site), decision=decision), limit_w=5e3)
    finally:
        journal.close()
    return Produced(way=Way.ANSWERED, reasons=reasons, site=site, issuers=frozenset({GRID.name}))


def on_a_dead_disk(intake: OrderIntake, journal: Journal) -> tuple[Reason, ...]:
    with patch.object(journal._storage, "append", side_effect=OSError("no space left")):
        return put(intake, limit_w=40e3)


def one_too_many(**fields) -> Scenario:
    """A second order where each issuer may have one."""

    def send(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
        with patch.object(room, "BINDING_EACH", 1), patch.object(room, "SCHEDULED_EACH", 1):
            put(intake, **(fields | {"limit_w": 40e3}))
            return put(intake, id="o-2", **fields)

    return orders(send)


def outlasting(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    with patch.object(room, "BINDING_EACH", 1):
        put(intake, limit_w=40e3, ends_at=SOON)
        return put(intake, id="o-2", limit_w=40e3, ends_at=LATER)


def overtaken_by_a_tighter_one(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    put(intake, limit_w=40e3)
    relaxing = intake.take_change("o-1", OrderChange(revision=2, limit_w=50e3), GRID)
    intake.change("o-1", OrderChange(revision=2, limit_w=30e3), GRID)
    return relaxing.answer().reasons


def after_its_end(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    put(intake, limit_w=40e3)
    intake.release("o-1", GRID)
    return put(intake, limit_w=40e3)


def changed(by: Principal = GRID, **fields) -> Scenario:
    """A change of an order that GRID has sent."""

    def send(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
        put(intake, limit_w=40e3)
        return intake.change("o-1", OrderChange(**fields), by).reasons

    return orders(send)


def of_two_issuers(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    for name in ("ops-1", "ops-2"):
        intake.accept(OrderRequest(id="o-1", limit_w=40e3), Principal(name=name, role=Role.OPERATOR))
    return intake.release("o-1", Principal(name="ops-3", role=Role.OPERATOR)).reasons


def released_twice(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    put(intake, limit_w=40e3)
    intake.release("o-1", GRID)
    return intake.release("o-1", GRID).reasons


def with_other_content(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    put(intake, limit_w=40e3)
    return put(intake, limit_w=30e3)


def state(intake: OrderIntake, *requests: OrderRequest, by: Principal = GRID) -> tuple[Reason, ...]:
    return tuple(reason for order in intake.state(requests, by).orders for reason in order.reasons)


def stated_after_its_end(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    put(intake, limit_w=40e3)
    intake.release("o-1", GRID)
    return state(intake, OrderRequest(id="o-1", limit_w=40e3))


def stated_in_crowds(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    with patch.object(room, "WHILE_STATING", 1):
        return state(intake, *(OrderRequest(id=f"o-{k}", limit_w=40e3) for k in range(2)))


def stated_twice(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    order = '{"id": "o-1", "limit_w": 1}'
    return state(intake, *Statement.parse(f'{{"orders": [{order}, {order}]}}'.encode(), GRID.name).orders)


def confirmed_by_who_may_not(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    put(intake, limit_w=40e3)
    intake.confirm("nobody gives orders here", GRID)
    return ()


def of_a_retired_issuer(intake: OrderIntake, _: Journal) -> tuple[Reason, ...]:
    intake._book.retire(GRID.name, ["dso"], "gone", NOW_S)
    return put(intake, limit_w=40e3)


def all_started_anew(machine: Machine) -> None:
    machine.restart_agents(*machine.agents)
    machine.boots += 1


def confirmed_by_a_clock_that_is_off(folder: Path) -> Produced:
    bench = Bench(folder / "journal.db")
    try:
        ClockDesk(bench.wall_clock, bench.journal).confirm(bench.machine.wall_s - 120.0, "looked at my watch", GRID)
    except OrderRefused as refusal:
        return Produced(way=Way.REFUSED, reasons=refusal.reasons, site=bench.site, issuers=frozenset({GRID.name}))
    finally:
        bench.journal.close()
    raise AssertionError("it was not refused")


def by_a_doubted_clock(folder: Path, ends_at: str = "2030-01-01T00:00:00Z") -> Produced:
    site, journal = make_north(), journal_at(folder / "journal.db")
    doubt = Reason(Code.CLOCK_UNSYNCHRONISED, "pcc")
    try:
        intake = intake_of(OrderBook(journal, site), doubt=doubt, utc_trusted=False)
        reasons = put(intake, limit_w=40e3, ends_at=ends_at)
    finally:
        journal.close()
    return Produced(way=Way.ANSWERED, reasons=reasons, site=site, issuers=frozenset({GRID.name}))


PAST, SOON, LATER = "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"
assert NOW_S > 1_577_836_800.0, "the past is past by the intake's clock"


def reset(node: str, **changes) -> Scenario:
    """A reset of `node` that the real desk refuses, over a site with a tripped hall; `changes`: of its newest decision."""

    def scenario(folder: Path) -> Produced:
        with tripped_desk(folder / "journal.db", **changes) as (desk, site):
            try:
                desk.reset(node, "looked at it", OPERATOR)
            except WorkRefused as refusal:
                return Produced(
                    way=Way.REFUSED, reasons=(refusal.reason,), site=site, issuers=frozenset({OPERATOR.name})
                )
        raise AssertionError("it was not refused")

    return scenario


def at_work(ask: Callable[[LockDesk], object]) -> Scenario:
    """What the real desk of locks refuses."""

    def scenario(folder: Path) -> Produced:
        journal = journal_at(folder / "journal.db")
        try:
            ask(LockDesk(site=make_north(), journal=journal, certainty=LockCertainty("pcc"), utc=lambda: NOW_S))
        except WorkRefused as refusal:
            reasons, issuers = (refusal.reason,), frozenset({OPERATOR.name})
            return Produced(way=Way.REFUSED, reasons=reasons, site=make_north(), issuers=issuers)
        finally:
            journal.close()
        raise AssertionError("it was not refused")

    return scenario


def of_meters(meter: str) -> Scenario:
    """A word for `meter` that the real desk of meters refuses."""

    def scenario(folder: Path) -> Produced:
        journal = journal_at(folder / "journal.db")
        try:
            MeterDesk(site=make_north(), journal=journal, tick=lambda: None).confirm(meter, "Ali", "looked", OPERATOR)
        except WorkRefused as refusal:
            reasons, issuers = (refusal.reason,), frozenset({OPERATOR.name})
            return Produced(way=Way.REFUSED, reasons=reasons, site=make_north(), issuers=issuers)
        finally:
            journal.close()
        raise AssertionError("it was not refused")

    return scenario


SCENARIOS: dict[Code, Scenario] = {
    Code.CLOCK_APART: clock(lambda machine: machine.go(1.0, stepped_s=3600.0)),
    Code.CLOCK_UNANCHORED: clock(all_started_anew),
    Code.CLOCK_UNKNOWN: clock(lambda machine: setattr(machine, "kernel", "Operation not permitted")),
    Code.CLOCK_UNSYNCHRONISED: clock(lambda machine: setattr(machine, "kernel", UNSYNCHRONISED)),
    Code.CLOCK_TURNED: clock(
        lambda machine: setattr(machine, "kernel", replace(UNSYNCHRONISED, synchronised=True, turned_ppm=1e4))
    ),
    Code.CLOCK_NOT_AS_STATED: confirmed_by_a_clock_that_is_off,
    Code.ORDER_END_WAITS: by_a_doubted_clock,
    Code.ORDER_END_PAST: lambda folder: by_a_doubted_clock(folder, PAST),
    Code.TOPIC_UNKNOWN: message(lambda rig: rig.on_message("house/kitchen", b"{}", False)),
    Code.AGENT_UNKNOWN: message(lambda rig: rig.on_message(topic(SITE, "hall-z", Leaf.STATUS), b"{}", False)),
    Code.MESSAGE_INVALID: message(lambda rig: rig.on_message(topic(SITE, AGENTS[0], Leaf.REPORT), b"nonsense", False)),
    Code.MESSAGE_NEVER_TAKEN: message(lambda rig: rig.report(0, retained=True)),
    Code.DEVICES_MISSING: finding(lambda rig: rig.devices(0)[1:]),
    Code.DEVICES_UNDECLARED: finding(lambda rig: [*rig.devices(0), device_of("a-s21", name="z-1")]),
    Code.DEVICES_DIFFER: finding(lambda rig: [structs.replace(rig.devices(0)[0], max_w=9), *rig.devices(0)[1:]]),
    Code.WATTS_ABSURD: finding(applied_w=[10_000_000, 25, 25]),
    Code.DEVICES_SHARED: shared_hardware,
    Code.DEVICES_MOVED: finding(alarms=[AlarmedDevice(device="a-s21", alarm=DeviceAlarm.MOVED)]),
    Code.DEVICES_STAY: silent_without_dead_man,
    Code.POOLS_CHANGED: finding(alarms=[AlarmedDevice(device="a-s21", alarm=DeviceAlarm.POOLS_CHANGED)]),
    Code.HEAD_REFUSED: finding(head_seen="nonsense"),
    Code.SITE_FILE_NOT_TAKEN: half_edited,
    Code.SET_REFUSED: finding(refused="nothing is raised, the agent's store is unusable: no space left on device"),
    Code.INVENTORY_UNKNOWN: message(lambda rig: rig.report(0)),
    Code.REPORT_OF_FORMER_START: message(from_a_former_start),
    Code.REPORT_OUT_OF_ORDER: message(overtaken),
    Code.ORDER_FIELD_INVALID: order(limit_w=-1),
    Code.ORDER_FIELD_TWICE: orders(lambda intake, _: post(intake, b'{"id": "o-1", "limit_w": 1, "limit_w": 2}')),
    Code.ORDER_NODE_UNKNOWN: order(limit_w=1, node="moon"),
    Code.ORDER_WITHOUT_POWER: order(reduce_by_w=1, node="feeder"),
    Code.ORDER_ABSURD: order(limit_w=2e6),
    Code.ORDER_SIZE_AMBIGUOUS: order(limit_w=1, reduce_by_w=1),
    Code.ORDER_ENDS_BEFORE_START: order(limit_w=1, starts_at=LATER, ends_at=SOON),
    Code.ORDER_ENDED_ALREADY: order(limit_w=1, ends_at=PAST),
    Code.ORDER_CONFLICT: orders(with_other_content),
    Code.ORDER_UNKNOWN: orders(lambda intake, _: intake.release("o-9", GRID).reasons),
    Code.ORDER_FIELD_UNKNOWN: order(limit_w=1, more=1),
    Code.ORDER_RAMP_TOO_SLOW: order(limit_w=1, ramp_w_per_s=1e-9),
    Code.ORDER_ENDED: orders(after_its_end),
    Code.ORDER_REVISION: changed(revision=7, limit_w=30e3),
    Code.ORDER_OVERTAKEN: orders(overtaken_by_a_tighter_one),
    Code.ORDER_OF_ANOTHER: changed(DSO, revision=2, limit_w=30e3),
    Code.ORDER_AMBIGUOUS: orders(of_two_issuers),
    Code.TOO_MANY_ORDERS: one_too_many(limit_w=40e3),
    Code.TOO_MANY_SCHEDULED: one_too_many(limit_w=40e3, starts_at=SOON),
    Code.TOO_MANY_STATED: orders(stated_in_crowds),
    Code.ORDER_STATED_ENDED: orders(stated_after_its_end),
    Code.ORDER_STATED_TWICE: orders(stated_twice),
    Code.ISSUERS_MUST_STATE: orders(confirmed_by_who_may_not),
    Code.ISSUER_RETIRED: orders(of_a_retired_issuer),
    Code.LOCK_SUBJECT_UNKNOWN: at_work(lambda desk: desk.lock("moon", "Ali", "why not", OPERATOR)),
    Code.LOCK_UNKNOWN: at_work(lambda desk: desk.unlock("pcc", "Ali", "Ali", OPERATOR)),
    Code.CONFIRM_METER_UNKNOWN: of_meters("moon"),
    Code.CONFIRM_NOT_AWAITED: of_meters("main"),
    Code.RESET_NODE_UNKNOWN: reset("moon"),
    Code.RESET_WITHOUT_CONTACTOR: reset("yard"),
    Code.RESET_NOT_OPEN: reset("hall", phase=Phase.CLOSED),
    Code.RESET_IN_DOUBT: reset("hall", mode=Mode.HOLD),
    Code.RESET_BELOW_OPEN: reset("hall", above=Phase.TRIPPED),
    Code.ORDER_UNDER_FLOOR: order(limit_w=0, node="feeder"),
    Code.ORDER_UNREACHABLE: with_a_silent_agent,
    Code.ORDER_NOT_DURABLE: orders(on_a_dead_disk),
    Code.ORDER_ENDED_BEFORE: orders(released_twice),
    Code.ORDER_WORKED_OUT_LATER: order(reduce_by_w=1, starts_at=SOON),
    Code.ORDER_TAKEN_LOWER: one_too_many(limit_w=39.9e3),
    Code.ORDER_TAKEN_LONGER: orders(outlasting),
}
