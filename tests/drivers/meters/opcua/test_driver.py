"""The OPC UA driver against a real server: values, ages, losses, and the behaviours of servers in the field."""

from __future__ import annotations

import asyncio
import time

import pytest
from asyncua.client.client import Client
from asyncua.common.utils import wait_for

from drivers.clock import boottime_s
from drivers.meters.opcua.driver import watch_forever
from drivers.readings import Loss, Quality, Sample
from simulators.substation.opcua_server import ECM_METER, NAMESPACE, Behaviour, Scada
from tests.drivers.meters.opcua.serving import METER, endpoint, loss, of, point, server, serving, shows
from tests.drivers.meters.watching import Seen, running, until
from tests.ports import free_port
from tests.waiting import DEADLINE_S


def watching(scada: Scada, seen: Seen, *points, **changes):
    return running(watch_forever(server(scada.endpoint, **changes), points or (point(),), seen))


def test_a_change_comes_by_subscription_long_before_the_next_heartbeat():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada) as grid, watching(scada, seen, heartbeat_s=60.0):
            await seen.until(shows(500_000.0))
            grid.surplus_w, changed_s = 120_000.0, boottime_s()
            changed = await seen.until(shows(120_000.0))
            assert changed.quality is Quality.GOOD
            assert changed_s - 0.1 <= changed.taken_at_s <= changed.arrived_at_s <= changed_s + 30.0

    asyncio.run(scenario())


def test_an_unchanged_value_is_confirmed_by_every_heartbeat():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), behaviour=Behaviour(on_change=True)), Seen()
        async with serving(scada), watching(scada, seen):
            first = await seen.until(shows(500_000.0))
            later = await seen.until(lambda each: each.taken_at_s > first.taken_at_s + 0.8)
            assert shows(500_000.0)(later)
            assert later.quality is Quality.GOOD

    asyncio.run(scenario())


def test_status_and_silence_of_the_field_show_and_end():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada) as grid, watching(scada, seen):
            await seen.until(shows(500_000.0))
            scada.behaviour.status = "UncertainLastUsableValue"
            await seen.until(lambda each: each.quality is Quality.UNCERTAIN)
            scada.behaviour.status = "BadSensorFailure"  # with the last value beside it
            bad = await seen.until(lambda each: "BadSensorFailure" in each.invalid.get("surplus_w", ""))
            assert bad.values == {}
            scada.behaviour.status, grid.gone = "Good", True
            await seen.until(lambda each: "BadNoCommunication" in each.invalid.get("surplus_w", ""))
            grid.gone, after = False, len(seen)
            await seen.until(shows(500_000.0), after=after)
            assert not any(map(loss, seen))

    asyncio.run(scenario())


def test_a_forced_value_and_an_overflowing_queue_are_used_and_noted(caplog):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), behaviour=Behaviour(status="GoodLocalOverride")), Seen()
        async with serving(scada), watching(scada, seen):
            forced = await seen.until(shows(500_000.0))
            assert forced.quality is Quality.GOOD
            assert "a person has forced this value" in forced.notes["surplus_w"]
            scada.behaviour.status, scada.behaviour.overflow = "Good", True
            full = await seen.until(lambda each: "queue overflowed" in each.notes.get("surplus_w", ""))
            assert (full.quality, full.values) == (Quality.GOOD, {"surplus_w": 500_000.0})
            scada.behaviour.overflow = False
            await seen.until(lambda each: not each.notes, after=seen.index(full))

    asyncio.run(scenario())
    assert sum("a person has forced" in record.getMessage() for record in caplog.records) == 1


def test_a_server_that_waits_for_its_field_after_the_start_is_no_loss(caplog):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), behaviour=Behaviour(waiting_s=0.6)), Seen()
        async with serving(scada), watching(scada, seen):
            waiting = await seen.until(lambda each: "BadWaitingForInitialData" in str(each))
            assert waiting.values == {}
            await seen.until(shows(500_000.0))

    asyncio.run(scenario())
    assert not [record for record in caplog.records if "is lost" in record.getMessage()]


def test_a_server_an_hour_ahead_changes_nothing():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), behaviour=Behaviour(utc_offset_s=3600.0)), Seen()
        async with serving(scada) as grid, watching(scada, seen, point(source_max_age_s=2.0)):
            await seen.until(shows(500_000.0))
            grid.surplus_w = 120_000.0
            changed = await seen.until(shows(120_000.0))
            assert changed.quality is Quality.GOOD
            assert changed.arrived_at_s - 2.0 < changed.taken_at_s <= changed.arrived_at_s
            scada.behaviour.frozen = True
            old = await seen.until(lambda each: each.quality is Quality.UNCERTAIN)
            assert old.arrived_at_s - old.taken_at_s >= 1.9

    asyncio.run(scenario())


def test_a_value_that_is_stuck_with_fresh_stamps_looks_good_here():
    """The driver cannot see it; the detector of frozen values, which knows the load, must."""

    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada) as grid, watching(scada, seen, point(source_max_age_s=1.0)):
            await seen.until(shows(500_000.0))
            scada.behaviour.stuck, grid.surplus_w, after = True, 1.0, len(seen)
            await asyncio.sleep(0.5)
            stuck = await seen.until(shows(500_000.0), after=after)
            assert stuck.quality is Quality.GOOD
            assert not any(shows(1.0)(each) for each in seen)

    asyncio.run(scenario())


def test_changes_within_the_server_s_deadband_are_silence_that_stays_fresh():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), behaviour=Behaviour(deadband_w=5_000.0, on_change=True)), Seen()
        async with serving(scada) as grid, watching(scada, seen):
            first = await seen.until(shows(500_000.0))
            grid.surplus_w = 504_000.0
            later = await seen.until(lambda each: each.taken_at_s > first.taken_at_s + 0.8)
            assert shows(500_000.0)(later)
            grid.surplus_w = 506_000.0
            await seen.until(shows(506_000.0))

    asyncio.run(scenario())


def test_a_server_that_restarts_with_other_namespace_indices_is_found_again():
    async def scenario() -> None:
        at, seen = endpoint(), Seen()
        by_path = point(id="path", node=f"/nsu={NAMESPACE};Grid/Surplus")
        async with running(watch_forever(server(at), (point(), by_path), seen)):
            await seen.loss()
            async with serving(Scada(endpoint=at)):
                await seen.until(of("scada", shows(500_000.0)))
                await seen.until(of("path", shows(500_000.0)))
            after = len(seen)
            await seen.loss(after=after)
            after = len(seen)
            async with serving(Scada(endpoint=at, namespaces_before=("urn:a", "urn:b"))) as grid:
                for name in ("scada", "path"):
                    await seen.until(of(name, shows(500_000.0)), after=after)
                grid.surplus_w = 80_000.0
                for name in ("scada", "path"):
                    await seen.until(of(name, shows(80_000.0)), after=after)

    asyncio.run(scenario())


def test_a_subscription_that_the_server_loses_is_built_again():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada) as grid, watching(scada, seen, heartbeat_s=60.0):
            await seen.until(shows(500_000.0))
            await scada.lose_subscriptions()
            grid.surplus_w = 90_000.0
            await seen.until(shows(90_000.0), deadline_s=15.0)

    asyncio.run(scenario())


def test_many_points_share_one_session():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        points = [point(id=f"p{k}", node=f"nsu={NAMESPACE};s=Grid.Export") for k in range(30)]
        async with serving(scada), watching(scada, seen, *points):
            for each in points:
                await seen.until(of(each.id, shows(-312_500.0)))
            assert scada.sessions() == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("nsu=urn:nowhere;s=Grid.Surplus", "no namespace urn:nowhere"),
        ("ns=2;s=Grid.Surplsu", "BadNodeIdUnknown"),
        (f"/nsu={NAMESPACE};Grid/Surplsu", "leads nowhere: BadNoMatch"),
        ("/nsu=urn:nowhere;Grid/Surplus", "no namespace urn:nowhere"),
        ("i=2253", "is an object without AcActivePowerTotal"),
    ],
)
def test_a_node_that_is_not_there_is_told_and_keeps_no_other_waiting(node, reason):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada), watching(scada, seen, point(id="lost", node=node), point()):
            told = await seen.until(of("lost", loss))
            assert reason in told.reason
            await seen.until(of("scada", shows(500_000.0)))
            assert not any(of("scada", loss)(each) for each in seen)

    asyncio.run(scenario())


def test_a_node_that_is_removed_is_told_and_found_again(monkeypatch):
    monkeypatch.setattr("drivers.meters.opcua.driver.LOOKUP_S", 0.2)

    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        other = point(id="other", node=f"nsu={NAMESPACE};s=Grid.Export")
        async with serving(scada) as grid, watching(scada, seen, point(), other):
            await seen.until(of("scada", shows(500_000.0)))
            await scada.remove("Grid.Surplus")
            await seen.until(of("scada", lambda each: "BadNodeIdUnknown" in str(each)))
            await scada.restore("Grid.Surplus")
            after = len(seen)
            await seen.until(of("scada", shows(500_000.0)), after=after)
            grid.surplus_w = 70_000.0
            await seen.until(of("scada", shows(70_000.0)), after=after)
            await until(lambda: scada.watchers("Grid.Surplus") == 1)  # reading alone would show it too, but later
            assert not any(of("other", loss)(each) for each in seen)

    asyncio.run(scenario())


def test_an_ecm_object_gives_power_frequency_and_the_finer_energies():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        here = point(id="meter", node=METER, quantity="active_power_w", unit=None)
        there = point(id="turned", node=f"nsu={NAMESPACE};s={ECM_METER}", quantity="active_power_w", unit=None, sign=-1)
        async with serving(scada), watching(scada, seen, here, there):
            whole = await seen.until(of("meter", lambda each: isinstance(each, Sample) and len(each.values) == 4))
            assert whole.values["active_power_w"] == 812_500.0
            assert whole.values["frequency_hz"] == 50.0
            assert whole.values["energy_import_wh"] >= whole.values["energy_export_wh"] == 1e6
            turned = await seen.until(of("turned", lambda each: isinstance(each, Sample) and len(each.values) == 4))
            assert turned.values["active_power_w"] == -812_500.0
            assert turned.values["energy_export_wh"] >= turned.values["energy_import_wh"] == 1e6

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("scada", "points", "watts"),
    [
        ({"unit": "W", "stated_unit": "W"}, {"unit": None}, 500_000.0),
        ({"unit": "kW", "stated_unit": "kW"}, {"unit": None}, 500_000.0),
        ({"unit": "MW", "stated_unit": "MW"}, {"unit": "MW"}, 500_000.0),
        ({"unit": "kW", "counts": 10.0}, {"unit": "kW", "scale": 0.1}, 500_000.0),
    ],
)
def test_the_unit_that_the_server_states_counts(scada, points, watts):
    async def scenario() -> None:
        shown, seen = Scada(endpoint=endpoint(), **scada), Seen()
        async with serving(shown), watching(shown, seen, point(**points)):
            sample = await seen.sample()
            assert sample.values == {"surplus_w": pytest.approx(watts)}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("stated", "unit", "reason"),
    [
        ("kW", "W", "the server states the unit kW, the site file says W: one of them is wrong"),
        (None, None, "the server states no unit that is known: the site file must name it"),
    ],
)
def test_a_doubtful_unit_is_refused(stated, unit, reason):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), stated_unit=stated), Seen()
        async with serving(scada), watching(scada, seen, point(unit=unit)):
            await seen.loss(reason)
            assert not any(isinstance(each, Sample) for each in seen)

    asyncio.run(scenario())


@pytest.mark.parametrize("slow", [{"fastest_publishing_s": 4.0}, {"fastest_sampling_s": 4.0}])
def test_revised_intervals_that_are_too_slow_are_told_once(slow, caplog):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), **slow), Seen()
        async with (
            serving(scada),
            watching(scada, seen, point(suspect_after_s=3.0), point(id="b", suspect_after_s=60.0)),
        ):
            noted = await seen.until(of("scada", lambda each: isinstance(each, Sample) and bool(each.notes)))
            assert "too slow for a value that is suspect after 3 s" in noted.notes["surplus_w"]
            calm = await seen.until(of("b", shows(500_000.0)))
            assert not calm.notes

    asyncio.run(scenario())
    assert sum("too slow" in record.getMessage() for record in caplog.records) == 1


def test_an_answer_that_comes_with_the_end_of_the_time_out_is_a_loss(monkeypatch):
    connect, slow = Client.connect, server("").timeout_s + 0.1

    async def answered_too_late(client: Client) -> None:
        """Let the time-out and the answer fall into one turn of the loop, as on a machine that was held up."""
        monkeypatch.setattr(Client, "connect", connect)
        loop = asyncio.get_running_loop()
        answer = loop.create_future()
        loop.call_soon(answer.set_result, None)
        time.sleep(slow)  # noqa: ASYNC251  the loop must not turn meanwhile
        await wait_for(answer, DEADLINE_S)

    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada):
            monkeypatch.setattr(Client, "connect", answered_too_late)
            async with watching(scada, seen):
                assert "does not answer within 1 s" in (await seen.loss()).reason
                await seen.until(shows(500_000.0))

    asyncio.run(scenario())


def test_a_server_without_room_for_a_session_is_told():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint(), max_sessions=0), Seen()
        async with serving(scada), watching(scada, seen):
            await seen.loss("BadTooManySessions")
            scada.max_sessions = None
            await seen.until(shows(500_000.0))

    asyncio.run(scenario())


def test_a_port_that_accepts_and_says_nothing_costs_one_timeout():
    async def scenario() -> None:
        async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        listening = await asyncio.start_server(silence, "127.0.0.1", 0)
        at = f"opc.tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        seen, started_s = Seen(), time.monotonic()
        async with running(watch_forever(server(at, timeout_s=1.0), (point(),), seen)):
            told = await seen.loss()
            assert time.monotonic() - started_s < 5.0
            assert "does not answer within 1 s" in told.reason
        listening.close()

    asyncio.run(scenario())


def test_a_cancelled_driver_ends_at_once_even_while_it_closes_a_lost_session():
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        driver = asyncio.ensure_future(watch_forever(server(scada.endpoint), (point(),), seen))
        async with serving(scada):
            await seen.until(shows(500_000.0))
        await asyncio.sleep(0.05)
        driver.cancel()
        done, _ = await asyncio.wait({driver}, timeout=DEADLINE_S)
        assert done
        assert driver.cancelled()

    asyncio.run(scenario())


def test_a_fault_in_the_driver_loses_its_points_and_no_more(monkeypatch):
    async def scenario() -> None:
        scada, seen = Scada(endpoint=endpoint()), Seen()
        async with serving(scada), watching(scada, seen):
            await seen.until(shows(500_000.0))
            with monkeypatch.context() as broken:
                broken.setattr("drivers.meters.opcua.wire.read", lambda *_: 1 / 0)
                await seen.loss("the driver failed: ZeroDivisionError")
            await seen.until(shows(500_000.0), after=len(seen))

    asyncio.run(scenario())


def test_nobody_there_is_told():
    async def scenario() -> None:
        seen = Seen()
        at = f"opc.tcp://127.0.0.1:{free_port()}/"
        async with running(watch_forever(server(at), (point(), point(id="b")), seen)):
            for name in ("scada", "b"):
                told = await seen.until(of(name, loss))
                assert isinstance(told, Loss)
                assert at in told.reason

    asyncio.run(scenario())
