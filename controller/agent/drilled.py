"""A drill of one device of an agent's file, and its evidence as a file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from controller.agent.drilling import Drill
from controller.agent.equipment import equipment_of, expected_of, found_file
from controller.agent.model import AgentFile
from drivers.clock import Clock, boottime_s
from drivers.devices.families import load_families
from drivers.devices.found import FoundSettings
from drivers.errors import ConfigError


async def drill_of(
    file: AgentFile, device: str, clock: Clock = boottime_s, *, tell: Callable[[str], None] = lambda _line: None
) -> dict[str, Any]:
    """Return the evidence of a drill of that device, of whose steps `tell` is told; raises ConfigError for one that is not in the file, DriverLoss for a silent one."""
    entry = next((one for one in file.devices if one.id == device), None)
    if entry is None:
        raise ConfigError(f"found {device!r}; allowed are {', '.join(one.id for one in file.devices)}")
    found = FoundSettings(found_file(file))
    was_led = device in found.all
    equipment = equipment_of(file, found)
    ports, leased = equipment.ports[device], equipment.leased[device]
    guard = equipment.guards[device]
    family = load_families()[entry.family]
    drill = Drill(guard=guard, relay=ports.relay, leased=leased, family=family, clock=clock, tell=tell)
    try:
        evidence = await drill.run()
        if not was_led and not evidence.wrong:
            await found.forget(device)
    finally:
        await equipment.close()
    return {
        "device": device,
        "model": entry.model,
        "family": entry.family,
        "serial_or_mac": expected_of(entry),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        **evidence.figures(),
    }


def write_evidence(path: Path, evidence: dict[str, Any]) -> str:
    """Write the evidence, and return its text; raises ConfigError where that cannot be."""
    text = yaml.safe_dump(evidence, sort_keys=False, allow_unicode=True)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return text
