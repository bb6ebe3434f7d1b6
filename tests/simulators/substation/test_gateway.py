from __future__ import annotations

import argparse
import dataclasses
import json

import pytest

from simulators.substation.gateway import Gateway, GatewayFaults
from simulators.substation.gateway_options import add_gateway_options, gateway_faults, gateway_of, parse_gateway
from simulators.substation.messages import messages, read_message_data
from simulators.worldlink import Truth
from tests.controller.commands.substation import SOUND

NOON_S = 1_764_504_000.0
EVERYTHING = """
    --meter pcc:evcc:8080 --power null --frozen --stuck --clock 5 --status 500 --html --cut-to 3 --redirect http://x --delay 1
    --padding 9 --content-type text/html --undated --close --retained --silent
"""


def parsed(text: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_gateway_options(parser)
    return parser.parse_args(text.split())


def test_nothing_misbehaves_unless_it_is_told_to_and_every_fault_has_an_option() -> None:
    assert gateway_faults(parsed("--meter pcc:evcc:8080")) == GatewayFaults()
    made, good = gateway_faults(parsed(EVERYTHING)), GatewayFaults()
    assert [
        each.name for each in dataclasses.fields(made) if getattr(made, each.name) == getattr(good, each.name)
    ] == []


@pytest.mark.parametrize("text", ["pcc", "pcc:evcc", ":evcc:1", "pcc:nowhere:1"])
def test_what_is_no_gateway_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"allowed is|cannot be read"):
        parse_gateway(text)


def test_a_shelly_says_what_its_maker_documents() -> None:
    (body,) = messages(read_message_data("shelly_em_gen2"), SOUND, NOON_S).values()
    said = json.loads(body)
    assert said["em:0"]["total_act_power"] == 812_500.0
    assert said["em:0"]["b_act_power"] == 270_500.0
    assert said["emdata:0"] == {"total_act": 12_345_600.0, "total_act_ret": 1_200.0}


def test_a_first_shelly_has_its_phases_in_a_list_and_says_that_they_are_valid() -> None:
    (body,) = messages(read_message_data("shelly_3em_gen1"), SOUND, NOON_S).values()
    meters = json.loads(body)["emeters"]
    assert [meter["power"] for meter in meters] == [271_000.0, 270_500.0, 271_000.0]
    assert all(meter["is_valid"] is True for meter in meters)


def test_an_entity_is_a_text_with_its_unit_and_its_time() -> None:
    (body,) = messages(read_message_data("home_assistant"), SOUND, NOON_S).values()
    assert json.loads(body) == {
        "state": "812500",
        "attributes": {"unit_of_measurement": "W"},
        "last_reported": "2025-11-30T12:00:00+00:00",
    }


def test_bare_values_have_a_topic_each() -> None:
    said = messages(read_message_data("evcc_mqtt"), SOUND, NOON_S)
    assert said == {"site/grid/power": b"812500", "site/grid/energy": b"12345.6"}
    assert "site/grid/power" not in messages(read_message_data("evcc_mqtt"), SOUND, NOON_S, "absent")


def test_a_frozen_one_moves_its_stamp_and_a_stuck_one_does_not() -> None:
    now_s = [NOON_S]
    gateway = Gateway(data=read_message_data("home_assistant"), values=SOUND, wall_s=lambda: now_s[0])
    before = json.loads(gateway.messages()[""])
    gateway.values, now_s[0] = {**SOUND, "active_power_w": 1.0}, NOON_S + 60
    gateway.faults.stuck = True
    assert json.loads(gateway.messages()[""]) == before
    gateway.faults.stuck, gateway.faults.frozen = False, True
    frozen = json.loads(gateway.messages()[""])
    assert (frozen["state"], frozen["last_reported"]) == (before["state"], "2025-11-30T12:01:00+00:00")


def test_it_measures_its_node_of_the_world() -> None:
    gateway = gateway_of(parsed("--meter pcc:evcc:1"), parse_gateway("pcc:evcc:1"))
    gateway.measure(_truth(5_000.0))
    gateway.measure(_truth(5_000.0))
    assert json.loads(gateway.messages()[""])["grid"]["power"] == 5_000.0
    assert gateway.values["energy_import_wh"] > 1e6


def _truth(power_w: float) -> Truth:
    return Truth(
        t_s=0.0,
        ready=True,
        site_w=power_w,
        node_w={"pcc": power_w},
        surplus_w=0.0,
        export_w=0.0,
        feeder_load_w=0.0,
        frequency_hz=50.0,
        devices_by_state={},
        envelope_w=0.0,
        binding="",
    )
