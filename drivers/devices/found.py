"""How an agent found its devices before it first told them anything, so that it can hand them back: a small JSON file."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from drivers.devices.driver import DeviceSettings
from drivers.durable import replace_file

_log = logging.getLogger(__name__)
_VERSION: Final = 1


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    version: int
    found: dict[str, DeviceSettings]


class FoundSettings:
    """One file of one agent, by device id; for one loop.

    `unusable`: why a file that is there cannot be read, None where it can. Then it is left as it is and nothing is kept: what
    devices are set to by now is not how they were found.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.unusable: str | None = None
        self._found: dict[str, DeviceSettings] = {}
        try:
            self._found = dict(_read(path))
        except (OSError, ValueError, RecursionError) as error:
            self.unusable = f"{path}: {error}"
            _log.error("how devices were found is not known: %s", error, extra={"event": "found_unusable"})
        self._saved = dict(self._found)
        self._one = asyncio.Lock()

    @property
    def all(self) -> Mapping[str, DeviceSettings]:
        """What was found, by device."""
        return self._found

    async def keep(self, device: str, settings: DeviceSettings) -> None:
        """Have it found by a later start; what was found first stays. A disk that fails is told, and tried again with the next."""
        if self.unusable is None:
            self._found.setdefault(device, settings)
            await self._save()

    async def forget(self, device: str) -> None:
        """Note that a device has been handed back."""
        self._found.pop(device, None)
        await self._save()

    async def _save(self) -> None:
        async with self._one:
            wanted = dict(self._found)  # whoever waits for the lock meanwhile finds its own in it, and writes nothing
            if self.unusable is not None or wanted == self._saved:
                return
            content = msgspec.json.format(msgspec.json.encode(_File(version=_VERSION, found=wanted)))
            try:
                await asyncio.to_thread(replace_file, self._path, content, make_folder=True)
            except OSError as error:
                _log.error("settings as found are not stored: %s", error, extra={"event": "found_not_stored"})
                return
            self._saved = wanted


def _read(path: Path) -> Mapping[str, DeviceSettings]:
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except FileNotFoundError:
        return {}
    if file.version != _VERSION:
        raise ValueError(f"found version {file.version}, allowed is {_VERSION}")
    return file.found
