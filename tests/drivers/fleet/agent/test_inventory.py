import pytest

from drivers.fleet.agent.inventory import inventory_of
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import DeadMan, MeasuredBy, Proof, Range, inventory_id

MODELS = load_catalogue()


def entry(name: str, **what):
    return inventory_of({"a": LeasedDevice(model=MODELS[name], failsafe_w=0, **what)})[0]


def test_the_devices_come_sorted_by_id_and_another_fact_gives_another_name() -> None:
    devices = {id_: LeasedDevice(model=MODELS["antminer-s21"], failsafe_w=1500) for id_ in ("b", "c", "a")}
    one = inventory_of(devices)
    assert [device.id for device in one] == ["a", "b", "c"]
    other = devices | {"c": LeasedDevice(model=MODELS["antminer-s21"], failsafe_w=1400)}
    assert inventory_id(one) != inventory_id(inventory_of(other))
    assert inventory_id(one) == inventory_id(inventory_of(dict(reversed(devices.items()))))


@pytest.mark.parametrize(
    ("model", "most_w", "ranges"),
    [
        ("antminer-s21", 9999, [(1400, 3500)]),
        ("antminer-s21", 2000, [(1400, 2000)]),
        ("antminer-s21", 1400, [(1400, 1400)]),
        ("antminer-s21", 1399, []),
        ("antminer-s19-xp", 9999, [(1700, 1700), (2200, 2200), (2700, 2700), (3010, 3010)]),
        ("antminer-s19-xp", 2500, [(1700, 1700), (2200, 2200)]),
    ],
)
def test_ranges_are_what_a_device_may_be_set_to(model, most_w, ranges) -> None:
    found = entry(model, max_w=most_w)
    assert found.ranges == [Range(from_w=low, to_w=high) for low, high in ranges]
    assert found.max_w == (ranges[-1][1] if ranges else found.off_w)


@pytest.mark.parametrize("name", MODELS)
def test_every_setpoint_of_a_model_is_within_its_ranges_and_nothing_else_is(name) -> None:
    model = MODELS[name]
    ranges = entry(name).ranges
    for watts in range(model.off_w + 1, model.max_w + 200, 7):
        within = any(spans.from_w <= watts <= spans.to_w for spans in ranges)
        assert within == (model.at_most(watts) == watts)


def test_facts_that_the_models_do_not_have() -> None:
    dead_man = DeadMan(after_ms=30_000, falls_to_w=0)
    found = entry("whatsminer-m60s", proof=Proof.BOTH, measured_by=MeasuredBy.PSU, dead_man=dead_man)
    assert (found.up_ms, found.down_ms, found.off_w, found.failsafe_w) == (120_000, 5000, 13, 13)
    assert (found.proof, found.measured_by, found.dead_man) == (Proof.BOTH, MeasuredBy.PSU, dead_man)
