"""A value of an OPC UA server, for a person who is finding out how it is read: by the driver and the keys of the site file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from controller.commands.meter.source import NOT_HEARD, Source
from controller.core.reasons import Code, Reason
from controller.daemon.meters.opcua import server_drivers, server_of
from controller.daemon.meters.supervision import run_drivers
from controller.site.check_access import UNPROTECTED, opcua_problems
from controller.site.document import document_of
from controller.site.reading import FileKind
from controller.site.sources import OpcuaSource
from drivers.ending import end
from drivers.errors import ConfigError
from drivers.meters.opcua.points import Server, parse_node
from drivers.readings import Loss, Sample

_KEYS: Final = FileKind(OpcuaSource, "keys of an OPC UA source")
#: What stands for a node where the server is asked what it has.
_ANY_NODE: Final = "i=85"
#: What a server has besides its first value follows within this time.
_REST_S: Final = 0.5
#: By which a server is told to be slow, as by a site file that says nothing else.
_SUSPECT_S: Final = 6.0


class OpcuaKeys:
    """The endpoint, and the keys that a person has given for it: `given` as they stand, without `endpoint` and `node`."""

    def __init__(self, endpoint: str, text: str, node: str | None = None) -> None:
        """Read the keys, a mapping as it stands behind `opcua:`, with or without its braces; raises ConfigError."""
        bare = text.strip()
        document = document_of(Path("--keys"), bare if bare.startswith("{") else f"{{{bare}}}")
        given = document.data if isinstance(document.data, dict) else {}
        self.given: Mapping[str, Any] = {key: each for key, each in given.items() if key not in {"endpoint", "node"}}
        self.node = node or given.get("node")
        document.data = {"security": "none", **given, "endpoint": endpoint, "node": self.node or _ANY_NODE}
        if document.data["security"] == "none" and "username" not in given:  # a password is not to be read by others
            document.data.setdefault("unprotected", UNPROTECTED)
        self.source = _KEYS.read(document)
        problems = [*document.problems, *opcua_problems((), self.source)]
        if problems:
            raise ConfigError("\n".join(_KEYS.lines(document, problems)))
        parse_node(self.source.node, "--keys")

    @property
    def server(self) -> Server:
        """The server as the daemon would reach it; raises ConfigError where a password cannot be read."""
        return server_of(self.source)

    def line(self, node: str) -> str:
        """Return the line of the site file that reads a node with these keys."""
        pairs = {"node": node, "security": "none", **self.given}
        written = ", ".join(f"{key}: {_written(each)}" for key, each in pairs.items())
        return f"opcua: {{endpoint: {self.source.endpoint}, {written}}}"


def _written(value: Any) -> str:
    plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z]\w*", value)
    return value if plain else json.dumps(value, ensure_ascii=False)


async def read(keys: OpcuaKeys, nodes: Sequence[str], within_s: float) -> dict[str, Source]:
    """Return what each node shows, read by the driver of the daemon; one that says nothing in time is lost."""
    sources = {node: keys.source.model_copy(update={"node": node}) for node in nodes}
    seen = {node: Source(name=node, where=keys.source.endpoint, suspect_s=_SUSPECT_S) for node in nodes}
    heard = asyncio.Event()

    def publish(item: Sample | Loss) -> None:
        seen[item.meter] = seen[item.meter].taken(item, tuple(_notes(item)))
        heard.set()

    # What the driver logs of losses is printed, too.
    logging.getLogger().addHandler(logging.NullHandler())
    made = server_drivers(sources, {}, dict.fromkeys(nodes, _SUSPECT_S), publish)
    running = asyncio.create_task(run_drivers(made, publish), name="drivers")
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while any(source.lost == NOT_HEARD for source in seen.values()):
                    heard.clear()
                    await heard.wait()
                await asyncio.sleep(_REST_S)
    finally:
        await end([running])
    return seen


def _notes(item: Sample | Loss) -> Iterator[Reason]:
    notes = item.notes if isinstance(item, Sample) else {}
    for quantity, note in notes.items():
        yield Reason(Code.VALUE_NOTED, item.meter, {"quantity": quantity, "note": note})
