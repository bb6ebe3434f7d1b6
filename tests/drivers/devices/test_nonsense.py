"""Whatever a miner answers: a reading is one or a loss, a command has one of the three outcomes, and its pools stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.devices.driver import DeviceSettings
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from simulators.devices.bench_unit import POOLS
from simulators.devices.http_server import HttpUnitServer, WebPage, WebRequest
from tests.drivers.devices.bench import Bench, with_bench
from tests.drivers.devices.test_luxos_nonsense import JSON, spoiled
from tests.examples import examples

VERBS = {
    "antminer-stock": ("get_miner_conf", "set_miner_conf", "stats", "get_system_info"),
    "braiins": ("login", "details", "tuner-state", "stats", "configuration/miner", "constraints", "pools", "target"),
    "vnish": ("unlock", "summary", "perf-summary", "info", "settings", "presets", "mining"),
    "whatsminer-v2": ("summary", "status", "get_token", "get_version", "devdetails", "get_miner_info", "pools"),
    "whatsminer-v3": ("get.device.info", "summary", "pools"),
}
CASES = [(family, verb) for family, verbs in VERBS.items() for verb in verbs]
Spoil = Callable[[Any], Any]


def spoil_answers(server: Any, verb: str, spoil: Spoil) -> None:
    """Have a server spoil what it answers to requests with `verb` in their name."""
    if isinstance(server, HttpUnitServer):
        respond = server.respond

        def spoiled_page(request: WebRequest) -> WebPage:
            page = respond(request)
            if verb not in request.path or not page.body or page.status != 200:
                return page
            return replace(page, body=json.dumps(spoil(json.loads(page.body))).encode())

        server.respond = spoiled_page  # type: ignore[method-assign]
        return
    read = server._read

    def spoiled_read(*asked: Any) -> Any:
        said = read(*asked)
        return spoil(said) if verb in " ".join(map(str, asked)) and said is not None else said

    server._read = spoiled_read


async def ask_all(bench: Bench, verb: str, spoil: Spoil) -> None:
    found = await bench.driver.settings()
    spoil_answers(bench.server, verb, spoil)
    model = bench.unit.model
    for read in (bench.driver.read, bench.driver.identity, bench.driver.settings, bench.driver.findings):
        try:
            said = await read()
        except DriverLoss:
            continue
        if isinstance(said, DeviceReading):
            assert said.setpoint_w is None or said.setpoint_w >= 0
            assert said.watts is None or said.watts >= 0
        if isinstance(said, DeviceSettings):
            assert said.limit_w is None or said.limit_w >= 0
    lower_w = int(model.modes[1].watts)
    for command in (bench.driver.command(lower_w), bench.driver.command(0), bench.driver.stop()):
        assert await command in set(CommandOutcome)
    assert await bench.driver.restore(found) in set(CommandOutcome)
    assert bench.unit.pools == POOLS
    assert bench.unit.told_w <= model.max_w


@pytest.mark.parametrize(("family", "verb"), CASES)
@settings(max_examples=examples(15), deadline=None)
@given(path=st.lists(st.integers(0, 30), min_size=1, max_size=4), value=JSON)
def test_nothing_in_an_answer_is_more_than_an_answer(family: str, verb: str, path: list[int], value: Any) -> None:
    def spoil(answer: Any) -> Any:
        return spoiled(answer, path, value)

    with_bench(family, lambda bench: ask_all(bench, verb, spoil))


@pytest.mark.parametrize(("family", "verb"), CASES)
@settings(max_examples=examples(8), deadline=None)
@given(value=JSON)
def test_an_answer_of_another_kind_is_none(family: str, verb: str, value: Any) -> None:
    with_bench(family, lambda bench: ask_all(bench, verb, lambda _answer: value))
