"""``surplusd meter test NODE --host opc.tcp://…``: a value of an OPC UA server, read once."""

from __future__ import annotations

from dataclasses import replace

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.opcua_source import OpcuaKeys, read
from controller.commands.meter.source_table import report
from controller.commands.signals import run_until_signal
from controller.terminal.telling import tell
from drivers.clock import boottime_s

_WITHIN_S = 10.0


def run(node: str, endpoint: str, keys: str, rating_w: float | None) -> int:
    """Read the node and print what it shows; raises ConfigError."""
    seen = run_until_signal(read(OpcuaKeys(endpoint, keys, node), [node], _WITHIN_S))
    told = report({name: replace(each, rating_w=rating_w) for name, each in seen.items()}, boottime_s())
    tell(*told.lines)
    tell("look at the lines with !" if told.bad else "nothing looks wrong; compare with what the meter displays")
    return NOT_GOOD if told.bad else DONE
