"""The driver of DLMS/COSEM reads a meter that another library simulates, and a third library reads our simulated meter.

Both libraries are under the GPL, run in environments of their own, and are never a part of the project.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from itertools import product
from pathlib import Path
from typing import Any, Final

from drivers.meters.dlms.access import Access
from drivers.meters.dlms.meter import DlmsMeter, read_dlms_once
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.profiles import load_dlms_profile
from drivers.meters.dlms.protection import Keys
from drivers.readings import Loss
from simulators.substation.dlms_server import DlmsUnit, Manners, Objects, serve_dlms
from tests.verify.readers import environment

LIBRARIES: Final = {"pydlms": ("pydlms-client[crypto]==0.1.0",), "gurux": ("gurux-dlms==1.0.203",)}
FRAMINGS: Final = ("wrapper", "hdlc")
KEYS: Final = bytes(range(16)), bytes(range(16, 32))
ACCESS: Final = {
    "none": Access(),
    "low": Access(authentication="low", password=b"right"),
    "high": Access(
        authentication="high",
        keys=Keys(encryption=KEYS[0], authentication=KEYS[1]),
        counter_code=bytes([0, 0, 43, 1, 0, 255]),
    ),
}
#: What the meter of `dlms_serve` shows: 812.5 kW out of the site; counters of another class, and of 64 bits.
SHOWN: Final = {
    "active_power_w": -812_500.0,
    "frequency_hz": 50.01,
    "energy_export_wh": 2**40 / 1000,
    "voltage_l1_n_v": 230.5,
    "current_l1_a": 1200.5,
}
#: What ours shows to the other library.
VALUES: Final = {
    "active_power_w": 812_500.0,
    "frequency_hz": 50.0,
    "energy_import_wh": 12_345_600.0,
    "voltage_l1_n_v": 230.5,
}
READ: Final = {
    "1.0.1.7.0.255": 812_500,
    "1.0.2.7.0.255": 0,
    "1.0.14.7.0.255": 50.0,
    "1.0.1.8.0.255": 12_345_600,
    "1.0.32.7.0.255": 230.5,
}


def report(out: Path) -> dict[str, str]:
    """Read both ways in each framing with each authentication; write ``OUT/dlms.json``, and return which were right."""
    python = {name: environment(out / f"env-{name}", packages) for name, packages in LIBRARIES.items()}
    found: dict[str, Any] = {}
    for framing, kind in product(FRAMINGS, ACCESS):
        found[f"pydlms/{framing}/{kind}"] = _reads_theirs(python["pydlms"], framing, kind)
        found[f"gurux/{framing}/{kind}"] = asyncio.run(_is_read_by(python["gurux"], framing, kind))
    (out / "dlms.json").write_text(json.dumps(found, indent=2) + "\n")
    return {name: "failed" if wrong else "passed" for name, wrong in found.items()}


def _reads_theirs(python: Path, framing: str, kind: str) -> str:
    """Return what is read otherwise than it is; empty where all is right."""
    command = [str(python), str(Path(__file__).with_name("dlms_serve.py")), framing, kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as peer:
        try:
            assert peer.stdout is not None
            meter = DlmsMeter(
                id="theirs",
                place=DlmsPlace(
                    transport="wrapper" if framing == "wrapper" else "hdlc_over_tcp",
                    host="127.0.0.1",
                    port=int(peer.stdout.readline()),
                ),
                address=Station(client=1, server=1),
                access=ACCESS[kind],
                profile=load_dlms_profile("dlms_electricity"),
                poll_s=1.0,
                timeout_s=5.0,
            )
            seen = asyncio.run(read_dlms_once(meter))
        finally:
            peer.kill()
    if isinstance(seen, Loss):
        return seen.reason
    told = (
        "energy_import_wh" in seen.invalid,  # an extended register, which the profile takes for a register
        "VAh" in seen.invalid["voltage_l2_n_v"],
        "no such object" in seen.invalid["current_l2_a"],
    )
    return "" if seen.values == SHOWN and all(told) else f"{dict(seen.values)}, {dict(seen.invalid)}"


async def _is_read_by(python: Path, framing: str, kind: str) -> str:
    """Return what is read otherwise than it is; empty where all is right."""
    ways = {"none": {}, "low": {"password": b"right"}, "high": {"keys": KEYS}}[kind]
    meter = DlmsUnit(
        objects=Objects(profile="dlms_electricity", values=VALUES), manners=Manners(block_bytes=60, **ways)
    )
    server = await serve_dlms("127.0.0.1", 0, {1: meter}, framing=framing)  # type: ignore[arg-type]
    port = server.sockets[0].getsockname()[1]
    script = str(Path(__file__).with_name("dlms_ask.py"))
    asking = await asyncio.create_subprocess_exec(
        str(python),
        *("-W", "ignore", script, framing, kind, str(port)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await asking.communicate()
    server.close()
    if asking.returncode:
        return complaint.decode()[-500:]
    found = json.loads(said)
    return "" if found == {"alone": READ, "together": READ} else str(found)
