"""Which skips are allowed, and why. Any other skip fails, and where the variable CI is set every one does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, TypeVar

import pytest

#: The reason that a skip gives -> why it may be given. `.ci/run` installs all of these programs.
ALLOWED: Final[Mapping[str, str]] = {
    "mosquitto is not installed": "a real broker for MQTT 5; the embedded one, which is always there, speaks 3.1.1",
    "prometheus is not installed": "it asks every query of the dashboard; no package of Python can",
    "promtool is not installed": "it judges alerts and exposition; it comes with prometheus",
    "mbpoll is not installed": "an independent Modbus client; the other tests use pymodbus",
    "nginx is not installed": "the proxy that the manual has, before the real interface",
    "sqlite3 is not installed": "it copies a journal that is being written, as the manual says",
    "openssl is not installed": "it makes the keys and certificates as the manual says",
    "node is not installed": "an agent in another language than ours, written from the contract",
    "@grafana/data is not installed: npm ci --prefix tests/deploy/grafana": "Grafana's own library, from the registry of npm; where that is not reached no colour of a panel is judged",
    "node-opcua is not installed: npm ci --prefix tests/drivers/meters/opcua/node_opcua": "OPC UA servers of another maker, from the registry of npm; where that is not reached they are asyncua's alone",
    "libmodbus is not installed": "a Modbus server of another maker; mbpoll brings it",
    "modbus-serial is not installed: npm ci --prefix tests/controller/commands/modbus_serial": "another one, from the registry of npm",
    "prometheus-alertmanager is not installed": "it takes the shipped file, and sends what it would send",
    "chromium is not installed": "a real browser that draws the page",
    "cc is not installed": "it builds the simulated NVML, over which nvidia-ml-py runs without a GPU",
    "only root may install a Debian": "the package is tried on a fresh one, in a container; `make package` alone does it",
    "mmdebstrap is not installed": "it makes that Debian",
    "systemd-nspawn is not installed": "it boots that Debian",
    "systemd-analyze is not installed": "it judges the unit, on Linux with systemd only",
}

R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


def judged(report: R) -> R:
    """Return the report, failed if it is a skip that may not be."""
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
        reason = reason.removeprefix("Skipped: ")
        if os.environ.get("CI"):
            report.outcome, report.longrepr = "failed", f"nothing may be skipped in CI: {reason}"
        elif reason not in ALLOWED:
            report.outcome, report.longrepr = "failed", f"not an allowed reason for a skip (tests/skips.py): {reason}"
    return report
