"""Simulated miners, read by two libraries that are not ours: they are taken for what they stand for.

The libraries speak to fixed ports, so all of it runs in a network namespace of its own, in which every address of the loopback is free.
They come into an environment of their own: one of them needs versions that would break ours.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from drivers.clock import boottime_s
from drivers.devices.families import load_families
from simulators.devices.antminer_stock import AntminerStockServer
from simulators.devices.bench_unit import POOLS, BenchUnit, Pace
from simulators.devices.braiins import BraiinsServer
from simulators.devices.cells import model_of
from simulators.devices.cgminer import BESIDE, CgminerServer
from simulators.devices.luxos import LuxOsServer
from simulators.devices.server import UnitServer
from simulators.devices.vnish import VnishServer
from simulators.devices.whatsminer_v2 import WhatsminerV2Server
from simulators.devices.whatsminer_v3 import FIRMWARE, WhatsminerV3Server

#: pyasic needs that very beta, which is taken only where it is named.
LIBRARIES: Final = {"pyasic": ("pyasic==0.79.0", "betterproto==2.0.0b7"), "pyasic_rs": ("pyasic-rs==0.8.6",)}
HOSTS: Final = {
    "luxos": "127.0.1.1",
    "whatsminer-v2": "127.0.1.2",
    "whatsminer-v3": "127.0.1.3",
    "antminer-stock": "127.0.1.4",
    "vnish": "127.0.1.5",
    "braiins": "127.0.1.6",
}
#: What each is to be taken for, as the libraries call it.
NAMES: Final = {
    "luxos": r"luxos",
    "whatsminer-v2": r"whatsminer.*stock",
    "whatsminer-v3": r"whatsminer.*stock",
    "antminer-stock": r"antminer.*stock",
    "vnish": r"vnish",
    "braiins": r"braiins|bos",
}
#: Libraries tell whole watts.
ROUNDED_W: Final = 1.0
#: What pyasic does not read of a miner however true its answers are, and why.
BLIND: Final[Mapping[tuple[str, str], Mapping[str, str]]] = {
    ("pyasic", "antminer-stock"): {"watts": "it reads none of this firmware"},
    ("pyasic", "whatsminer-v3"): {"pools": "it looks for them in the summary, where they are not"},
    ("pyasic", "braiins"): dict.fromkeys(("watts", "mines", "pools"), "it reads by gRPC, which is not simulated"),
}


def report(out: Path) -> dict[str, str]:
    """Return what each library made of each family, by ``LIBRARY/FAMILY``; the details are in ``OUT/readers.json``."""
    environments = {name: environment(out / f"env-{name}", packages) for name, packages in LIBRARIES.items()}
    asks = json.dumps({name: str(python) for name, python in environments.items()})
    inside = f"ip link set lo up && exec {sys.executable} -m tests.verify.readers '{asks}'"
    command = ["unshare", "--map-root-user", "--net", "sh", "-c", inside]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    found = json.loads(done.stdout)
    wrong = {(library, family): _wrong(library, family, found) for library in LIBRARIES for family in HOSTS}
    found["wrong"] = {f"{library} {family}": words for (library, family), words in wrong.items() if words}
    (out / "readers.json").write_text(json.dumps(found, indent=2) + "\n")
    return {f"{library}/{family}": "failed" if words else "passed" for (library, family), words in wrong.items()}


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """Return the Python of an environment with a library in it."""
    python = folder.resolve() / "bin/python"
    uv = Path(sys.executable).with_name("uv")
    if not python.exists():
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    return python


def _wrong(library: str, family: str, found: Mapping[str, Any]) -> list[str]:
    """Return what a library has read otherwise than it is, but for what it never reads."""
    said, unit = found[library].get(HOSTS[family], {}), found["units"][family]
    pools = [pool.rpartition("//")[2] for pool in said.get("pools") or []][: len(POOLS)]
    watts = said.get("watts")
    holds = {
        "is": re.search(NAMES[family], str(said.get("is")), re.IGNORECASE) is not None,
        "watts": watts is not None and abs(float(watts) - unit["watts"]) <= ROUNDED_W,
        "mines": said.get("mines") is True,
        "pools": pools == [pool.url.rpartition("//")[2] for pool in POOLS],
    }
    wrong = [
        f"{what}: {said.get(what)}"
        for what, so in holds.items()
        if not so and what not in BLIND.get((library, family), {})
    ]
    return wrong if unit["told_w"] == unit["watts"] else [*wrong, "it was written to"]


async def _inside(asks: Mapping[str, str]) -> dict[str, Any]:
    """Serve every family at its own address, and ask each library about all of them."""
    async with AsyncExitStack() as stack:
        units = {}
        for family, host in HOSTS.items():
            model = model_of(family)
            unit = BenchUnit(model=model, pace=Pace.of(load_families()[family]), clock=boottime_s, told_w=model.max_w)
            for server in _servers(family, unit, host):
                await stack.enter_async_context(server)
            units[family] = unit
        found: dict[str, Any] = {name: await _ask(name, python) for name, python in asks.items()}
        found["units"] = {family: {"watts": unit.draw_w, "told_w": unit.told_w} for family, unit in units.items()}
    return found


def _servers(family: str, unit: BenchUnit, host: str) -> list[UnitServer]:
    made: dict[str, list[UnitServer]] = {
        "luxos": [LuxOsServer(unit, clock=boottime_s, host=host, port=4028)],
        "whatsminer-v2": [WhatsminerV2Server(unit, clock=boottime_s, host=host, port=4028)],
        "whatsminer-v3": [
            WhatsminerV3Server(unit, host=host, port=4433),
            WhatsminerV2Server(unit, clock=boottime_s, firmware=FIRMWARE, host=host, port=4028),
        ],
        "antminer-stock": [AntminerStockServer(unit, host=host, port=80)],
        "vnish": [VnishServer(unit, clock=boottime_s, host=host, port=80)],
        "braiins": [BraiinsServer(unit, clock=boottime_s, host=host, port=80)],
    }
    beside = [CgminerServer(unit, BESIDE[family], host=host, port=4028)] if family in BESIDE else []
    return [*made[family], *beside]


async def _ask(library: str, python: str) -> Any:
    script = str(Path(__file__).with_name("readers_ask.py"))
    process = await asyncio.create_subprocess_exec(
        python, "-W", "ignore", script, library, *HOSTS.values(), stdout=asyncio.subprocess.PIPE, cwd=os.path.sep
    )
    answer, _ = await process.communicate()
    return json.loads(answer)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_inside(json.loads(sys.argv[1])))))
