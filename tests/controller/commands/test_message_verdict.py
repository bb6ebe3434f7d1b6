from __future__ import annotations

from controller.commands.meter.message_verdict import Tried
from drivers.meters.payloads.profiles import load_payload
from drivers.readings import Quality, Sample


def tried(name: str, **values: float) -> Tried:
    sample = Sample(meter=name, values=values, quality=Quality.GOOD, taken_at_s=0.0, arrived_at_s=0.0)
    return Tried(name=name, profile=load_payload(name), sample=sample, wrong=(), missing=0)


def test_three_phases_are_not_taken_for_one_where_the_first_has_as_many_values_so_far() -> None:
    three = tried("shelly_3em_gen1_mqtt", active_power_w=812.5, active_power_l1_w=271.0)
    one = tried("shelly_em_gen1_mqtt", active_power_w=271.0, voltage_l1_n_v=230.0, energy_import_wh=1.0)
    assert three.rank > one.rank
