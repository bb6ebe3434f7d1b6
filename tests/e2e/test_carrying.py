"""A hall that may carry so many amperes, and a tariff that bills the highest hour: daemon, agents, meters and world are real processes.

What the hall draws is what the world says, and its amperes follow from that and from the volts that the simulated meter shows.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import pytest

from simulators.substation.meter import PHASE_VOLTAGE_V
from tests.brokers import amqtt_broker
from tests.e2e.yard import MET_S, PLENTY, SITE, Yard, options, until

MOST_A: Final = 50.0
#: At 340 V between phases, a power factor of 0.9 and 5 % of imbalance.
WORST_W: Final = 25.3e3
SAG: Final = 0.87
_CHANGES: Final = {
    "{id: hall, parent: pcc, limit: 60 kW}": "{id: hall, parent: pcc, limit: 60 kW, carries: "
    "{current: 50 A, volts: 340 V, power_factor: 0.9, imbalance: 5 %}}",
    "surplus:\n": "  - {id: hall-meter, node: hall, rating: 120 kW, class: 0.5 %, modbus: "
    "{unit: 1, profile: schneider_pm5xxx, poll: 250 ms, timeout: 1 s}}\n\nsurplus:\n",
    "  tariff: 0.04 USD/kWh\n": "  tariff: 0.04 USD/kWh\n  demand: {window: 1 h, limit: 100 kW}\n",
}


def site_text() -> str:
    text = SITE.read_text(encoding="utf-8")
    for old, new in _CHANGES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Yard]:
    folder = tmp_path_factory.mktemp("carrying")
    with amqtt_broker() as broker, contextlib.ExitStack() as ends:
        yard = Yard(folder, broker, options(PLENTY), site_text())
        ends.callback(yard.close)
        yard.processes.open()
        yield yard


def hall_w(site: Yard) -> float:
    return site.world.truth().node_w["hall"]


def amperes(site: Yard, volts: float = PHASE_VOLTAGE_V) -> float:
    """Of each phase, by the world: the simulated load is balanced, and its meter shows it without reactive amperes."""
    return hall_w(site) / 3.0 / volts


def hall(site: Yard) -> Any:
    return site.status()["nodes"].get("hall", {"binding": None, "envelope_w": 0.0})


@pytest.mark.timeout(900)
def test_a_hall_draws_what_its_amperes_allow_and_never_more(site: Yard) -> None:
    drawn = until(
        lambda: hall(site)["binding"] == "amperes:hall" and hall_w(site) > 1.05 * WORST_W,
        "more than the worst",
        300.0,
        tell=site.tell,
    )
    assert drawn
    assert all(amperes(site) <= MOST_A for _ in site.watch_for(5.0))
    # The volts sag, and what draws constant power takes more amperes at once.
    factors = [f"--factor=voltage_l{k}_n_v={SAG}" for k in (1, 2, 3)] + [
        f"--factor=current_l{k}_a={1 / SAG}" for k in (1, 2, 3)
    ]
    site.restart("hall-meter", *factors)
    volts = SAG * PHASE_VOLTAGE_V
    until(lambda: amperes(site, volts) <= MOST_A / 1.05, "the hall has followed the volts", MET_S, tell=site.tell)
    until(lambda: hall_w(site) > WORST_W, "it is the volts that it follows", MET_S, tell=site.tell)
    assert all(amperes(site, volts) <= MOST_A for _ in site.watch_for(5.0))
    # Nobody sees the volts any more.
    site.kill("hall-meter")
    until(lambda: hall_w(site) <= WORST_W, "the declared worst", MET_S, tell=site.tell)
    assert hall(site)["envelope_w"] <= WORST_W + 50.0
    site.start("hall-meter")


@pytest.mark.timeout(900)
def test_what_a_billed_window_has_had_is_known_after_a_restart(site: Yard) -> None:
    before = until(lambda: site.status()["demand"], "a demand", tell=site.tell)
    site.renew()
    after = until(lambda: site.status()["demand"], "a demand again", tell=site.tell)
    if after["begins_at"] != before["begins_at"]:
        before = {"used_wh": 0.0, "guessed_wh": 0.0}
    gap_wh = after["used_wh"] - before["used_wh"]
    most_s = 120.0
    assert 0.0 <= gap_wh <= 80e3 * most_s / 3600.0
    assert after["guessed_wh"] - before["guessed_wh"] <= 80e3 * most_s / 3600.0, (
        "the contract, for no longer than it was away"
    )
    assert after["cap_w"] > 0.0
