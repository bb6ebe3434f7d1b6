"""The socket beside the web server of most miners: TCP 4028, one JSON command a connection, reads alone.

No driver of ours asks it where there is HTTP; scanners of others know a miner by it. Its answers have the fields of recorded ones:
Antminer (github:256foundation/asic-rs fdcd1018, antminer v2020), VNish (github:block/proto-fleet 2dc174bb, antminer-vnish/rpc),
Braiins OS (asic-rs braiins v24_09 version.json; its `devdetails` as pyasic e2b9d357 reads it).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from simulators.devices.server import UnitServer
from simulators.devices.unit import DeviceUnit

Said = Callable[[DeviceUnit], Mapping[str, Any]]


class CgminerServer(UnitServer):
    """The socket of one miner; `says`: the parts of its answers, by verb."""

    def __init__(self, unit: DeviceUnit, says: Mapping[str, Said], *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(unit, self._answer, host=host, port=port)
        self._unit, self._says = unit, says

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = msgspec.json.decode(await reader.read(4096))
        except msgspec.DecodeError:
            return
        verb = request.get("command") if isinstance(request, dict) else None
        self._unit.asked(f"cgminer {verb}", writes=False)
        writer.write(msgspec.json.encode(self._said(str(verb))) + b"\x00")
        await writer.drain()

    def _said(self, verb: str) -> dict[str, Any]:
        if "+" in verb:
            return {each: [self._said(each)] for each in verb.split("+")} | {"id": 1}
        letter, said = ("S", self._says[verb](self._unit)) if verb in self._says else ("E", {})
        status = {"STATUS": letter, "When": 1755615294, "Code": 22, "Msg": verb, "Description": "cgminer 1.0.0"}
        return {"STATUS": [status], **said, "id": 1}


def _pools(unit: DeviceUnit) -> dict[str, Any]:
    pools = [
        {
            "POOL": place,
            "URL": pool.url,
            "User": pool.user,
            "Status": "Alive",
            "Priority": place,
            "Accepted": 4057,
            "Rejected": 11,
            "Get Failures": 0,
            "Remote Failures": 0,
            "Stratum Active": place == 0,
        }
        for place, pool in enumerate(unit.pools)
    ]
    return {"POOLS": pools}


def _summary(unit: DeviceUnit) -> dict[str, Any]:
    most = unit.model.modes[-1]
    hashes_ghs = 1000 * most.hashrate_ths * unit.draw_w / most.watts
    return {"SUMMARY": [{"Elapsed": int(unit.uptime_s), "GHS 5s": hashes_ghs, "GHS av": hashes_ghs, "Accepted": 4057}]}


def _antminer_version(_unit: DeviceUnit) -> dict[str, Any]:
    compiled = "Tue Dec  6 16:12:30 CST 2022"
    version = {
        "API": "3.1",
        "BMMiner": "1.0.0",
        "CompileTime": compiled,
        "Miner": "49.0.1.3",
        "Type": "Antminer S21 Pro",
    }
    return {"VERSION": [version]}


def _antminer_stats(unit: DeviceUnit) -> dict[str, Any]:
    head = {"BMMiner": "1.0.0", "Miner": "49.0.1.3", "Type": "Antminer S21 Pro"}
    return {"STATS": [head, {"Elapsed": int(unit.uptime_s), "ID": "BTM_SOC0", "chain_power": f"{unit.said_w:.0f} W"}]}


def _vnish_stats(unit: DeviceUnit) -> dict[str, Any]:
    head = {"Type": "Antminer S19 XP (Vnish 1.2.7)", "Miner": "0.0.0", "Cgminer": "1.2.7"}
    return {"STATS": [head, {"Elapsed": int(unit.uptime_s), "state": "mining"}]}


def _braiins_version(_unit: DeviceUnit) -> dict[str, Any]:
    return {"VERSION": [{"API": "3.7", "BOSer": "boser-buildroot 0.1.0-75912fc7"}]}


def _braiins_details(_unit: DeviceUnit) -> dict[str, Any]:
    return {"DEVDETAILS": [{"DEVDETAILS": 0, "ID": 0, "Name": "BOSer", "Model": "Bitmain Antminer S21"}]}


#: What the socket of each family says that has one beside HTTP.
BESIDE: Final[Mapping[str, Mapping[str, Said]]] = {
    "antminer-stock": {
        "version": _antminer_version,
        "stats": _antminer_stats,
        "summary": _summary,
        "pools": _pools,
    },
    "braiins": {"version": _braiins_version, "devdetails": _braiins_details, "summary": _summary, "pools": _pools},
    "vnish": {"stats": _vnish_stats, "summary": _summary, "pools": _pools},
}
