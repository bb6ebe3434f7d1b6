"""Hands devices back as they were found; for ``surplusd agent release``."""

from __future__ import annotations

from collections.abc import Collection

from controller.agent.equipment import equipment_of, found_file
from controller.agent.model import AgentFile
from drivers.devices.found import FoundSettings
from drivers.errors import ConfigError


async def hand_back(file: AgentFile, only: Collection[str] = ()) -> dict[str, str]:
    """Return, by device, why it is not as it was found; empty where it is. `only`: these devices, else all that were led.

    Raises ConfigError for a device that was not led, or where it is not known how devices were found.
    """
    found = FoundSettings(found_file(file))
    if found.unusable is not None:
        raise ConfigError(f"how devices were found is not known: {found.unusable}; set them by hand")
    wanted = sorted(only or found.all)
    strange = [id_ for id_ in wanted if id_ not in found.all]
    if strange:
        raise ConfigError(f"found {', '.join(strange)}; allowed are devices that were led: {', '.join(found.all)}")
    equipment = equipment_of(file, found)
    outcomes = {}
    try:
        for id_ in wanted:
            guard = equipment.guards.get(id_)
            outcomes[id_] = "it is not in the file" if guard is None else await guard.hand_back(found.all[id_])
            if not outcomes[id_]:
                await found.forget(id_)
    finally:
        await equipment.close()
    return outcomes
