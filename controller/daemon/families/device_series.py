"""The series of devices for Prometheus, of which there are thousands: as text, some devices at a time.

A template for so many devices is laid down once, and a family is one replacement and one formatting of it: a thirtieth of what the
library takes, and short enough that the tick, which waits for the interpreter meanwhile, does not notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.core.site import F64, Bool, Site
from controller.daemon.families.as_text import escape, gauge_text, heading
from controller.daemon.latest import DEVICE_STATES, DeviceColumns

#: Devices whose series are made in one go: some tenths of a millisecond, and about 100 kB.
AT_ONCE: Final = 1000
#: Devices of one page.
PAGE: Final = 10_000
_SETPOINT: Final = "surplusd_device_setpoint_watts", "Watts that the device may draw."
_MEASURED: Final = "surplusd_device_power_watts", "Watts as the device reports them."
_STATES: Final = ", ".join(f"{code} {name}" for code, name in enumerate(DEVICE_STATES))
_STATE: Final = "surplusd_device_state", f"State of the device: {_STATES}."


class DeviceDetail(StrEnum):
    """What is shown of devices: each, or how they are at each node, or nothing."""

    ALL = "all"
    NODES = "nodes"
    NONE = "none"


class DeviceSeries:
    """The families of one value per device, and of what devices come to at their nodes."""

    def __init__(self, site: Site) -> None:
        """Lay the labels down once, in the order of the site's devices."""
        devices, nodes = site.devices, site.tree.ids
        self._count, self._nodes, self._node = len(devices.ids), [escape(node) for node in nodes], devices.node
        labels = [
            f'device="{escape(device)}",node="{escape(nodes[node])}",agent="{escape(site.agents[agent])}"'
            for device, node, agent in zip(devices.ids, devices.node.tolist(), devices.agent.tolist(), strict=True)
        ]
        self._templates = [_template(labels[first : first + AT_ONCE]) for first in range(0, self._count, AT_ONCE)]

    @property
    def pages(self) -> int:
        """Return how many pages there are."""
        return -(-self._count // PAGE)

    def chunks(self, setpoint_w: F64 | None, columns: DeviceColumns, page: int | None = None) -> Iterator[str]:
        """Yield the three families, of one page (from 1) or of all; the setpoints are left out before the first decision."""
        first, until = (0, self._count) if page is None else ((page - 1) * PAGE, min(page * PAGE, self._count))
        families = [(_MEASURED, columns.measured_w), (_STATE, columns.state)]
        if setpoint_w is not None:
            families.insert(0, (_SETPOINT, setpoint_w))
        for (name, text), column in families:
            yield heading(name, text)
            for begin in range(first, until, AT_ONCE):
                # A label has no line break in it, so that a name belongs behind each.
                template = self._templates[begin // AT_ONCE].replace("\n", f"\n{name}")
                yield f"{name}{template}\n" % _whole(column[begin : begin + AT_ONCE])

    def of_nodes(self, columns: DeviceColumns) -> Iterator[str]:
        """Yield, by node, what the devices that stand at it draw as they report it, and how many are in each state."""
        known = np.isfinite(columns.measured_w)
        watts = np.bincount(self._node, weights=np.where(known, columns.measured_w, 0.0), minlength=len(self._nodes))
        there = np.bincount(self._node, minlength=len(self._nodes)) > 0
        name, text = "surplusd_node_devices_watts", "Watts of the devices at the node as they report them."
        yield gauge_text(name, text, "node", _at(self._nodes, watts, there))
        name = "surplusd_node_devices"
        yield heading(name, "Devices at the node, by their state.")
        for code, state in enumerate(DEVICE_STATES):
            counts = np.bincount(self._node[columns.state == code], minlength=len(self._nodes))
            yield "".join(
                f'{name}{{node="{node}",state="{state}"}} {count:.0f}\n'
                for node, count in _at(self._nodes, counts, there)
            )


def _at(nodes: Sequence[str], values: NDArray[Any], there: Bool) -> Iterator[tuple[str, float]]:
    return ((nodes[n], values[n]) for n in np.flatnonzero(there).tolist())


def _template(labels: Sequence[str]) -> str:
    return "\n".join(f"{{{label.replace('%', '%%')}}} %s" for label in labels)


def _whole(column: NDArray[Any]) -> tuple[object, ...]:
    """Return whole watts, which is finer than any device is measured, and NaN where there is no value."""
    known = np.isfinite(column)
    values: list[object] = np.rint(np.where(known, column, 0.0)).astype(np.int64).tolist()
    for unknown in np.flatnonzero(~known):
        values[unknown] = "NaN"
    return tuple(values)
