from __future__ import annotations

import asyncio

from drivers.devices.families import load_families
from drivers.transports.line_json import ask
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.cgminer import BESIDE, CgminerServer


def test_a_socket_says_what_is_known_of_its_family_one_by_one_and_together() -> None:
    async def scene() -> None:
        model, clock = model_of("vnish"), asyncio.get_running_loop().time
        unit = BenchUnit(model=model, pace=Pace.of(load_families()["vnish"]), clock=clock, told_w=model.max_w)
        async with CgminerServer(unit, BESIDE["vnish"]) as server:
            one = await ask("127.0.0.1", server.port, {"command": "stats"}, timeout_s=5.0)
            both = await ask("127.0.0.1", server.port, {"command": "stats+pools"}, timeout_s=5.0)
            none = await ask("127.0.0.1", server.port, {"command": "curtail"}, timeout_s=5.0)
        assert "Vnish" in one["STATS"][0]["Type"]
        assert [both["stats"][0]["STATS"], len(both["pools"][0]["POOLS"])] == [one["STATS"], len(unit.pools)]
        assert none["STATUS"][0]["STATUS"] == "E"
        assert not any(asked.writes for asked in unit.log)

    timeless.run(scene())
