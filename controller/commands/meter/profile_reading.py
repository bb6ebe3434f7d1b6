"""A meter read once by a profile, whether it is there or was captured: by the reader of the daemon."""

from __future__ import annotations

from collections.abc import Collection

from drivers.meters.modbus import ModbusMeter, Reader, read_fully
from drivers.meters.modbus.poll import Asks
from drivers.meters.profiles import Profile
from drivers.readings import Loss, Sample

#: Values by quantity, and why the others have none.
Shown = tuple[dict[str, float], dict[str, str]]


def meter_of(profile: Profile) -> ModbusMeter:
    """Return a meter of this profile; where it is, is known to whoever asks it."""
    return ModbusMeter(id=profile.id, profile=profile, poll_s=1.0, timeout_s=1.0)


async def read_by(
    asks: Asks, meter: ModbusMeter, *, start: int | None = None, only: Collection[str] | None = None
) -> Shown:
    """Return the values of the quantities of the meter's profile (of `only` these), and why the others have none.

    `start`: where the addresses count from; looked for where it is not given. Raises NoAnswer and DriverLoss.
    """
    seen = await reading_of(asks, meter, start=start, only=only)
    if isinstance(seen, Loss):
        return {}, dict.fromkeys(meter.profile.registers if only is None else only, seen.reason)
    return dict(seen.values), dict(seen.invalid)


async def reading_of(
    asks: Asks, meter: ModbusMeter, *, start: int | None = None, only: Collection[str] | None = None
) -> Sample | Loss:
    """Return the same as the daemon would see it."""
    return await read_fully(Reader(meter, start=start, only=only), asks)
