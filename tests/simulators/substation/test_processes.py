"""The substation as processes over real sockets: read by mbpoll, by our drivers, killed, stopped and started again."""

from __future__ import annotations

import asyncio
import dataclasses
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from shutil import which
from typing import Self

import pytest

from drivers.meters.modbus import MeterTls, ModbusMeter, Serial, read_forever
from drivers.meters.opcua.driver import watch_forever
from drivers.meters.opcua.points import Point, Server
from drivers.meters.profiles import load_profile
from drivers.readings import Quality, Sample
from simulators.substation.__main__ import main
from simulators.worldlink import Truth, serve
from tests.drivers.meters.watching import Seen, running
from tests.ports import free_port
from tests.waiting import DEADLINE_S

TRUTH = Truth(
    t_s=0.0,
    ready=True,
    site_w=812_500.0,
    node_w={"pcc": 812_500.0, "feeder-b": -20_000.0},
    surplus_w=500_000.0,
    export_w=-312_500.0,
    feeder_load_w=1_000_000.0,
    frequency_hz=50.0,
    devices_by_state={},
    envelope_w=0.0,
    binding="contract",
)


@asynccontextmanager
async def world() -> AsyncIterator[str]:
    server = await serve("127.0.0.1", 0, lambda _: TRUTH)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


class Processes:
    """Substation processes of one test; whatever still runs at its end is killed."""

    def __init__(self) -> None:
        self.all: list[asyncio.subprocess.Process] = []

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "simulators.substation", *arguments, stdout=subprocess.PIPE
        )
        self.all.append(process)
        async with asyncio.timeout(DEADLINE_S):
            line = await process.stdout.readline()
        assert line.startswith(b"ready "), line
        return process

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self.all:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def ends_well(process: asyncio.subprocess.Process) -> bool:
    """Return whether the process ends with status 0 on SIGTERM."""
    process.terminate()
    async with asyncio.timeout(DEADLINE_S):
        return await process.wait() == 0


def meter(port: int, profile_id: str = "schneider_pm5xxx") -> ModbusMeter:
    return ModbusMeter(
        id="m", host="127.0.0.1", port=port, unit=1, profile=load_profile(profile_id), poll_s=0.1, timeout_s=0.3
    )


def power(watts: float):
    return lambda seen: isinstance(seen, Sample) and seen.values.get("active_power_w") == pytest.approx(watts)


@pytest.mark.skipif(which("mbpoll") is None, reason="mbpoll is not installed")
def test_mbpoll_reads_the_same_power_from_meters_of_both_word_orders():
    """mbpoll swaps words with -B (big endian words); -0 counts addresses from 0."""

    async def poll(port: int, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "mbpoll", "-0", "-1", "-p", str(port), *arguments, "127.0.0.1", stdout=subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out
        return out.decode()

    async def scenario() -> None:
        schneider, gavazzi = free_port(), free_port()
        async with world() as address, Processes() as processes:
            process = await processes.start(
                *("modbus", "--world", address, "--refresh", "0.05"),
                *("--meter", f"pcc:schneider_pm5xxx:{schneider}", "--meter", f"pcc:carlo_gavazzi_em24:{gavazzi}:7"),
            )
            async with asyncio.timeout(DEADLINE_S):
                out = await poll(schneider, "-a", "1", "-t", "4:float", "-B", "-r", "3059")
            assert "[3059]: \t812.5" in out
            out = await poll(gavazzi, "-a", "7", "-t", "3:int", "-r", "40")
            assert "[40]: \t8125000" in out
            assert await ends_well(process)

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_stopped_meter_is_a_loss_and_comes_back(number):
    async def scenario() -> None:
        port, seen = free_port(), Seen()
        async with world() as address, Processes() as processes:
            arguments = ("modbus", "--world", address, "--meter", f"feeder-b:schneider_pm5xxx:{port}")
            process = await processes.start(*arguments)
            async with running(read_forever(meter(port), seen)):
                await seen.until(power(-20_000.0))
                after = len(seen)
                process.send_signal(number)
                await seen.loss(after=after)
                after = len(seen)
                if number == signal.SIGSTOP:
                    process.send_signal(signal.SIGCONT)
                else:
                    await process.wait()
                    process = await processes.start(*arguments)
                await seen.until(power(-20_000.0), after=after)
            assert await ends_well(process)

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_stopped_scada_is_a_loss_and_comes_back(number):
    def surplus(seen) -> bool:
        return isinstance(seen, Sample) and dict(seen.values) == {"surplus_w": 500_000.0}

    async def scenario() -> None:
        endpoint, seen = f"opc.tcp://127.0.0.1:{free_port()}/", Seen()
        point = Point(id="scada", node="nsu=urn:surplusd:substation;s=Grid.Surplus", quantity="surplus_w", unit="kW")
        server = Server(endpoint=endpoint, heartbeat_s=0.2, timeout_s=0.5)
        async with world() as address, Processes() as processes:
            arguments = ("opcua", "--world", address, "--endpoint", endpoint)
            process = await processes.start(*arguments)
            async with running(watch_forever(server, (point,), seen)):
                await seen.until(surplus)
                after = len(seen)
                process.send_signal(number)
                await seen.loss(after=after)
                after = len(seen)
                if number == signal.SIGSTOP:
                    process.send_signal(signal.SIGCONT)
                else:
                    await process.wait()
                    process = await processes.start(*arguments)
                await seen.until(surplus, after=after)
            assert await ends_well(process)

    asyncio.run(scenario())


def test_without_a_world_the_meter_answers_device_failure_and_the_scada_no_communication():
    async def scenario() -> None:
        port, endpoint, nowhere = free_port(), f"opc.tcp://127.0.0.1:{free_port()}/", f"127.0.0.1:{free_port()}"
        seen = Seen()
        point = Point(id="s", node="nsu=urn:surplusd:substation;s=Grid.Export", quantity="surplus_w", unit="kW")
        async with Processes() as processes:
            await processes.start("modbus", "--world", nowhere, "--meter", f"pcc:schneider_pm5xxx:{port}")
            await processes.start("opcua", "--world", nowhere, "--endpoint", endpoint)
            async with running(read_forever(meter(port), seen)):
                await seen.loss("exception 4 (server device failure)")
            async with running(watch_forever(Server(endpoint=endpoint), (point,), seen)):
                bad = await seen.until(lambda each: isinstance(each, Sample) and each.quality is Quality.BAD)
                assert bad.values == {}

    asyncio.run(scenario())


def test_meters_of_one_port_are_units_behind_one_gateway_and_a_dead_one_costs_its_time_out():
    async def scenario() -> None:
        port, alive, dead = free_port(), Seen(), Seen()
        async with world() as address, Processes() as processes:
            process = await processes.start(
                *("modbus", "--world", address, "--framing", "rtu", "--turn", "0.01", "--gateway-timeout", "0.1"),
                *("--meter", f"pcc:carlo_gavazzi_em24:{port}:1", "--meter", f"feeder-b:abb_b23_b24:{port}:2"),
                *("--meter", f"pcc:abb_b23_b24:{port}:3", "--only", "3", "--dead", "exception"),
            )
            points = [
                dataclasses.replace(meter(port, profile_id), transport="rtu_over_tcp", unit=unit, timeout_s=1.0)
                for profile_id, unit in (("abb_b23_b24", 2), ("abb_b23_b24", 3))
            ]
            async with running(read_forever(points[0], alive)), running(read_forever(points[1], dead)):
                await alive.until(power(-20_000.0))
                await dead.loss("exception 11")
            assert await ends_well(process)

    asyncio.run(scenario())


def test_a_meter_on_a_serial_line(tmp_path):
    async def scenario() -> None:
        line, seen = tmp_path / "meter", Seen()
        async with world() as address, Processes() as processes:
            process = await processes.start("modbus", "--world", address, "--meter", f"pcc:wago_879:{line}:17")
            point = ModbusMeter(
                id="m",
                transport="rtu",
                serial=Serial(device=str(line)),
                unit=17,
                profile=load_profile("wago_879"),
                poll_s=0.1,
                timeout_s=1.0,
            )
            async with running(read_forever(point, seen)):
                await seen.until(power(812_500.0))
            assert await ends_well(process)
            assert not line.is_symlink()

    asyncio.run(scenario())


def test_a_meter_behind_tls(tmp_path):
    certificate, key = tmp_path / "meter.pem", tmp_path / "key.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=meter")
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate))
    subprocess.run(("openssl", "req", *kind, *names), check=True, capture_output=True)

    async def scenario() -> None:
        port, seen = free_port(), Seen()
        async with world() as address, Processes() as processes:
            await processes.start(
                *("modbus", "--world", address, "--meter", f"pcc:schneider_pm5xxx:{port}"),
                *("--certificate", str(certificate), "--private-key", str(key)),
            )
            point = dataclasses.replace(meter(port), transport="tls", tls=MeterTls(ca=certificate), timeout_s=3.0)
            async with running(read_forever(point, seen)):
                await seen.until(power(812_500.0))

    asyncio.run(scenario())


def test_the_switches_of_the_command_line_reach_the_meter():
    async def scenario() -> None:
        port, seen = free_port(), Seen()
        async with world() as address, Processes() as processes:
            process = await processes.start(
                *("modbus", "--world", address, "--meter", f"pcc:carlo_gavazzi_em24:{port}"),
                *("--scale-error", "0.001", "--flip-sign", "--delay", "0.01"),
            )
            async with running(read_forever(meter(port, "carlo_gavazzi_em24"), seen)):
                await seen.until(power(-812.5))
            assert await ends_well(process)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "arguments",
    [
        ("modbus", "--meter", "pcc:no_such_meter:15020"),
        ("modbus", "--meter", "pcc:schneider_pm5xxx"),
        ("modbus", "--meter", "pcc:schneider_pm5xxx:15O20"),
        ("opcua", "--status", "Bda"),
    ],
)
def test_an_argument_that_is_not_usable_ends_with_status_2_and_says_so(arguments, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["substation", *arguments, "--world", "127.0.0.1:1"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_two_meters_cannot_be_the_same_unit(monkeypatch):
    meters = ("--meter", "pcc:wago_879:15020:4", "--meter", "pcc:abb_m2m:15020:4")
    monkeypatch.setattr(sys, "argv", ["substation", "modbus", "--world", "127.0.0.1:1", *meters])
    with pytest.raises(SystemExit, match="unit 4 at 15020 twice"):
        main()
