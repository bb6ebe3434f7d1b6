"""``surplusd meter test``: a meter, or a capture of one, read once by a profile."""

from __future__ import annotations

from pathlib import Path

from controller.commands import DONE, NOT_GOOD
from controller.commands.meter.capture import read_capture, refuse_existing, write_capture
from controller.commands.meter.meter_line import Address, opened
from controller.commands.meter.profile_reading import reading_of
from controller.commands.meter.source import Source
from controller.commands.meter.source_table import report
from controller.commands.signals import run_until_signal
from controller.terminal.telling import tell
from drivers.clock import boottime_s
from drivers.errors import CommandLineWrong, ConfigError, DriverLoss
from drivers.meters.modbus import ModbusMeter
from drivers.readings import Loss, Sample


def run(meter: ModbusMeter, address: Address | None, capture: Path | None, rating_w: float | None) -> int:
    """Read the meter at `address`, and write the capture; without an address, read the capture. Print what it shows."""
    try:
        seen = run_until_signal(_read(meter, address, capture))
    except DriverLoss as loss:
        raise ConfigError(str(loss)) from loss
    name = meter.profile.id
    unread = Source(
        name=name, where=str(address or capture), suspect_s=float("inf"), rating_w=rating_w, profile=meter.profile
    )
    told = report({name: unread.taken(seen, ())}, boottime_s())
    tell(*told.lines)
    tell("look at the lines with !" if told.bad else "nothing looks wrong; compare with what the meter displays")
    return NOT_GOOD if told.bad else DONE


async def _read(meter: ModbusMeter, address: Address | None, capture: Path | None) -> Sample | Loss:
    if address is not None:
        return await read_and_capture(meter, address, capture)
    if capture is None:
        raise CommandLineWrong("found neither --host nor --capture, allowed is one of them")
    return await reading_of(read_capture(capture), meter)


async def read_and_capture(meter: ModbusMeter, address: Address, capture: Path | None) -> Sample | Loss:
    """Return what the meter at `address` shows, and write down what it was asked and answered, also where it is lost.

    Raises ConfigError and DriverLoss.
    """
    refuse_existing(capture)
    async with opened(address) as line:
        try:
            return await reading_of(line, meter)
        finally:
            if capture is not None:
                write_capture(capture, line.log)
