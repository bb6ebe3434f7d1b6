"""The series per device, of which there are thousands, as text."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from controller.core.site import F64, Site
from controller.daemon.latest import DEVICE_STATES


class DeviceText:
    """The families of one value per device, as text."""

    def __init__(self, site: Site) -> None:
        """Lay the labels down once, in the order of the site's devices."""
        devices, nodes = site.devices, site.tree.ids
        labels = [
            f'device="{escape(device)}",node="{escape(nodes[node])}",agent="{escape(site.agents[agent])}"'
            for device, node, agent in zip(devices.ids, devices.node, devices.agent, strict=True)
        ]
        states = ", ".join(f"{code} {name}" for code, name in enumerate(DEVICE_STATES))
        self._setpoint = _template("surplusd_device_setpoint_watts", "Watts that the device may draw.", labels)
        self._measured = _template("surplusd_device_power_watts", "Watts as the device reports them.", labels)
        self._state = _template("surplusd_device_state", f"State of the device: {states}.", labels)

    def render(self, setpoint_w: F64 | None, measured_w: F64, state: Iterable[int]) -> str:
        """Return the three families; the setpoints are left out before the first decision."""
        families = [self._measured % _watts(measured_w), self._state % tuple(state)]
        if setpoint_w is not None:
            families.insert(0, self._setpoint % _watts(setpoint_w))
        return "".join(families)


def escape(label: str) -> str:
    """Return a label's value as the text format wants it between quotes."""
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _template(name: str, text: str, labels: Iterable[str]) -> str:
    head = f"# HELP {name} {text}\n# TYPE {name} gauge\n"
    return head + "".join(f"{name}{{{label.replace('%', '%%')}}} %s\n" for label in labels)


def _watts(column: F64) -> tuple[object, ...]:
    """Return whole watts, which is finer than any device is measured, and NaN where there is no value."""
    known = np.isfinite(column)
    watts: list[object] = np.rint(np.where(known, column, 0.0)).astype(np.int64).tolist()
    for unknown in np.flatnonzero(~known):
        watts[unknown] = "NaN"
    return tuple(watts)
