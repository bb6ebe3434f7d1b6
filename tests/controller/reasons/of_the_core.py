"""Scenarios of the closed loop: the real `step` over a small site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from controller.core.limits.contactors import Phase, Trip
from controller.core.reasons import Code, Reason
from controller.core.safe import safe_step
from controller.core.site import Carrying, Rules, SurplusModel
from controller.core.snapshot import ConfirmedMeter, Grade, Lock, SourceSample
from controller.core.step import step
from controller.daemon.alarm import Alarm
from controller.daemon.fleet.rival import Rival
from controller.daemon.latest import before_first_tick, tick_stands
from controller.daemon.mailbox import as_heard
from controller.daemon.orders.book import OrderBook
from controller.daemon.orders.lock_certainty import OF_CERTAINTY, LockCertainty
from controller.daemon.tick import Tick, Ticker
from drivers.readings import Loss
from tests.controller.core.halls import HALL, TRIP_S, ask, defy, hall_site, phase
from tests.controller.core.world import RULES, Wiring, World, order, site, with_rules
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.reasons.produced import Produced, Scenario, held

#: Lets the world come to what is looked for, and leaves the decision in its history.
Story = Callable[[World], object]


def small(rules: Rules = RULES, **given) -> World:
    given = {"surplus_w": 40e3} | given
    return World(site(rules, miners=8, stepped=2, gpus=1), **given)


def told(world: World, folder: Path) -> Produced:
    """Return all that the newest decision says."""
    decision = world.history[-1][3]
    tick = Tick(decision=decision, trust=world.state.trust, duration_s=0.0, late_s=0.0)
    of_sources = (reason for reasons in decision.sources.values() for reason in reasons)
    return held(world.site, folder, tick, (*decision.reasons, *decision.overruled, *decision.warnings, *of_sources))


def after(*stories: Story, rules: Rules = RULES, **given) -> Scenario:
    def scenario(folder: Path) -> Produced:
        world = small(rules, **given)
        for story in stories:
            story(world)
        return told(world, folder)

    return scenario


def carries_worse(folder: Path) -> Produced:
    """The site's meters show a third of the volts that are declared as the lowest."""
    declared = Carrying(node=0, meters=(0, 1), most=100.0, apparent=False, phases=3, imbalance=0.1, least_w=500.0)
    world = World(
        replace(site(miners=8, stepped=2, gpus=1), carries=(declared,)), 40e3, wiring=lambda _: Wiring(volts=80.0)
    )
    world.run(30)
    return told(world, folder)


def runs(seconds: float) -> Story:
    return lambda world: world.run(seconds)


def sets(**values) -> Story:
    return lambda world: [setattr(world, name, value) for name, value in values.items()]


def shows(source: str, values: Callable[[World], dict[str, float]]) -> Story:
    """From now on the meter shows these values over its own."""

    def story(world: World) -> None:
        plain = world._sample
        world._sample = lambda name, own: plain(name, own | (values(world) if name == source else {}))

    return story


def says(**sample) -> Story:
    """One sample of the silent meter main."""

    def story(world: World) -> None:
        given = {"source": "main", "values": {"active_power_w": 6e3}, "grade": Grade.GOOD}
        world.heard.append(SourceSample(**given | {"taken_s": world.now_s, "arrived_s": world.now_s} | sample))
        world.cycle()

    return story


def is_lost(world: World) -> None:
    world.heard.append(as_heard(Loss(meter="main", reason="no answer from 10.0.0.7", at_s=world.now_s)))
    world.cycle()


MAIN_SILENT = sets(silent={"main"})


def counts(into: Callable[[int], float], out: Callable[[int], float] | None = None) -> Story:
    """Meter main shows energy counters, by the number of ticks since it began."""

    def story(world: World) -> None:
        begun_s = world.now_s

        def counters(now: World) -> dict[str, float]:
            k = round((now.now_s - begun_s) / now.tick_s)
            export = {} if out is None else {"energy_export_wh": out(k)}
            return {"energy_import_wh": into(k)} | export

        shows("main", counters)(world)

    return story


def stands_still(world: World) -> None:
    sources = world.state.trust.sources
    values = {name: shown.value for name, shown in sources["main"].shown.items()}
    shows("main", lambda _: values)(world)


def step_fails(folder: Path) -> Produced:
    """A sample of a source that the site does not have ends the real step, and the real safe step decides."""
    world = small()
    world.run(5)
    world.heard.append(
        SourceSample(source="stranger", values={}, grade=Grade.GOOD, taken_s=world.now_s, arrived_s=world.now_s)
    )
    ticker = Ticker(
        alarm=Alarm(1.0),
        state=world.state,
        step=partial(step, world.tables),
        safe_step=partial(safe_step, world.site),
        take=world.snapshot,
        act=lambda _: None,
    )
    tick = ticker.tick(0.0)
    return held(world.site, folder, tick, tick.decision.reasons)


def before_any_tick(folder: Path) -> Produced:
    world = small()
    return held(world.site, folder, None, before_first_tick(world.site))


def the_tick_stands(folder: Path) -> Produced:
    world = small()
    tick = Tick(decision=world.run(5), trust=world.state.trust, duration_s=0.0, late_s=0.0)
    return held(world.site, folder, tick, tick_stands(world.site, 11.0), age_s=11.0)


def journal_is_damaged(folder: Path) -> Produced:
    world, path = small(), folder / "journal.db"
    journal_at(path).close()
    path.write_bytes(b"rubbish")
    journal = journal_at(path)
    try:
        world.orders_unsure = OrderBook(journal, world.site).unsure
        world.locks_unsure = LockCertainty(world.site.tree.ids[0], journal.records(*OF_CERTAINTY)).reason
    finally:
        journal.close()
    world.cycle()
    return told(world, folder)


def another_leads(world: World) -> None:
    root, agent = world.site.tree.ids[0], world.site.agents[0]
    rival = Rival(root, lasting_s=RULES.lease_s, clock=lambda: world.now_s)
    for epoch in (5, 6):
        rival.hear(agent, epoch=epoch, seq=1, ours=5, sent_seq=1)
    world.second_controller = rival.reason()


def confirms(world: World) -> None:
    """A person confirms the meter that still speaks."""
    under_w = dict(zip(world.site.meters.ids, world.state.trust.redundancy.under_w.tolist(), strict=True))
    k = world.site.meters.ids.index("check")
    world.confirmed = (ConfirmedMeter(id="1", meter=k, by="Ali", under_w=under_w),)


def comes_before(**columns) -> Scenario:
    """An order that comes before what the devices are given by `columns`."""

    def scenario(folder: Path) -> Produced:
        built = site(miners=8, stepped=2, gpus=1)
        count = len(built.devices.ids)
        given = {name: np.full(count, value) for name, value in columns.items()}
        world = World(replace(built, devices=replace(built.devices, **given)), surplus_w=40e3)
        world.run(20)
        world.orders = (order(12e3, world, begun=True),)
        world.until(lambda decision: decision.overruled, 5)
        return told(world, folder)

    return scenario


def hall_defies(world: World) -> None:
    """What is in the hall draws on against an order, until the hall is cut off."""
    world.run(40)
    defy(world)
    world.until(lambda decision: phase(decision) is Phase.TRIPPED, TRIP_S + 30)


def in_halls(*stories: Story, **given) -> Scenario:
    def scenario(folder: Path) -> Produced:
        world = World(hall_site(), surplus_w=90e3, **given)
        for story in stories:
            story(world)
        return told(world, folder)

    return scenario


NOT_UNDERSTOOD = Trip(id="record 7", node=HALL, over=None, at_utc_s=1.7e9)
EXPORT = with_rules(surplus_model=SurplusModel.EXPORT)
SCENARIOS: dict[Code, Scenario] = {
    Code.STARTING: after(runs(0.5)),
    Code.STEADYING: after(runs(5), MAIN_SILENT, runs(5), sets(silent=set()), runs(0.5)),
    Code.NO_TICK: before_any_tick,
    Code.TICK_STANDS: the_tick_stands,
    Code.STEP_FAILED: step_fails,
    Code.SOURCE_LOST: after(runs(5), MAIN_SILENT, is_lost),
    Code.SAMPLE_INVALID: after(MAIN_SILENT, says(values={}, invalid={"active_power_w": "NaN marks it"})),
    Code.SAMPLE_DOUBTED: after(MAIN_SILENT, says(grade=Grade.UNCERTAIN)),
    Code.SAMPLE_NOT_FINITE: after(MAIN_SILENT, says(values={"active_power_w": np.inf})),
    Code.SAMPLE_ALL_ZERO: after(MAIN_SILENT, says(values={"active_power_w": 0.0, "frequency_hz": 0.0})),
    Code.VALUE_NOTED: after(sets(notes={"active_power_w": "a person has forced this value"}), runs(0.5)),
    Code.METER_NEVER_READ: after(MAIN_SILENT, runs(0.5)),
    Code.METER_SILENT: after(runs(5), MAIN_SILENT, runs(5)),
    Code.METER_OFF_GRID: after(shows("main", lambda _: {"frequency_hz": 40.0}), runs(0.5)),
    Code.METER_OVER_RATING: after(sets(scale={"main": 100.0}), runs(0.5), vouched=False),
    Code.METER_OVER_AMPERES: after(sets(scale={"main": 10.0}), runs(0.5)),
    Code.METER_UNDER_AMPERES: after(sets(scale={"main": 0.001}), runs(0.5), house_w=20e3),
    Code.METER_PHASES_APART: after(
        shows("main", lambda world: {f"active_power_l{k}_w": world.site_w for k in (1, 2, 3)}), runs(0.5), house_w=20e3
    ),
    Code.METER_FROZEN: after(runs(20), stands_still, runs(35)),
    Code.COUNTERS_FROZEN: after(counts(lambda k: 50.0 * min(k, 5)), runs(2200), tick_s=5.0),
    Code.COUNTERS_REVERSED: after(counts(lambda _: 1e6, lambda k: 50.0 * k), runs(75), tick_s=5.0),
    Code.COUNTERS_WITHOUT_POWER: after(
        sets(scale={"main": -1.0}), counts(lambda k: 50.0 * k), runs(75), tick_s=5.0, vouched=False
    ),
    Code.COUNTERS_OFF: after(counts(lambda k: 1000.0 * k), runs(75), tick_s=5.0),
    Code.STEPS_NOT_FOLLOWED: after(
        runs(60),
        lambda world: shows("main", lambda _, w=world.site_w: {"active_power_w": w})(world),
        sets(surplus_w=0.0),
        runs(45),
        vouched=False,
    ),
    Code.METERS_DISAGREE: after(sets(scale={"main": 1.5}), runs(0.5), vouched=False, house_w=50e3),
    Code.METERS_SHORT: after(runs(20), sets(scale={"main": 0.3, "check": 0.3}), runs(6), vouched=False),
    Code.METER_ALONE: after(runs(40), MAIN_SILENT, runs(12)),
    Code.METER_UNPROVEN: after(runs(5), MAIN_SILENT, runs(4.5)),
    Code.METER_UNCONFIRMED: after(
        runs(40), sets(scale={"main": 1.5}), runs(10), sets(scale={}, silent={"main"}), runs(5), vouched=False
    ),
    Code.METER_CONFIRMED: after(
        runs(40),
        sets(scale={"main": 1.5}),
        runs(10),
        sets(scale={}, silent={"main"}),
        runs(5),
        confirms,
        runs(1),
        vouched=False,
    ),
    Code.NO_SITE_METER: after(runs(5), sets(silent={"main", "check"}), runs(11)),
    Code.SURPLUS_NEVER_READ: after(sets(silent={"surplus"}), runs(0.5)),
    Code.SURPLUS_SILENT: after(runs(5), sets(silent={"surplus"}), runs(7)),
    Code.SURPLUS_STALE: after(runs(5), sets(silent={"surplus"}), runs(61)),
    Code.SURPLUS_FROZEN: after(
        runs(30),
        sets(frozen=True),
        runs(5),
        lambda world: setattr(world, "orders", (order(12e3, world),)),
        runs(30),
        rules=EXPORT,
    ),
    Code.LINK_DOWN: after(runs(5), sets(silent={"link"}), runs(1)),
    Code.LINK_LOST: after(runs(5), sets(silent={"link"}), runs(31)),
    Code.LOCKED: after(runs(5), sets(locks=(Lock(id="1", node=2, device=0),)), runs(20)),
    Code.LOCK_UNPROVEN: after(
        runs(20), sets(deaf=np.ones(11, dtype=np.bool_), locks=(Lock(id="1", node=2, device=None),)), runs(1)
    ),
    Code.SITE_STOPPED: after(
        runs(5), sets(stopped=Reason(Code.SITE_STOPPED, "pcc", {"by": "desk", "why": "drill"})), runs(1)
    ),
    Code.SECOND_CONTROLLER: after(runs(5), another_leads, runs(1)),
    Code.AGENT_SILENT: after(runs(5), sets(silent={"agent-b"}), runs(6)),
    Code.AGENT_DEAF: after(runs(5), sets(deaf_agents={"agent-b"}), runs(RULES.lease_s)),
    Code.DEVICE_LOST: after(runs(5), sets(dumb=np.arange(11) < 3), runs(1)),
    Code.DEVICE_DEFIANT: after(runs(20), sets(deaf=np.ones(11, dtype=np.bool_), surplus_w=0.0), runs(2)),
    Code.DEVICE_RELUCTANT: after(sets(shy=np.arange(11) < 3), runs(45)),
    Code.STEP_DEFIED: after(
        runs(60), sets(liars=np.ones(11, dtype=np.bool_)), sets(surplus_w=0.0), runs(RULES.settle_s + 10)
    ),
    Code.OVER_ENVELOPE: after(runs(20), sets(house_w=60e3), runs(RULES.settle_s + 5)),
    Code.NODE_UNSEEN: after(runs(5), lambda world: setattr(world, "orders", (order(9e3, world, node=2),)), runs(1)),
    Code.CARRIES_WORSE: carries_worse,
    Code.NODE_TRIPPED: in_halls(hall_defies),
    Code.TRIP_UNREADABLE: in_halls(lambda world: world.reboot([NOT_UNDERSTOOD]), runs(1)),
    Code.CONTACTOR_DEFIANT: in_halls(sets(welded={0}), hall_defies, runs(15)),
    Code.CONTACTOR_UNPROVEN: in_halls(sets(welded={0}), hall_defies, sets(silent={"of-hall"}), runs(15)),
    Code.CONTACTOR_LOST: in_halls(sets(fault="10.0.0.9: no answer"), runs(5)),
    Code.CONTACTOR_OPEN: in_halls(runs(5), sets(open={0}), runs(1)),
    Code.RESET_VOID: in_halls(hall_defies, sets(silent={"surplus"}), runs(8), ask, runs(0.5)),
    Code.ORDERS_MAY_BE_MISSING: journal_is_damaged,
    Code.LOCKS_MAY_BE_MISSING: journal_is_damaged,
    Code.TIMES_OVERRULED: comes_before(min_up_s=600.0),
    Code.PROTECTION_OVERRULED: comes_before(protected=True),
}
