"""What both APIs of a Whatsminer come to: a power limit in watts, and mining that is on or off."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.devices.driver import DeviceSettings, Pool, Target
from drivers.errors import DriverLoss
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Activity


def setpoint_w(limit_w: float | None, model: Model, *, mines: bool) -> int | None:
    """Return what it runs on; a limit of 0 is none that is known."""
    return (round(limit_w or 0) or None) if mines else model.off_w


def activity(*, mines: bool, tunes: bool) -> Activity:
    """Return what it does."""
    if not mines:
        return Activity.OFF
    return Activity.STARTING if tunes else Activity.RUNNING


def settings(limit_w: float | None, pools: tuple[Pool, ...], *, mines: bool) -> DeviceSettings:
    """Return what it is set to; raises DriverLoss where it names no limit."""
    if limit_w is None:
        raise DriverLoss("it names no power limit")
    return DeviceSettings(limit_w=round(limit_w), asleep=not mines, pools=pools)


def findings(target: Target, *, tunes: bool, watts: float | None) -> Mapping[str, bool]:
    """Return what may look wrong about leading it, in sentences, and whether it does."""
    return {
        "it is tuning its boards": tunes,
        "it does not tell its watts": watts is None,
        "the file has no login for it: it can only be read": target.login is None,
        "no reading asks for its password: a wrong one shows when it is first told": target.login is not None,
    }
