from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import DriverLoss, Refused
from simulators import messages
from simulators import worldlink as link
from simulators.curve import Curve
from simulators.devicewire import DeviceWire
from simulators.world.physics import Physics
from simulators.world.referee import Thresholds
from simulators.world.site import WorldSite, read_site
from simulators.world.vices import Vice
from simulators.world.world import World, run_forever
from tests.simulated_devices import command_all, states_of
from tests.waiting import DEADLINE_S

CURVE = Curve(t_s=np.array([0.0, 2.0, 4.0]), surplus_w=np.array([300e3, 100e3, 500e3]), label="steps")

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def world(site: WorldSite) -> World:
    return World(Physics(site, seed=1), CURVE, Thresholds())


def run(world: World, seconds: float) -> None:
    for _ in range(round(seconds / 0.1)):
        world.step()


def truth(world: World) -> link.Truth:
    reply = world.answer(link.GetTruth())
    assert isinstance(reply, link.Truth)
    return reply


def test_the_surplus_waits_for_ready_and_then_runs(world: World) -> None:
    run(world, 10.0)
    assert (truth(world).t_s, truth(world).ready, truth(world).surplus_w) == (0.0, False, 300e3)
    world.answer(link.Ready())
    run(world, 1.9)
    assert (truth(world).ready, truth(world).surplus_w) == (True, 300e3)
    run(world, 0.2)
    world.answer(link.Ready())  # only the first counts
    assert truth(world).t_s == pytest.approx(2.1)
    assert truth(world).surplus_w == 100e3
    run(world, 100.0)
    assert truth(world).surplus_w == 500e3


def test_the_three_surplus_models_see_the_same_surplus(world: World, site: WorldSite) -> None:
    for device in site.devices:
        world.answer(messages.CommandDevice(id=1, device=device.id, watts=device.model.max_w))
    run(world, 7.0)
    now = truth(world)
    assert now.export_w + now.site_w == pytest.approx(now.surplus_w)
    assert site.feeder_rating_w - (now.feeder_load_w - now.site_w) == pytest.approx(now.surplus_w)
    assert now.node_w["pcc"] == now.site_w
    assert abs(now.frequency_hz - 50.0) < 0.2


def test_a_world_on_another_grid_shows_its_frequency(site: WorldSite) -> None:
    world = World(Physics(replace(site, frequency_hz=60.0), seed=1), CURVE, Thresholds())
    run(world, 5.0)
    assert abs(truth(world).frequency_hz - 60.0) < 0.2


def test_the_example_of_a_60_hz_site_is_one_for_the_world_too() -> None:
    assert read_site(CONFIGS / "example-60hz.yaml").frequency_hz == 60.0
    assert read_site(CONFIGS / "demo.yaml").frequency_hz == 50.0


def test_the_true_envelope_names_what_binds(world: World) -> None:
    assert (truth(world).envelope_w, truth(world).binding) == (360e3, "surplus")
    world.answer(link.NoteOrder(id="o", node="pcc", limit_w=200e3))
    assert (truth(world).envelope_w, truth(world).binding) == (200e3, "order:o")
    world.answer(link.NoteOrder(id="o", node="pcc", limit_w=None))
    assert truth(world).binding == "surplus"
    world.answer(link.Ready())
    run(world, 5.0)
    assert truth(world).envelope_w == 560e3


def test_the_result_is_of_the_judged_window_alone(world: World) -> None:
    run(world, 5.0)
    with pytest.raises(Refused, match="ready"):
        world.answer(link.GetResult())
    world.answer(link.Ready())
    run(world, 3.0)
    world.answer(link.NoteOrder(id="o", node="pcc", limit_w=40e3))
    run(world, 3.0)
    reply = world.answer(link.GetResult())
    assert isinstance(reply, link.Result)
    assert reply.report.seconds == pytest.approx(6.0)
    assert reply.report.orders[0].sent_s == pytest.approx(3.0)
    assert reply.report.offered_raw_wh == pytest.approx((360e3 * 2 + 160e3 + 40e3 * 3) / 3600.0)
    run(world, 3.0)
    assert world.answer(link.GetResult()) == reply


@pytest.mark.parametrize(
    "request_",
    [
        messages.CommandDevice(id=1, device="nobody", watts=1.0),
        messages.ReadDevice(id=1, device="nobody"),
        messages.SetVice(devices=["nobody"], vice=Vice.DEAF, on=True),
        link.NoteOrder(id="o", node="nowhere", limit_w=1.0),
        link.NoteOrder(id="never-sent", node="pcc", limit_w=None),
    ],
)
def test_what_does_not_exist_is_refused(world: World, request_: link.AnyRequest) -> None:
    with pytest.raises(Refused):
        world.answer(request_)


@contextmanager
def served(world: World) -> Iterator[int]:
    """The world on a real socket, in a thread of its own, ten times faster than real."""
    loop = asyncio.new_event_loop()
    port: asyncio.Future[int] = loop.create_future()

    async def serve() -> None:
        server = await link.serve("127.0.0.1", 0, world.answer)
        port.set_result(server.sockets[0].getsockname()[1])
        async with server:
            await run_forever(world, 0.01)

    task = loop.create_task(serve())

    def work() -> None:
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
        loop.run_until_complete(asyncio.sleep(0.05))  # the connections see their end

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(_value(port), loop).result(DEADLINE_S)
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(DEADLINE_S)
        loop.close()


async def _value(future: asyncio.Future[int]) -> int:
    return await future


def test_a_fleet_drives_the_world_over_the_link(world: World, site: WorldSite) -> None:
    with served(world) as port:
        client = link.WorldClient("127.0.0.1", port)
        client.ready()
        names = [device.id for device in site.devices if device.model.id == "antminer-s21"]
        command_all(("127.0.0.1", port), dict.fromkeys(names, 3500))
        asyncio.run(_until(port, lambda now: now.devices_by_state["running"] == len(names)))
        assert states_of(("127.0.0.1", port), names) == dict.fromkeys(names, "running")
        assert client.truth().site_w > 80 * 3300
        assert client.curve().surplus_w == [300e3, 100e3, 500e3]
        client.note_order("o", node="pcc", limit_w=100e3)
        client.note_contact(lost=True)
        with pytest.raises(Refused, match="nobody"):
            command_all(("127.0.0.1", port), {names[0]: 3500, "nobody": 1.0})
        assert client.result().orders[0].id == "o"
        client.close()
        assert client.truth().ready  # connects again by itself
        client.close()
    with pytest.raises(DriverLoss):
        client.truth()


def test_a_slow_and_a_silent_device_delay_no_other_on_the_wire(world: World) -> None:
    async def ask(port: int) -> None:
        wire = DeviceWire("127.0.0.1", port, timeout_s=DEADLINE_S)
        silent, slow = asyncio.create_task(wire.read("s21-a-001")), asyncio.create_task(wire.read("s21-a-002"))
        quick = await wire.read("s21-a-003")
        assert not slow.done()
        await wire.command("s21-a-003", 2000)
        assert (await slow).uptime_s <= quick.uptime_s  # it was read when it was asked
        assert (await wire.read("s21-a-003")).uptime_s >= quick.uptime_s + 2.9  # 3 s of its world have passed
        assert (await wire.read("s21-a-003")).setpoint_w == 2000
        assert not silent.done()
        silent.cancel()
        await wire.close()

    with served(world) as port:
        client = link.WorldClient("127.0.0.1", port)
        client.set_vice(["s21-a-001"], Vice.SILENT, on=True)
        client.set_vice(["s21-a-002"], Vice.SLOW, on=True)
        assert client.vices() == {Vice.SILENT: ["s21-a-001"], Vice.SLOW: ["s21-a-002"]}
        asyncio.run(asyncio.wait_for(ask(port), DEADLINE_S))
        client.reboot("s21-a-003")
        client.replace("s21-a-003")
        with pytest.raises(Refused, match="nobody"):
            client.reboot("nobody")
        client.close()


async def _until(port: int, good: Callable[[link.Truth], bool]) -> None:
    client = link.AsyncWorldClient("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not good(await client.truth()):  # noqa: ASYNC110  the world has no event for it
                await asyncio.sleep(0.02)
    finally:
        await client.close()


def test_the_world_catches_up_when_its_loop_was_late(world: World) -> None:
    now = [100.0]
    world.answer(link.Ready())

    async def play() -> None:
        task = asyncio.create_task(run_forever(world, 0.1, clock=lambda: now[0]))
        await asyncio.sleep(0)
        now[0] += 3.0
        while truth(world).t_s < 2.9:  # noqa: ASYNC110  the world has no event for it
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(play(), DEADLINE_S))
    assert truth(world).t_s == pytest.approx(3.0, abs=0.11)
