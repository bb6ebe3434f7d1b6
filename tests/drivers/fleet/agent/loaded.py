"""An agent of 300 devices as a process, 30 of them silent for 2 s at each request; what its loop cost, as JSON, at its end.

``python -m tests.drivers.fleet.agent.loaded PORT FOLDER``: the broker's port; the folder of keys and store.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from functools import partial
from pathlib import Path

from drivers.errors import DriverLoss
from drivers.fleet.agent import agent as module
from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Ports
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.store import Store
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER, load_private, load_public
from drivers.fleet.link import MqttLink
from drivers.fleet.wire import Activity, MeasuredBy, Proof

SITE, AGENT, COUNT, SILENT = "test-site", "hall-a", 300, 30
S21 = load_catalogue()["antminer-s21"]
IDS = [f"m-{k:03d}" for k in range(COUNT)]


class Miner:
    """Answers after 20 ms and goes to its setpoint in a line over its up or down time; a silent one lets wait for 2 s."""

    def __init__(self, *, silent: bool) -> None:
        self.silent, self.told = silent, 0
        self._setpoint_w, self._from_w, self._at_s = S21.off_w, float(S21.off_w), -1e9

    async def read(self) -> DeviceReading:
        if await self._answers():
            return DeviceReading(
                setpoint_w=self._setpoint_w,
                watts=self._watts(),
                measured_by=MeasuredBy.PSU,
                activity=Activity.RUNNING,
                uptime_s=time.monotonic(),
                serial="A",
            )
        raise DriverLoss("no answer")

    async def command(self, watts: int) -> CommandOutcome:
        self.told += 1
        if not await self._answers():
            return CommandOutcome.UNKNOWN
        self._from_w, self._at_s, self._setpoint_w = self._watts(), time.monotonic(), watts
        return CommandOutcome.ACCEPTED

    async def stop(self) -> CommandOutcome:
        return await self.command(S21.off_w)

    async def _answers(self) -> bool:
        await asyncio.sleep(2.0 if self.silent else 0.02)
        return not self.silent

    def _watts(self) -> float:
        way_s = S21.up_s if self._setpoint_w > self._from_w else S21.down_s
        share = min(1.0, (time.monotonic() - self._at_s) / way_s)
        return self._from_w + (self._setpoint_w - self._from_w) * share


class Timed(module.Agent):
    """Notes how long each turn takes, and how late it comes."""

    def __init__(self, **what) -> None:
        self.turns_s: list[float] = []
        self.gaps_s: list[float] = []
        self._last_s = 0.0
        super().__init__(**what)

    def _turn(self) -> None:
        began_s = time.monotonic()
        self.gaps_s.append(began_s - (self._last_s or began_s))
        super()._turn()
        self._last_s = time.monotonic()
        self.turns_s.append(self._last_s - began_s)


def p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * len(values))]


def most_memory_mb() -> float:
    """Return the most memory that this program has had; getrusage has that of its parent, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


async def main(port: int, folder: Path) -> None:
    devices = [Miner(silent=k % (COUNT // SILENT) == 0) for k in range(COUNT)]
    leased = LeasedDevice(model=S21, failsafe_w=0, proof=Proof.BOTH, measured_by=MeasuredBy.PSU)
    agent = Timed(
        site=SITE,
        agent=AGENT,
        devices=dict.fromkeys(IDS, leased),
        ports={id_: Ports(device=device) for id_, device in zip(IDS, devices, strict=True)},
        connect=partial(MqttLink, host="127.0.0.1", port=port, protocol="5"),
        key=load_private(folder / f"{AGENT}.key"),
        controller_keys={CONTROLLER: load_public(folder / f"{CONTROLLER}.pub")},
        store=Store(folder / "state.json"),
        settle_s=15.0,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, agent.stop)
    began_s, used_s = time.monotonic(), time.process_time()
    await agent.run()
    found = {
        "seconds": time.monotonic() - began_s,
        "turns": len(agent.turns_s),
        "turn_p99_ms": 1000 * p99(agent.turns_s),
        "gap_p99_ms": 1000 * p99(agent.gaps_s),
        "core": (time.process_time() - used_s) / (time.monotonic() - began_s),
        "rss_mb": most_memory_mb(),
        "told": [device.told for device in devices if not device.silent],
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
