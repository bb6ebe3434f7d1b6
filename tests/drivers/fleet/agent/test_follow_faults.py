"""All faults at all moments: what is called proven is so, and what can be brought down is down in time."""

from __future__ import annotations

import random
from itertools import product

import pytest

from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Follow, MeasuredBy
from simulators.world.devices import measured_by
from simulators.world.vices import Vice
from tests.drivers.fleet.agent.hall import MODELS, STEP_S, Hall, Sight, Wired

#: What says that a device draws no more than it was told.
SHOWN = {Follow.PROVEN, Follow.STOPPED}
SIGHTS = [
    Sight(names=True, by=None),
    Sight(names=True, by=MeasuredBy.PDU),
    Sight(names=True, by=MeasuredBy.NOTHING),
    Sight(names=True, by=MeasuredBy.ESTIMATE),
    Sight(names=False, by=None),
    Sight(names=False, by=MeasuredBy.PDU),
    Sight(names=False, by=MeasuredBy.ESTIMATE),
    Sight(names=False, by=MeasuredBy.NOTHING),
]
#: These name a setpoint that they do not run on.
LIARS = {Vice.IGNORES_LOWERING, Vice.JUMPS_UP}
ASICS = [name for name, model in MODELS.items() if model.steady]


def most_w(wired: Wired, model: Model) -> float:
    """Return what a device may draw that has been seen to run on `applied_w`: its tolerance, and the error of what was read."""
    error = 0.02 if wired.sight.by is MeasuredBy.PDU else model.estimate_error
    watts = max(wired.follower.applied_w, model.off_w)
    return watts * (1 + model.tolerance) * (1 + error) / (1 - error) + 0.04 * model.max_w


def may_have(vice: Vice, sight: Sight, model: Model, others: set[Vice]) -> bool:
    """Return whether the vice leaves anything true to be seen. What all of a device's own words hide, nobody sees."""
    outside = sight.by is MeasuredBy.PDU
    both = others | {vice}
    own_watts = sight.by is not MeasuredBy.NOTHING
    if both & LIARS and not outside and (not own_watts or Vice.UNDERSTATES in both):
        return False
    psu = sight.by is None and measured_by(model) == "psu"
    return not (Vice.UNDERSTATES in both and psu and not sight.names)


def campaign(device_steps: int, seed: int) -> int:
    """Run so many steps of devices under random faults, grants and reboots; return how often one was shown to follow."""
    draw = random.Random(seed)
    models = [draw.choice(list(MODELS)) for _ in range(64)]
    sights = [draw.choice(SIGHTS) for _ in models]
    hall = Hall(models, sights, [draw.random() < 0.4 for _ in models], seed=seed, timeout_s=draw.choice([2.0, 4.0]))
    vices: list[set[Vice]] = [set() for _ in models]
    shown = 0
    for _ in range(device_steps // len(models)):
        for wired in draw.sample(hall.wired, 2):
            disturb(hall, wired, vices[wired.index], draw)
        for wired in hall.step():
            model = MODELS[models[wired.index]]
            if wired.follower.state(hall.now_s) in SHOWN:
                shown += 1
                told = f"{wired.follower.state(hall.now_s)} {wired.follower.applied_w} W of {model.id}, {wired.sight}"
                # What it drew when it was asked, or draws now: a slow answer is older than what it says of.
                draws_w = min(wired.spoke_w, hall.draw_w(wired))
                assert draws_w <= most_w(wired, model), f"{told}, {vices[wired.index]}, seed {seed}"
    return shown


def disturb(hall: Hall, wired: Wired, vices: set[Vice], draw: random.Random) -> None:
    model = hall.physics.site.devices[wired.index].model
    match draw.choice(["grant", "grant", "grant", "vice", "well", "reboot", "replace"]):
        case "grant":
            wired.follower.grant(model.at_most(draw.choice([0, 1, 1, draw.random()]) * model.max_w), hall.now_s)
        case "vice":
            vice = draw.choice(list(Vice))
            if may_have(vice, wired.sight, model, vices):
                vices.add(vice)
                hall.devices.set_vice([wired.id], vice, on=True)
        case "well":
            for vice in vices:
                hall.devices.set_vice([wired.id], vice, on=False)
            vices.clear()
        case "reboot":
            hall.devices.reboot(wired.id)
        case "replace":
            hall.devices.replace(wired.id)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_called_proven_draws_no_more_than_it_was_told(seed: int) -> None:
    assert campaign(20_000 // 4, seed) > 100


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_what_is_called_proven_draws_no_more_than_it_was_told_in_a_million_steps(seed: int) -> None:
    assert campaign(1_000_000 // 50, seed) > 400


#: Vices of a device that still comes down by itself, by one way or another.
CURABLE = sorted(set(Vice) - {Vice.SILENT, Vice.DEAF, Vice.REFUSES})
MOMENTS = range(0, 24, 5)
CASES = [*product(CURABLE, [False], MOMENTS), *product(sorted(Vice), [True], MOMENTS)]


def sight_of(vice: Vice, model: Model) -> Sight:
    """Return what sees through the vice."""
    psu = measured_by(model) == "psu" and vice is not Vice.UNDERSTATES
    return Sight(names=True, by=None if psu else MeasuredBy.PDU)


@pytest.mark.parametrize(
    ("name", "share"),
    [
        pytest.param(name, share, id=f"{name} to {share:.0%}")
        for name, model in MODELS.items()
        for share in (0.0, 0.6)
        if share == 0.0 or model.at_most(share * model.max_w) > model.off_w
    ],
)
def test_what_can_be_brought_down_is_down_within_its_time_and_5_s(name: str, share: float) -> None:
    model = MODELS[name]
    granted_w = model.at_most(share * model.max_w)
    within_w = max(granted_w * (1 + model.tolerance) * (1 + model.estimate_error) * 1.03, model.off_w * 1.1)
    sights = [sight_of(vice, model) for vice, _, _ in CASES]
    hall = Hall([name] * len(CASES), sights, [relay for _, relay, _ in CASES])
    hall.run_at_full()
    for wired in hall.wired:
        wired.follower.grant(model.max_w, hall.now_s)
    for _ in range(int((model.down_s + 3) / STEP_S)):
        hall.step()
    assert {wired.follower.state(hall.now_s) for wired in hall.wired} == {Follow.PROVEN}
    for wired, (vice, _, _) in zip(hall.wired, CASES, strict=True):
        hall.devices.set_vice([wired.id], vice, on=True)
        if vice is Vice.FORGETS:
            hall.devices.reboot(wired.id)
    began_s = hall.now_s
    while hall.now_s < began_s + 3.0 + model.down_s + 8.5:
        for wired, (vice, _, moment) in zip(hall.wired, CASES, strict=True):
            granted_s = began_s + moment * STEP_S
            if hall.now_s == granted_s:
                wired.follower.grant(granted_w, hall.now_s)
            due_s = granted_s + model.down_s + 5.0
            if hall.now_s >= due_s:
                state = wired.follower.state(hall.now_s)
                assert hall.draw_w(wired) <= within_w, (vice, wired.relay, moment, state)
            if hall.now_s >= due_s + 3.0:
                assert wired.follower.state(hall.now_s) in SHOWN, (vice, wired.relay, moment)
                assert wired.follower.applied_w in {granted_w, model.off_w}
        hall.step()
