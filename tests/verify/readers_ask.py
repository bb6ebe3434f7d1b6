"""Asks miners with a library that is not ours, in an environment of its own: ``python readers_ask.py pyasic|pyasic_rs ADDRESS…``.

Prints a JSON object: by address what the library takes the miner for, its watts, its mode or limit, and its pools.
"""

from __future__ import annotations

import asyncio
import json
import sys


async def pyasic(address: str) -> dict[str, object]:
    import pyasic as library

    miner = await library.get_miner(address)
    if miner is None:
        return {}
    found = {"is": f"{type(miner).__name__}: {miner.make} {miner.model} {miner.firmware}"}
    try:
        data = await miner.get_data()
    except Exception as error:  # noqa: BLE001  what the library makes of a miner is what is asked for
        return {**found, "error": repr(error)}
    return {
        **found,
        "watts": data.wattage,
        "limit": data.wattage_limit,
        "mines": data.is_mining,
        "mac": data.mac,
        "pools": [str(pool.url) for pool in data.pools or [] if pool.url is not None],
    }


async def pyasic_rs(address: str) -> dict[str, object]:
    from pyasic_rs import MinerFactory

    miner = await MinerFactory().get_miner(address)
    if miner is None:
        return {}
    data = await miner.get_data()
    return {
        "is": f"{miner.make} {miner.model} {miner.firmware}",
        "watts": data.wattage,
        "limit": str(data.tuning_target),
        "mines": data.is_mining,
        "mac": str(data.mac),
        "pools": [str(pool.url) for group in data.pools for pool in group.pools if pool.url is not None],
    }


async def main(library: str, addresses: list[str]) -> None:
    ask = {"pyasic": pyasic, "pyasic_rs": pyasic_rs}[library]
    found = {}
    for address in addresses:
        try:
            found[address] = await asyncio.wait_for(ask(address), 30)
        except Exception as error:  # noqa: BLE001  one miner, not all
            found[address] = {"error": repr(error)}
    sys.stdout.write(json.dumps(found, default=str))


asyncio.run(main(sys.argv[1], sys.argv[2:]))
