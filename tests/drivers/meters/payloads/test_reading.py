from __future__ import annotations

import json
from typing import Any

import pytest

from controller.core.reasons import Code
from controller.core.snapshot import Grade, SourceSample
from controller.core.trust.meter_trust import hear, unheard
from drivers.meters.orientation import Orientation
from drivers.meters.payloads.profiles import load_payload, spot_of
from drivers.meters.payloads.reading import Arrival, PayloadMeter, PayloadReader
from drivers.meters.payloads.stamps import Stamp
from drivers.readings import Loss, Quality, Sample
from simulators.substation.gateway import Gateway, GatewayFaults
from simulators.substation.messages import read_message_data
from tests.controller.commands.substation import SOUND

NOON_S = 1_764_504_000.0


def reader(profile: str, wall_s: float = NOON_S, **meter: Any) -> PayloadReader:
    return PayloadReader(PayloadMeter(id="m", profile=load_payload(profile), **meter), lambda: wall_s)


def entity(state: str, ago_s: float, unit: str = "kW") -> dict[str, bytes]:
    stamp = f"2025-11-30T11:59:{60 - ago_s:09.6f}+00:00"
    return {
        "": json.dumps({"state": state, "last_reported": stamp, "attributes": {"unit_of_measurement": unit}}).encode()
    }


def arrived(at_s: float, date_s: float | None = None) -> Arrival:
    return Arrival(asked_s=at_s - 0.2, arrived_s=at_s, date_s=date_s)


def test_without_a_stamp_a_reading_is_as_old_as_the_question() -> None:
    seen = reader("evcc").read({"": b'{"grid": {"power": 700}}'}, arrived(50.0))
    assert isinstance(seen, Sample)
    assert (seen.values, seen.taken_at_s, seen.arrived_at_s) == ({"active_power_w": 700.0}, 49.8, 50.0)


def test_a_reading_is_as_old_as_its_stamp_says_on_the_clock_of_whoever_made_it() -> None:
    """This machine's clock is a day wrong, and the answer's own date says what the other one shows."""
    seen = reader("home_assistant", wall_s=NOON_S + 86_400).read(entity("812.5", 4.0), arrived(50.0, NOON_S))
    assert isinstance(seen, Sample)
    assert seen.values == {"active_power_w": 812_500.0}
    assert seen.taken_at_s == pytest.approx(46.0)


def test_a_reading_is_as_old_as_its_stamp_says_on_this_machines_clock_where_no_other_is_told() -> None:
    seen = reader("home_assistant").read(entity("812.5", 4.0), arrived(50.0))
    assert isinstance(seen, Sample)
    assert seen.taken_at_s == pytest.approx(46.0)


@pytest.mark.parametrize("state", ["unavailable", "unknown", "", "on"])
def test_an_entity_without_a_number_has_no_value(state: str) -> None:
    seen = reader("home_assistant").read(entity(state, 1.0), arrived(50.0))
    assert isinstance(seen, Sample)
    assert not seen.values
    assert "is not a number" in seen.invalid["active_power_w"]


def test_a_message_that_is_no_document_is_a_loss_that_says_what_it_is() -> None:
    seen = reader("evcc").read({"": b"<html>"}, arrived(50.0))
    assert seen == Loss(meter="m", reason="an HTML page instead of JSON", at_s=50.0)


def test_a_sign_turns_power_and_changes_the_counters() -> None:
    data = {"em:0": {"total_act_power": -5.0}, "emdata:0": {"total_act": 1.0, "total_act_ret": 2.0}}
    seen = reader("shelly_em_gen2", orientation=Orientation(sign=-1)).read(
        {"": json.dumps(data).encode()}, arrived(1.0)
    )
    assert isinstance(seen, Sample)
    assert seen.values == {"active_power_w": 5.0, "energy_export_wh": 1.0, "energy_import_wh": 2.0}


def test_a_source_of_the_surplus_carries_nothing_else() -> None:
    seen = reader("evcc", orientation=Orientation(quantity="surplus_w")).read(
        {"": b'{"grid": {"power": 7}}'}, arrived(1.0)
    )
    assert isinstance(seen, Sample)
    assert seen.values == {"surplus_w": 7.0}


def test_a_value_that_has_not_changed_for_too_long_is_uncertain_and_says_why() -> None:
    from drivers.meters.payloads.profiles import spot_of
    from drivers.meters.payloads.stamps import Stamp

    stamp = Stamp(spot=spot_of("/last_reported"), form="iso8601", of="change", max_age_s=3.0)
    seen = reader("home_assistant", stamp=stamp).read(entity("1", 4.0), arrived(50.0))
    assert isinstance(seen, Sample)
    assert seen.quality is Quality.UNCERTAIN
    assert seen.taken_at_s == pytest.approx(46.0)
    assert seen.notes == {"active_power_w": "it has not changed for 4 s, allowed are 3 s"}


def test_a_gateway_that_repeats_its_last_values_is_found_by_the_rules_of_every_meter() -> None:
    """Its answers are new each time, its clock moves; but no frequency and no voltage stands still for so long."""
    faults = GatewayFaults()
    gateway = Gateway(data=read_message_data("shelly_em_gen2"), faults=faults, wall_s=lambda: NOON_S)
    reading, trust = reader("shelly_em_gen2"), unheard("m", 50.0)
    for second in range(100):
        faults.frozen = second > 40
        gateway.values = {**SOUND, "frequency_hz": 50.0 + second % 3 / 100}
        seen = reading.read(gateway.messages(), arrived(float(second)))
        assert isinstance(seen, Sample)
        sample = SourceSample(
            source="m",
            values=seen.values,
            grade=Grade.GOOD,
            taken_s=seen.taken_at_s,
            arrived_s=seen.arrived_at_s,
            invalid=seen.invalid,
            notes=seen.notes,
        )
        trust = hear(trust, sample, 1.2e6)
        if second == 40:
            assert trust.doubts == ()
    assert [reason.code for reason in trust.doubts] == [Code.METER_FROZEN]
    assert trust.believed_s < 80.0


def test_one_whose_stamp_stands_still_grows_old() -> None:
    faults = GatewayFaults(stuck=True)
    now_s = [NOON_S]
    gateway = Gateway(data=read_message_data("home_assistant"), faults=faults, values=SOUND, wall_s=lambda: now_s[0])
    reading = PayloadReader(PayloadMeter(id="m", profile=load_payload("home_assistant")), lambda: now_s[0])
    taken_s = []
    for second in range(5):
        now_s[0] = NOON_S + second
        seen = reading.read(gateway.messages(), arrived(float(second)))
        assert isinstance(seen, Sample)
        taken_s.append(seen.taken_at_s)
    assert taken_s == pytest.approx([-0.2] * 5)


def test_a_copy_that_something_on_the_way_has_kept_is_as_old_as_it_says() -> None:
    kept = Arrival(asked_s=49.8, arrived_s=50.0, kept_s=30.0)
    seen = reader("evcc").read({"": b'{"grid": {"power": 700}}'}, kept)
    assert isinstance(seen, Sample)
    assert seen.taken_at_s == pytest.approx(19.8)


def test_the_date_of_a_kept_copy_is_that_of_its_making() -> None:
    kept = Arrival(asked_s=49.8, arrived_s=50.0, date_s=NOON_S - 30.0, kept_s=30.0)
    seen = reader("home_assistant").read(entity("812.5", 34.0), kept)
    assert isinstance(seen, Sample)
    assert seen.taken_at_s == pytest.approx(16.0)


@pytest.mark.parametrize("of", ["measurement", "change"])
def test_a_stamp_makes_no_reading_younger_than_its_oldest_message(of: Any) -> None:
    """The stamp of another topic may come long after the power that waited for it."""
    stamp = Stamp(spot=spot_of("last_updated"), form="unix_s", of=of, max_age_s=60.0)
    read = reader("home_assistant_statestream", unit="kW", stamp=stamp)
    waited = Arrival(asked_s=20.0, arrived_s=50.0)
    seen = read.read({"state": b"5", "last_updated": b"%.1f" % NOON_S}, waited)
    assert isinstance(seen, Sample)
    assert seen.taken_at_s == 20.0
