"""What nodes may carry in A and VA: tables of what a meter shows, second by second, and closed loops against the true amperes."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numpy.random import default_rng

from controller.core.limits.carrying import (
    carrying_limits,
    ceiling_w,
    follow_carried,
    nothing_carried,
    phase_quantities,
    worse_than_declared,
    worst_limits,
)
from controller.core.modes import Doubts, Mode
from controller.core.reasons import Code
from controller.core.site import Carrying, Meters
from controller.core.snapshot import Grade, SourceSample
from controller.core.trust.columns import meter_columns
from controller.core.trust.judge import Judgement, no_trust
from controller.core.trust.meter_trust import hear
from controller.core.trust.node_power import node_power
from controller.core.trust.node_trust import NodeTrust
from tests.controller.core.world import Wiring, World, site

#: 100 A at 380 V between phases, a power factor of 0.9 and 10 % of imbalance: 538 W for each, 53.8 kW at the worst.
LEAST_W = math.sqrt(3) * 380 * 0.9 / 1.1
AMPERES = Carrying(
    node=2,
    meters=(0,),
    most=100.0,
    apparent=False,
    phases=3,
    imbalance=0.1,
    least_w=LEAST_W,
    least_v=380 / math.sqrt(3),
)
KVA = replace(AMPERES, most=70e3, apparent=True, least_w=0.9 / 1.1, least_v=0.0)
ONE_PHASE = replace(AMPERES, most=32.0, phases=1, imbalance=0.0, least_w=200 * 0.9, least_v=200.0)
#: The meter may err by half a kW.
CLASS_W = 500.0
UNPROVEN, DOUBTED, FALSE, SILENT = {"proven": False}, {"still": True}, {"false": True}, {"silent": True, "still": True}
#: What runs below the node while the control starts.
RUNS_W = 60e3
WITHOUT, STARTING = {"amperes": False}, {"starting": True}


def metered(*carries: Carrying, accuracy: float = 0.005):
    """Return the small site with a meter of feeder a, the second node below the transformer."""
    meters = Meters(
        ids=("a-main", "check", "main"),
        node=np.array([2, 0, 0], dtype=np.int64),
        rating_w=np.array([CLASS_W / accuracy, 300e3, 300e3]),
        accuracy=np.array([accuracy] * 3),
    )
    return replace(site(), meters=meters, carries=carries)


def course(carrying, *legs):
    """Return what is known after each leg (seconds, watts, wiring, what else is not as usual), a tick a second."""
    built = metered(carrying)
    trust, carried, now_s, found = no_trust(built), nothing_carried(built), 1000.0, []
    for seconds, power_w, wiring, *other in legs:
        leg = {
            "proven": True,
            "still": False,
            "false": False,
            "silent": False,
            "amperes": True,
            "starting": False,
        } | dict(*other)
        for _ in range(seconds):
            now_s += 1.0
            if not leg["silent"]:
                trust = replace(trust, sources=heard(trust, built, sample(power_w, wiring, now_s, leg["amperes"])))
            columns = meter_columns(built, trust.sources)
            nodes = NodeTrust(**{name: np.full(4, leg[name]) for name in ("proven", "still", "false")})
            judgement = Judgement(
                meters=columns, power=node_power(built, columns, now_s), nodes=nodes,
                step_to_w=np.full(4, np.inf), doubts=Doubts(), reasons={},
            )  # fmt: skip
            runs_w = np.full(4, RUNS_W) if leg["starting"] else None
            carried = follow_carried(carried, built, trust, judgement, now_s, runs_w)
        found.append(carried[0])
    return built, found


def heard(trust, built, one):
    return {**trust.sources, "a-main": hear(trust.sources["a-main"], one, built.meters.rating_w[0])}


def sample(power_w, wiring, now_s, amperes):
    values = {"active_power_w": power_w, "frequency_hz": 50 + 0.01 * math.sin(now_s)}
    if amperes:
        shown = [each for pair in wiring.shown(power_w) for each in pair]
        values |= dict(zip(phase_quantities(len(wiring.shares)), shown, strict=True))
    return SourceSample(source="a-main", values=values, grade=Grade.GOOD, taken_s=now_s, arrived_s=now_s)


def limits_w(carrying, *legs):
    return [each.limit_w for each in course(carrying, *legs)[1]]


WORST_W, GOOD = 100 * LEAST_W, Wiring(volts=230.0, power_factor=0.98)
#: What 50 kW takes there, with the imbalance that is declared.
USED_A = 1.1 * 50e3 / (3 * 230 * 0.98)
SEEN_W = 50e3 + (100 - USED_A) * LEAST_W - CLASS_W
#: Worse than anything declared: above what it may carry the limit falls by no less than is declared for each ampere.
WORSE = Wiring(volts=200.0, power_factor=0.8)
WORSE_W = 60e3 + (100 - 1.1 * 60e3 / 480) * LEAST_W - CLASS_W
#: What the limit stays under that, once it may rise.
STILL_W = 0.01 * WORST_W


@pytest.mark.parametrize(
    ("why", "legs", "watts"),
    [
        ("no meter, the worst that is declared", [(5, 0.0, GOOD, SILENT)], [WORST_W]),
        ("a meter without amperes is none", [(20, 50e3, GOOD, WITHOUT)], [WORST_W]),
        ("what flows is taken as it is shown, the rest at the worst", [(5, 50e3, GOOD)], [SEEN_W - STILL_W]),
        ("an unproven meter lifts nothing", [(5, 50e3, GOOD, UNPROVEN)], [WORST_W]),
        ("nor does one beside another in doubt", [(5, 50e3, GOOD, DOUBTED)], [WORST_W]),
        ("but either may lower", [(5, 60e3, WORSE, UNPROVEN)], [WORSE_W]),
        ("at the limit it is what flows, whatever the volts", [(5, 62e3, replace(GOOD, volts=62e3 * 1.1 / 300 / 0.98))], [62e3 - CLASS_W - STILL_W]),
        ("a sag counts at once", [(5, 50e3, GOOD), (1, 50e3, replace(GOOD, volts=207.0))], [SEEN_W - STILL_W, 50e3 + (100 - USED_A / 0.9) * LEAST_W - CLASS_W]),
        ("volts that waver move nothing", [(5, 50e3, GOOD), (5, 50e3, replace(GOOD, volts=228.0)), (5, 50e3, GOOD)], [SEEN_W - STILL_W] * 3),
        ("the highest phase counts", [(5, 60e3, replace(GOOD, shares=(0.25, 0.35, 0.4)))], [60e3 * 100 / (0.4 * 60e3 / 230 / 0.98) - CLASS_W - STILL_W]),
        ("a balance that is better than declared does not", [(5, 50e3, replace(GOOD, shares=(0.31, 0.33, 0.36)))], [SEEN_W - STILL_W]),
        ("amperes that could not carry the watts count as those that could", [(5, 50e3, replace(GOOD, error=-0.06))], [50e3 + (100 - 1.1 * 50e3 / 690) * LEAST_W - CLASS_W - STILL_W]),
        ("amperes of another scale lift nothing", [(5, 50e3, replace(GOOD, error=-0.5))], [WORST_W]),
        ("volts of the other side of a transformer are no volts of the node", [(5, 50e3, replace(GOOD, volts=57.7))], [WORST_W]),
        ("a meter found false is none, at once", [(5, 50e3, GOOD), (1, 50e3, GOOD, FALSE)], [SEEN_W - STILL_W, WORST_W]),
        ("one that falls silent is on its way", [(5, 50e3, GOOD), (3, 0.0, GOOD, SILENT)], [SEEN_W - STILL_W] * 2),
        ("to the worst by when it is bad", [(5, 50e3, GOOD), (10, 0.0, GOOD, SILENT)], [SEEN_W - STILL_W, WORST_W]),
        ("and never above where it was", [(5, 60e3, WORSE), (60, 0.0, GOOD, SILENT)], [WORSE_W] * 2),
        ("so does one that has lost its amperes", [(5, 50e3, GOOD), (12, 50e3, GOOD, WITHOUT)], [SEEN_W - STILL_W, WORST_W]),
        ("a start lets run on what runs until its meter speaks", [(3, 0.0, GOOD, STARTING | SILENT)], [RUNS_W]),
        ("then it may draw what the meter allows", [(3, 50e3, GOOD, STARTING)], [SEEN_W]),
        ("and goes on so", [(3, 50e3, GOOD, STARTING), (1, 50e3, GOOD)], [SEEN_W] * 2),
        ("but not by a meter that nothing has proven", [(3, 50e3, GOOD, STARTING | UNPROVEN), (1, 50e3, GOOD, UNPROVEN)], [SEEN_W, WORST_W]),
        ("nor without one, once it has started", [(3, 0.0, GOOD, STARTING | SILENT), (1, 0.0, GOOD, SILENT)], [RUNS_W, WORST_W]),
        ("nothing flows, and nothing is learnt", [(5, 0.0, GOOD)], [WORST_W - CLASS_W]),
        ("generation lifts nothing", [(5, -20e3, GOOD)], [-20e3 + (100 - 0.4 * USED_A) * LEAST_W - CLASS_W]),
    ],
)  # fmt: skip
def test_a_limit_in_amperes(why, legs, watts):
    assert limits_w(AMPERES, *legs) == pytest.approx(watts, abs=1.0), why


def test_halfway_in_silence_it_is_halfway_down():
    at_first_w, later_w = limits_w(AMPERES, (5, 50e3, GOOD), (7, 0.0, GOOD, SILENT))
    assert later_w == pytest.approx(at_first_w + (WORST_W - at_first_w) * (7 - 3) / (10 - 3), abs=1.0)


def test_a_meter_that_comes_back_lifts_it_again():
    assert limits_w(AMPERES, (5, 50e3, GOOD), (30, 0.0, GOOD, SILENT), (2, 50e3, GOOD))[2] == pytest.approx(
        SEEN_W - STILL_W
    )


@pytest.mark.parametrize(
    ("why", "carrying", "power_w", "wiring", "watts"),
    [
        ("volts do not matter", KVA, 50e3, replace(GOOD, volts=200.0), 50e3 + (70e3 - 1.1 * 50e3 / 0.98) * 0.9 / 1.1),
        ("all phases count as the highest", KVA, 50e3, replace(GOOD, shares=(0.2, 0.3, 0.5)), 50e3 + (70e3 - 1.5 * 50e3 / 0.98) * 0.9 / 1.1),
        ("a lagging load", KVA, 50e3, replace(GOOD, power_factor=0.7), 50e3 + (70e3 - 1.1 * 50e3 / 0.7) * 0.9 / 1.1),
        ("one phase", ONE_PHASE, 5e3, Wiring(volts=230.0, power_factor=0.95, shares=(1.0,)), 5e3 + (32 - 5e3 / 230 / 0.95) * 180),
    ],
)  # fmt: skip
def test_volt_amperes_and_a_single_phase(why, carrying, power_w, wiring, watts):
    [limit_w] = limits_w(carrying, (5, power_w, wiring))
    assert min(limit_w, carrying.worst_w) <= watts - CLASS_W + 1.0, why
    assert limit_w == pytest.approx(watts - CLASS_W, abs=0.011 * carrying.worst_w), why


def test_limits_are_named_by_what_is_limited():
    built = metered(AMPERES, replace(KVA, node=0, meters=(1, 2)))
    assert [(each.node, each.limit_w, each.name) for each in worst_limits(built)] == [
        (2, AMPERES.worst_w, "amperes:a"),
        (0, KVA.worst_w, "kva:pcc"),
    ]
    assert carrying_limits(built, nothing_carried(built)) == worst_limits(built)


def test_what_is_worse_than_declared_is_told_where_it_matters():
    worse = Wiring(volts=230.0, power_factor=0.7)
    for power_w, wiring, codes in ((50e3, worse, [Code.CARRIES_WORSE]), (20e3, worse, []), (50e3, GOOD, [])):
        built, [now] = course(AMPERES, (3, power_w, wiring))
        assert [each.code for each in worse_than_declared(built, [now])] == codes
    assert not worse_than_declared(built, nothing_carried(built))


# -- closed loops: amperes by the world alone

#: All devices of feeder a draw 140 kW, which takes 206 A at 230 V; 150 A are less, whatever the volts.
FEEDER = replace(AMPERES, most=150.0)
FEEDER_KVA = replace(KVA, most=100e3)


#: As uneven as is declared.
UNEVEN = Wiring(shares=(1.1 / 3, 0.95 / 3, 0.95 / 3))


#: Volts and power factor: the best that the feeder sees, and the worst that is declared.
BEST, WORST = (245.0, 1.0), (380 / math.sqrt(3), 0.9)
#: Seconds in which they go from one end to the other; a tap changer and a night are slower, a sag is another test.
PACE_S, SILENT_S = 80, 60
#: By so much what is carried grows from one tick to the next, while watts stay: a limit that is full cannot be kept closer.
IN_A_TICK = (math.prod(BEST) / math.prod(WORST)) ** (1.0 / PACE_S)


def wandering(seed: int):
    """Return wiring by time: volts and power factor wander between their ends, from the best to the worst while the meter is silent.

    Which phase carries most changes at once, as when devices are swapped, and the meter errs by all of its class for a time.
    """
    random = default_rng(seed)
    ends = [
        BEST,
        *(tuple(random.choice(pair) for pair in zip(BEST, WORST, strict=True)) for _ in range(1)),
        BEST,
        WORST,
    ]
    ends += [tuple(random.choice(pair) for pair in zip(BEST, WORST, strict=True)) for _ in range(6)]
    shares = [
        tuple(random.permutation([1.1, 0.95, 0.95]) / 3) if random.random() < 0.7 else (1 / 3,) * 3 for _ in range(40)
    ]
    errors = random.choice([-0.005, 0.0, 0.005], 40)

    def now(now_s):
        leg, part = divmod((now_s - 1000.0) / PACE_S, 1.0)
        volts, power_factor = (1 - part) * np.array(ends[int(leg)]) + part * np.array(ends[int(leg) + 1])
        k = int((now_s - 1000.0) / 17.0)
        return Wiring(volts=float(volts), power_factor=float(power_factor), shares=shares[k], error=float(errors[k]))

    return now


def amperes(world) -> float:
    """The true amperes of the highest phase of feeder a; of one that is rated in VA, those of three such phases."""
    wiring = world.wiring(world.now_s)
    highest = max(wiring.amperes(float(world.node_w[2])))
    return 3 * wiring.volts * highest if world.site.carries[0].apparent else highest


def course_a(world, seconds):
    found = []
    for _ in range(seconds):
        world.cycle()
        found.append(amperes(world))
    return found


@pytest.mark.parametrize(
    ("carrying", "seed"), [(FEEDER, 0), (FEEDER, 1), (FEEDER, 2), (FEEDER_KVA, 3), (FEEDER_KVA, 4)]
)
def test_what_is_truly_carried_is_never_above_whatever_the_volts_do_and_the_meter_says(carrying, seed):
    world = World(metered(carrying), 300e3, tick_s=1.0, wiring=wandering(seed))
    found = course_a(world, 2 * PACE_S)
    world.silent = {"a-main"}
    found += course_a(world, SILENT_S)
    world.silent = set()
    found += course_a(world, 3 * PACE_S)
    assert max(found) <= carrying.most * IN_A_TICK
    assert np.mean(found[PACE_S : 2 * PACE_S]) > 0.8 * carrying.most, "and it is used"


def test_a_restart_lowers_nothing_that_the_meter_allows():
    world = World(metered(FEEDER), 300e3, tick_s=1.0, wiring=lambda _: UNEVEN)
    course_a(world, 200)
    before_w = world.decided.planned_w[2]
    assert before_w > FEEDER.worst_w
    world.reboot(house_w=world.decided.house_w)
    least_w = min(float(world.cycle().planned_w[2]) for _ in range(30))
    assert least_w > 0.97 * before_w


def test_a_start_that_finds_a_node_above_what_it_carries_says_so_at_once_and_needs_no_failsafe_for_it():
    """Its devices do not come down. While the control starts no limit is infinite."""
    world = World(metered(FEEDER), 300e3, tick_s=1.0, wiring=lambda _: UNEVEN)
    course_a(world, 200)
    world.wiring = lambda _: replace(UNEVEN, volts=0.9 * UNEVEN.volts)
    world.reboot(house_w=world.decided.sure_house_w)
    world.deaf, world.silent = world.site.devices.node == 2, {"a-main"}
    decision = world.cycle()
    assert decision.envelope_w[2] == pytest.approx(decision.committed_w[2], rel=0.01)
    world.silent = set()
    found = []
    for _ in range(12):
        decision = world.cycle()
        said = {(each.code, each.subject) for each in decision.warnings}
        found.append(((Code.OVER_ENVELOPE, "a") in said, decision.mode))
    assert all(told for told, _ in found[1:])
    assert found[-1][1] is Mode.HOLD
    world.deaf = world.nobody
    assert Mode.FAILSAFE not in {world.cycle().mode for _ in range(20)}
    assert world.decided.mode is Mode.NORMAL


def test_a_node_that_carries_nothing_is_inside_though_its_meter_does_not_say_what_its_amperes_are_worth():
    """Else one that rests for hours after a start would be told as soon as it goes above, as if it had always been there."""
    ever_w = np.full(4, np.inf)
    built, (resting, unseen) = course(AMPERES, (3, 0.0, GOOD), (20, 0.0, GOOD, SILENT))
    assert ceiling_w(built, [resting], ever_w)[2] == pytest.approx(WORST_W)
    assert math.isinf(ceiling_w(built, [unseen], ever_w)[2])
    assert ceiling_w(built, [resting], np.full(4, 20e3))[2] == 20e3


def test_a_sag_is_followed_within_the_settle_time():
    world = World(metered(FEEDER), 300e3, tick_s=1.0, wiring=lambda _: UNEVEN)
    course_a(world, 200)
    world.wiring = lambda _: replace(UNEVEN, volts=215.0)
    found = course_a(world, 60)
    assert max(found) > FEEDER.most, "constant power takes more amperes at once"
    assert max(found[round(world.site.rules.settle_s) :]) <= FEEDER.most
    assert world.decided.binding[2] == "amperes:a"
    assert world.decided.mode is Mode.NORMAL


def test_noise_in_the_volts_moves_no_device():
    random = default_rng(7)
    world = World(
        metered(FEEDER),
        300e3,
        tick_s=1.0,
        wiring=lambda _: replace(UNEVEN, volts=230.0 * (1 + random.normal(0.0, 0.001))),
    )
    course_a(world, 240)
    told = [world.cycle().setpoint_w for _ in range(60)]
    moved = sum(int(np.any(one != other)) for one, other in pairwise(told))
    assert moved <= 6, f"setpoints moved in {moved} of 60 ticks"
