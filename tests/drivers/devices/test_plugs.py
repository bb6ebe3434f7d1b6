"""Relays and plugs over HTTP: what they are told, what they say, and that they open by themselves when nobody renews."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from drivers.devices.login import Login
from drivers.devices.shelly import ShellyRelay
from drivers.devices.tasmota import TasmotaRelay
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from simulators.devices import timeless
from simulators.devices.outlet import Outlet
from simulators.devices.shelly import ShellyServer
from simulators.devices.tasmota import TasmotaServer
from simulators.devices.traps import MANNERS, ReplyForm, Trap

KINDS: dict[str, tuple[Any, Any]] = {"shelly": (ShellyServer, ShellyRelay), "tasmota": (TasmotaServer, TasmotaRelay)}
Scene = Callable[[Any, Any, Outlet], Awaitable[None]]


def with_plug(kind: str, scene: Scene, *, password: str | None = None, ours: str | None = None) -> None:
    async def play() -> None:
        make_server, make_relay = KINDS[kind]
        outlet = Outlet(clock=asyncio.get_running_loop().time)
        async with make_server(outlet, password=password) as server:
            login = None if ours is None else Login(password=ours)
            relay = make_relay(host="127.0.0.1", port=server.port, login=login, timeout_s=1.0)
            await scene(relay, server, outlet)
            await relay.close()

    timeless.run(play())


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_and_closes_and_says_so(kind: str) -> None:
    async def scene(relay: Any, _server: Any, outlet: Outlet) -> None:
        assert await relay.read() is True
        assert await relay.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED
        assert not outlet.closed
        assert await relay.read() is False
        assert await relay.switch(closed=True, hold_s=None) is CommandOutcome.ACCEPTED
        await asyncio.sleep(10_000.0)
        assert outlet.closed

    with_plug(kind, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_it_opens_by_itself_when_nobody_renews_it_and_not_before(kind: str) -> None:
    async def scene(relay: Any, _server: Any, outlet: Outlet) -> None:
        for _ in range(10):
            assert await relay.switch(closed=True, hold_s=30.9) is CommandOutcome.ACCEPTED
            await asyncio.sleep(10.0)
            assert outlet.closed
        await asyncio.sleep(20.5)
        assert not outlet.closed
        assert await relay.read() is False

    with_plug(kind, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_to_open_by_itself_stays_open_once_it_is_opened(kind: str) -> None:
    async def scene(relay: Any, _server: Any, outlet: Outlet) -> None:
        await relay.switch(closed=True, hold_s=30.0)
        await relay.switch(closed=False, hold_s=None)
        await asyncio.sleep(100.0)
        assert not outlet.closed

    with_plug(kind, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hold_that_it_cannot_keep_is_refused(kind: str) -> None:
    async def scene(relay: Any, _server: Any, outlet: Outlet) -> None:
        assert await relay.switch(closed=True, hold_s=0.5) is CommandOutcome.REFUSED
        assert await relay.switch(closed=False, hold_s=30.0) is CommandOutcome.REFUSED
        assert outlet.log == []

    with_plug(kind, scene)


@pytest.mark.parametrize(
    "trap", [Trap.SAYS_OK, Trap.REFUSES, Trap.HALF_ANSWER, Trap.HTML, Trap.HTTP_500, Trap.CLOSES, Trap.HANGS]
)
@pytest.mark.parametrize("kind", KINDS)
def test_only_its_own_word_is_an_outcome_and_only_what_it_says_when_read_is_a_state(kind: str, trap: Trap) -> None:
    async def scene(relay: Any, _server: Any, outlet: Outlet) -> None:
        outlet.trap = trap
        outcome = await relay.switch(closed=False, hold_s=None)
        form = MANNERS[trap].reply
        said_no = CommandOutcome.REFUSED if kind == "shelly" else CommandOutcome.UNKNOWN
        expected = {ReplyForm.YES: CommandOutcome.ACCEPTED, ReplyForm.NO: said_no}
        assert outcome is expected.get(form, CommandOutcome.UNKNOWN)
        assert await relay.read() is outlet.closed

    with_plug(kind, scene)


@pytest.mark.parametrize("kind", KINDS)
def test_a_login_is_used_and_a_wrong_one_shows_nothing(kind: str) -> None:
    async def right(relay: Any, _server: Any, _outlet: Outlet) -> None:
        assert await relay.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED

    async def wrong(relay: Any, _server: Any, outlet: Outlet) -> None:
        with pytest.raises(DriverLoss) as lost:
            await relay.read()
        assert "wrong-word" not in str(lost.value)
        assert await relay.switch(closed=False, hold_s=None) is CommandOutcome.UNKNOWN
        assert outlet.closed

    with_plug(kind, right, password="secret", ours="secret")
    with_plug(kind, wrong, password="secret", ours="wrong-word")


def test_a_plug_that_comes_up_closed_is_found() -> None:
    async def shelly(relay: Any, server: Any, _outlet: Outlet) -> None:
        assert await relay.findings() == []
        server.initial_state = "restore_last"
        assert any("restore_last" in finding for finding in await relay.findings())

    async def tasmota(relay: Any, server: Any, _outlet: Outlet) -> None:
        assert any("PowerOnState 3" in finding for finding in await relay.findings())
        server.power_on_state = 0
        assert await relay.findings() == []

    with_plug("shelly", shelly)
    with_plug("tasmota", tasmota)
