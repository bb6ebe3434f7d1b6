"""``surplusd meter test``: a meter, or a capture of one, read once by a profile."""

from __future__ import annotations

from pathlib import Path

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.capture import read_capture, refuse_existing, write_capture
from controller.commands.meter.meter_line import Address, opened
from controller.commands.meter.profile_reading import Shown, read_by
from controller.commands.meter.source import Source
from controller.commands.meter.source_table import report
from controller.commands.signals import run_until_signal
from controller.terminal.telling import tell
from drivers.errors import CommandLineWrong, ConfigError, DriverLoss
from drivers.meters.profiles import Profile
from drivers.readings import Quality


def run(profile: Profile, address: Address | None, capture: Path | None, rating_w: float | None) -> int:
    """Read the meter at `address`, and write the capture; without an address, read the capture. Print what it shows."""
    try:
        values, invalid = run_until_signal(_read(profile, address, capture))
    except DriverLoss as loss:
        raise ConfigError(str(loss)) from loss
    shown = Source(
        name=profile.id,
        where=str(address or capture),
        suspect_s=float("inf"),
        rating_w=rating_w,
        profile=profile,
        values={name: (value, 0.0) for name, value in values.items()},
        invalid=invalid,
        quality=Quality.GOOD,
        lost="",
    )
    told = report({profile.id: shown}, 0.0)
    tell(*told.lines)
    tell("look at the lines with !" if told.bad else "nothing looks wrong; compare with what the meter displays")
    return NOT_GOOD if told.bad else DONE


async def _read(profile: Profile, address: Address | None, capture: Path | None) -> Shown:
    if address is not None:
        return await read_and_capture(profile, address, capture)
    if capture is None:
        raise CommandLineWrong("found neither --host nor --capture, allowed is one of them")
    return await read_by(read_capture(capture).read, profile)


async def read_and_capture(profile: Profile, address: Address, capture: Path | None) -> Shown:
    """Return what the meter at `address` shows, and write down what it was asked and answered, also where it is lost.

    Raises ConfigError and DriverLoss.
    """
    refuse_existing(capture)
    async with opened(address) as line:
        try:
            return await read_by(line.read, profile)
        finally:
            if capture is not None:
                write_capture(capture, line.log)
