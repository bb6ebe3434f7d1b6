from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from drivers.devices.driver import Target
from drivers.devices.families import load_families
from drivers.devices.gpu_machine import GpuMachine
from drivers.devices.login import Login
from drivers.devices.redfish import open_device
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import MeasuredBy
from drivers.transports.tls import PinnedTls
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.redfish import RedfishServer, tls_of
from simulators.devices.traps import Trap
from tests.certificates import issue

FAMILY, NODE = load_families()["redfish"], load_catalogue()["hgx-h100"]
LOGIN = Login(username="root", password="0penBmc")
METRICS = "/redfish/v1/Systems/HGX_Baseboard_0/Processors/GPU_SXM_{}/EnvironmentMetrics"


@dataclass
class NodeBench:
    unit: BenchUnit
    server: RedfishServer
    target: Target
    driver: GpuMachine

    def told(self) -> list[str]:
        return [asked.verb for asked in self.unit.log if asked.writes]


def with_node(
    scene: Callable[[NodeBench], Awaitable[None]],
    *,
    login: Login | None = LOGIN,
    server_tls: ssl.SSLContext | None = None,
    tls: PinnedTls | None = None,
) -> None:
    async def play() -> None:
        clock = asyncio.get_running_loop().time
        unit = BenchUnit(model=NODE, pace=Pace.of(FAMILY), clock=clock, told_w=7600, wakes=FAMILY.wakes)
        async with RedfishServer(unit, tls=server_tls) as server:
            target = Target(host="127.0.0.1", port=server.port, model=NODE, login=login, tls=tls)
            driver = open_device(target)
            try:
                await scene(NodeBench(unit, server, target, driver))
            finally:
                await driver.close()

    timeless.run(play())


def test_its_gpus_share_what_is_left_of_a_setpoint_and_set_points_that_act_are_what_it_runs_on() -> None:
    async def scene(bench: NodeBench) -> None:
        assert await bench.driver.command(5001) is CommandOutcome.ACCEPTED
        await asyncio.sleep(3)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts, reading.measured_by) == (5001, 5001.0, MeasuredBy.ESTIMATE)
        assert bench.server.limits_w == [376] + [375] * 7
        assert sorted(bench.told()) == sorted(f"PATCH {METRICS.format(place)}" for place in range(1, 9))
        assert reading.serial == bench.unit.serial

    with_node(scene)


@pytest.mark.parametrize("mode", ["Disabled", "Manual", None])
def test_a_set_point_that_does_not_act_counts_as_the_highest_limit(mode: str | None) -> None:
    async def scene(bench: NodeBench) -> None:
        await bench.driver.command(4000)
        bench.server.control_modes = [mode] * 8
        bench.server.settle()
        assert (await bench.driver.read()).setpoint_w == 7600
        assert await bench.driver.command(4000) is CommandOutcome.ACCEPTED
        assert (await bench.driver.read()).setpoint_w == 4000

    with_node(scene)


def test_a_write_is_of_what_was_read() -> None:
    async def scene(bench: NodeBench) -> None:
        gpus = bench.driver._access
        await gpus.look()
        bench.server.limits_w = [650] * 8  # somebody else was faster
        assert await gpus.limit([300] * 8) is CommandOutcome.REFUSED
        assert bench.server.limits_w == [650] * 8
        bench.server.wants_etag = False
        assert await gpus.limit([300] * 8) is CommandOutcome.ACCEPTED

    with_node(scene)


def test_a_session_is_opened_once_renewed_when_it_has_ended_and_closed_at_the_end() -> None:
    async def scene(bench: NodeBench) -> None:
        await bench.driver.read()
        await bench.driver.command(4000)
        assert len(bench.server.sessions) == 1
        bench.server.sessions.clear()
        assert await bench.driver.command(3600) is CommandOutcome.ACCEPTED
        assert bench.server.limits_w == [200] * 8
        await bench.driver.close()
        assert bench.server.sessions == set()

    with_node(scene)


def test_a_bmc_that_opens_no_session_is_given_the_login_each_time() -> None:
    async def scene(bench: NodeBench) -> None:
        bench.server.opens_sessions = False
        assert await bench.driver.command(4000) is CommandOutcome.ACCEPTED

    with_node(scene)


def test_a_wrong_password_changes_nothing_and_is_not_shown() -> None:
    async def scene(bench: NodeBench) -> None:
        with pytest.raises(DriverLoss) as lost:
            await bench.driver.read()
        assert "wrong-word" not in str(lost.value)
        assert await bench.driver.command(4000) is CommandOutcome.UNKNOWN
        assert bench.told() == []

    with_node(scene, login=Login(username="root", password="wrong-word"))


def test_it_is_handed_back_as_it_was_found() -> None:
    async def scene(bench: NodeBench) -> None:
        bench.server.limits_w, bench.server.control_modes = [512.5] * 8, ["Disabled"] * 8
        found = await bench.driver.settings()
        await bench.driver.command(4000)
        assert await bench.driver.settings() != found
        assert await bench.driver.restore(found) is CommandOutcome.ACCEPTED
        assert await bench.driver.settings() == found

    with_node(scene)


def test_looking_at_it_writes_nothing() -> None:
    async def scene(bench: NodeBench) -> None:
        identity = await bench.driver.identity()
        assert (identity.model, identity.serial) == ("HGX H100 8-GPU", bench.unit.serial)
        said = " | ".join([*await bench.driver.findings(), str(await bench.driver.settings())])
        assert "names no `tls`" in said
        assert "off can never be proven" in said
        assert bench.told() == []

    with_node(scene)


@pytest.mark.parametrize("trap", [Trap.HALF_ANSWER, Trap.HTML, Trap.HTTP_500, Trap.CLOSES, Trap.HANGS])
def test_an_answer_that_is_none_is_unknown(trap: Trap) -> None:
    async def scene(bench: NodeBench) -> None:
        await bench.driver.read()
        bench.unit.trap = trap
        for told in (bench.driver.command(4000), bench.driver.command(0), bench.driver.stop()):
            assert await told is CommandOutcome.UNKNOWN

    with_node(scene)


@pytest.mark.parametrize("pin", ["sha256", "ca"])
def test_over_tls_the_device_is_known_by_its_certificate(tmp_path: Path, pin: str) -> None:
    ca = issue(tmp_path, "ca", None)
    own = issue(tmp_path, "bmc", ca)[0]
    issue(tmp_path, "other", None)
    shows = tls_of(str(tmp_path / "bmc.pem"), str(tmp_path / "bmc.key"))
    digits = hashlib.sha256(own.public_bytes(Encoding.DER)).hexdigest()
    good = {"sha256": PinnedTls.by_sha256(digits.upper()), "ca": PinnedTls.by_ca(tmp_path / "ca.pem")}[pin]
    wrong = {"sha256": PinnedTls.by_sha256("0" * 64), "ca": PinnedTls.by_ca(tmp_path / "other.pem")}[pin]

    async def scene(bench: NodeBench) -> None:
        assert await bench.driver.command(4000) is CommandOutcome.ACCEPTED
        stranger = open_device(replace(bench.target, tls=wrong))
        asked = len(bench.unit.log)
        with pytest.raises(DriverLoss):
            await stranger.read()
        assert await stranger.command(3600) is CommandOutcome.UNKNOWN
        assert len(bench.unit.log) == asked
        await stranger.close()

    with_node(scene, server_tls=shows, tls=good)


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        PinnedTls.by_ca(tmp_path / "ca.pem")
