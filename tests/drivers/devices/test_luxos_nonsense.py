"""Whatever a LuxOS miner answers, a reading is one or a loss, and a command has one of the three outcomes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.devices.driver import Target
from drivers.devices.luxos import LuxOs
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.catalogue import load_catalogue
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.luxos import LuxOsServer
from tests.examples import examples

MODEL = load_catalogue()["antminer-s19k-pro"]
PACE = Pace(down_s=5.0, up_s=10.0, boot_s=60.0)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
VERBS = ("config", "power", "profiles", "logon", "session", "curtail", "profileset", "atmset", "pools", "version")


def spoiled(answer: dict[str, Any], path: list[int], value: Any) -> Any:
    """Return an answer with something else at a place in it."""
    node: Any = answer
    for step in path:
        keys = list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        if not keys:
            break
        key = keys[step % len(keys)]
        if step == path[-1] or not isinstance(node[key], dict | list):
            node[key] = value
            break
        node = node[key]
    return answer


async def ask_all(spoil: Callable[[str, bytes], bytes]) -> None:
    """Ask everything of a miner whose answers are spoiled."""
    clock = asyncio.get_running_loop().time
    unit = BenchUnit(model=MODEL, pace=PACE, clock=clock, told_w=MODEL.max_w)
    miner = LuxOsServer(unit, clock=clock, atm=True)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.read(4096)
        behind, ahead = await asyncio.open_connection("127.0.0.1", miner.port)
        ahead.write(request)
        reply = await behind.read(-1)
        ahead.close()
        writer.write(spoil(json.loads(request)["command"], reply))
        await writer.drain()
        writer.close()

    async with miner, await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        lux = LuxOs(Target(host="127.0.0.1", port=server.sockets[0].getsockname()[1], model=MODEL))
        for read in (lux.read, lux.identity, lux.settings, lux.findings):
            try:
                said = await read()
            except DriverLoss:
                continue
            if isinstance(said, DeviceReading):
                assert said.setpoint_w is None or said.setpoint_w >= 0
        for command in (lux.command(1414), lux.command(0), lux.stop()):
            assert await command in set(CommandOutcome)
        assert unit.told_w <= MODEL.max_w
        server.close()


@settings(max_examples=examples(60), deadline=None)
@given(verb=st.sampled_from(VERBS), path=st.lists(st.integers(0, 30), min_size=1, max_size=4), value=JSON)
def test_nothing_in_an_answer_is_more_than_an_answer(verb: str, path: list[int], value: Any) -> None:
    def spoil(asked: str, reply: bytes) -> bytes:
        if asked != verb:
            return reply
        return json.dumps(spoiled(json.loads(reply.rstrip(b"\x00")), path, value)).encode()

    timeless.run(ask_all(spoil))


@settings(max_examples=examples(40), deadline=None)
@given(verb=st.sampled_from(VERBS), content=st.binary(max_size=40))
def test_no_bytes_are_more_than_bytes(verb: str, content: bytes) -> None:
    timeless.run(ask_all(lambda asked, reply: content if asked == verb else reply))
