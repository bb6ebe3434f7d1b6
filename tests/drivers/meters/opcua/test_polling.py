"""Servers that tell no changes: they are read at the pace of each point, which is said once."""

from __future__ import annotations

import asyncio

import pytest

from drivers.meters.opcua import watch
from drivers.meters.opcua.driver import watch_forever
from drivers.readings import Quality
from simulators.substation.opcua_server import Behaviour, Scada
from tests.drivers.meters.opcua.serving import METER, endpoint, loss, of, point, server, serving, shows
from tests.drivers.meters.watching import Seen, running

FEEDER = point(id="feeder", node=point().node.replace("Surplus", "FeederLoad"), quantity="surplus_w")


def polled(**refuses) -> tuple[Scada, Seen]:
    return Scada(endpoint=endpoint(), **refuses), Seen()


@pytest.mark.parametrize(
    ("refuses", "why"),
    [
        ({"no_subscriptions": "BadServiceUnsupported"}, "BadServiceUnsupported"),
        ({"no_subscriptions": "BadTooManySubscriptions"}, "BadTooManySubscriptions"),
        ({"max_items": 0}, "BadTooManyMonitoredItems"),
        ({"mute_subscriptions": True}, "its subscription says nothing"),
    ],
)
def test_a_server_that_tells_no_changes_is_read_at_the_pace_of_the_point(refuses, why, caplog):
    """No heartbeat comes within the test: what it sees is read for want of changes."""

    async def scenario() -> None:
        scada, seen = polled(**refuses)
        mute = "mute_subscriptions" in refuses
        grid_server = server(scada.endpoint, heartbeat_s=1.0 if mute else 60.0, timeout_s=1.0 if mute else 10.0)
        async with serving(scada) as grid, running(watch_forever(grid_server, (point(),), seen)):
            found = await seen.until(lambda each: why in each.notes.get("surplus_w", ""))
            assert found.notes["surplus_w"] == f"the server tells no changes ({why}): read every 0.1 s"
            assert (found.quality, found.values) == (Quality.GOOD, {"surplus_w": 500_000.0})
            grid.surplus_w = 120_000.0
            await seen.until(shows(120_000.0))
            await seen.until(lambda each: each.taken_at_s > found.taken_at_s + 1.0)
            assert mute or not any(map(loss, seen))

    asyncio.run(scenario())
    assert sum("tells no changes" in record.getMessage() for record in caplog.records) == 1


def test_where_there_is_room_for_one_the_others_are_polled_beside_it(caplog):
    async def scenario() -> None:
        scada, seen = polled(max_items=1)
        points = (point(), FEEDER)
        async with (
            serving(scada) as grid,
            running(watch_forever(server(scada.endpoint, heartbeat_s=60.0), points, seen)),
        ):
            await seen.until(of("scada", shows(500_000.0)))
            noted = await seen.until(of("feeder", lambda each: bool(each.notes)))
            assert "BadTooManyMonitoredItems" in noted.notes["surplus_w"]
            grid.surplus_w = 120_000.0
            told = await seen.until(of("scada", shows(120_000.0)))
            assert not told.notes

    asyncio.run(scenario())
    assert [record.meter for record in caplog.records if "tells no changes" in record.getMessage()] == ["feeder"]


def test_a_node_that_is_taken_away_and_put_back_is_polled_again():
    async def scenario() -> None:
        scada, seen = polled(no_subscriptions="BadServiceUnsupported")
        async with serving(scada), running(watch_forever(server(scada.endpoint), (point(),), seen)):
            await seen.until(shows(500_000.0))
            await scada.remove("Grid.Surplus")
            await seen.loss("BadNodeIdUnknown")
            await scada.restore("Grid.Surplus")
            await seen.until(shows(500_000.0), after=len(seen))

    asyncio.run(scenario())


def test_a_meter_of_the_companion_model_is_polled_with_all_that_it_has():
    async def scenario() -> None:
        scada, seen = polled(no_subscriptions="BadTooManySubscriptions")
        meter = point(id="meter", node=METER, quantity="active_power_w", unit=None)
        async with serving(scada), running(watch_forever(server(scada.endpoint, heartbeat_s=60.0), (meter,), seen)):
            whole = await seen.until(lambda each: len(each.values) == 4)
            assert whole.values["frequency_hz"] == 50.0

    asyncio.run(scenario())


def test_a_server_whose_clock_moves_seldom_is_none_that_stands_still(monkeypatch):
    """Everything a twentieth of what it is on site: a clock that moves every 0.5 s where 0.25 s is a standstill."""
    monkeypatch.setattr(watch, "STANDSTILL_S", 0.25)
    monkeypatch.setattr(watch, "LONGEST_STANDSTILL_S", 60.0)

    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), behaviour=Behaviour(clock_refresh_s=0.5)), Seen()
        watching = watch_forever(server(scada.endpoint, timeout_s=10.0), (point(),), seen)
        async with serving(scada), running(watching):
            first = await seen.until(shows(500_000.0))
            await seen.until(lambda each: each.taken_at_s > first.taken_at_s + 2.5)
            assert not any(map(loss, seen))

    asyncio.run(scenario())
