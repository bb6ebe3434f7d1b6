"""``surplusd meter probe opc.tcp://…``: how a server lets itself be read, and what it has that may be a meter's power."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from asyncua import ua
from asyncua.ua.uaerrors import UaError

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.layout import fold, note, one, table
from controller.commands.meter.opcua_source import OpcuaKeys, read
from controller.commands.meter.source import Source
from controller.commands.signals import run_until_signal
from controller.core.reasons import Code
from controller.terminal.telling import tell
from controller.texts.english import predicate
from drivers.errors import ConfigError, DriverLoss
from drivers.meters.opcua.browse import Found, find
from drivers.meters.opcua.connect import Door, offered_endpoints, policy_and_mode
from drivers.meters.opcua.line import OpcuaLine
from drivers.meters.opcua.units import is_known
from drivers.meters.profiles import REQUIRED

#: Nodes that are read, and lines that are proposed.
_MOST: Final = 100
_MOST_LINES: Final = 10
_WITHIN_S: Final = 10.0
#: How the driver says that a variable is of another kind than power, or no number.
_STATED: Final = re.compile(r"states the unit (.+), which is none of")
_OTHER: Final = ("which is none of", "is not a number", "states no unit that is known")


def run(endpoint: str, keys: str) -> int:
    """Ask the server, and print what it offers and what the site file would say; status 0 where a power is read."""
    asked = OpcuaKeys(endpoint, keys)
    try:
        offered = run_until_signal(offered_endpoints(asked.server))
        tell(f"{endpoint}: nothing is written to it", *(f"  {line}" for line in _offers(offered)))
        found = run_until_signal(_found(asked))
    except DriverLoss as loss:
        raise ConfigError(f"{loss}{_remedy(asked)}") from loss
    nodes = [*found.meters, *found.stated, *(found.unstated if asked.source.unit else ())]
    seen = run_until_signal(read(asked, nodes[:_MOST], _WITHIN_S)) if nodes else {}
    tell(*_told(asked, found, seen))
    return DONE if _powers(seen) else NOT_GOOD


async def _found(asked: OpcuaKeys) -> Found:
    if asked.node is not None:
        return Found(meters=(asked.node,))
    async with Door(asked.server).open() as client:
        line = OpcuaLine(client)
        await line.learn_limits()
        try:
            return await find(line)
        except UaError as error:
            raise DriverLoss(f"{asked.source.endpoint} does not let itself be browsed: {error}") from error


def _offers(endpoints: Sequence[ua.EndpointDescription]) -> Iterator[str]:
    """Yield how the server may be reached, and by whom."""
    ways = {_way(each): sorted({token.TokenType.name for token in each.UserIdentityTokens}) for each in endpoints}
    for way, users in sorted(ways.items()):
        yield f"{way}: {', '.join(users) or 'nobody'}"


def _way(endpoint: ua.EndpointDescription) -> str:
    plain = endpoint.SecurityMode == ua.MessageSecurityMode.None_
    return "nothing is protected (security: none)" if plain else policy_and_mode(endpoint)


def _remedy(asked: OpcuaKeys) -> str:
    return "" if asked.source.security else "; --keys takes what stands behind opcua: in the site file, security too"


def _powers(seen: Mapping[str, Source]) -> list[Source]:
    return [each for each in seen.values() if REQUIRED in each.values]


def _told(asked: OpcuaKeys, found: Found, seen: Mapping[str, Source]) -> Iterator[str]:
    powers = _powers(seen)
    lost = [each for each in seen.values() if each not in powers and (asked.node or not _is_other(each))]
    yield ""
    if powers:
        yield from table([("NODE", "POWER"), *((each.name, one(REQUIRED, each.plain[REQUIRED])) for each in powers)])
    for each in lost:
        yield from note("!", f"{each.name}: {_why(each).removeprefix(f'{each.name}: ')}", indent=0)
    for text in dict.fromkeys(_noted(powers)):
        yield from note("i", text, indent=0)
    for text in _unknown(seen):
        yield from note("i", text, indent=0)
    others = len(seen) - len(powers) - len(lost) + (0 if asked.source.unit else len(found.unstated))
    if others:
        yield f"{others} other variables state no unit of power; --keys 'unit: kW' tries those that state none"
    if not found.all or len(seen) > _MOST:
        yield "there is more than was looked at; --keys 'node: ...' asks for one"
    if powers:
        yield from fold("For the site file:")
    for each in powers[:_MOST_LINES]:
        yield f"    {asked.line(each.name)}"


def _is_other(source: Source) -> bool:
    return any(text in _why(source) for text in _OTHER)


def _why(source: Source) -> str:
    return source.lost or "; ".join(source.invalid.values())


def _unknown(seen: Mapping[str, Source]) -> Iterator[str]:
    """Yield each unit that nobody but the plant knows, with a variable that states it: perhaps it means a power."""
    nodes = defaultdict[str, list[str]](list)
    for each in seen.values():
        if (found := _STATED.search(_why(each))) and not is_known(found[1]):
            nodes[found[1]].append(each.name)
    for name, stating in list(nodes.items())[:_MOST_LINES]:
        more = f" and {len(stating) - 1} more" if len(stating) > 1 else ""
        yield f"{stating[0]}{more}: the unit {name!r} is unknown; where it is a power, unit and unit_stated_as say so"


def _noted(powers: Sequence[Source]) -> Iterator[str]:
    for each in powers:
        for reason in each.reasons:
            if reason.code is Code.VALUE_NOTED:
                yield f"{each.name}: {predicate(reason)}"
