"""Every meter read with every other meter's profile: nothing that its samples say may vouch for a power that is wrong.

What is not refused by the driver or contradicted by the sample itself stays unproven, until the fleet has moved.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterable

import pytest

from controller.core.trust.plausibility import contradiction, off_grid, unready, vouched
from drivers.meters.modbus import ModbusMeter, read_bus
from drivers.meters.profiles import bundled_profiles
from drivers.readings import Loss, Quality, Sample
from simulators.substation.modbus_server import Unit, serve_gateway
from tests.drivers.meters.simulated import FULL_SCALE_W, POWER_W, case, profile_of
from tests.drivers.meters.watching import Seen, running

RATING_W = 2e6
#: Half of the steps of the coarsest meter, a LIN3.
COARSE_W = FULL_SCALE_W / 9999


@functools.cache
def meter_of(own: str, power_w: float) -> Unit:
    """Return the meter of a profile; what is not mapped reads as 0, which is the least that a wrong profile meets."""
    meter = case(own, unmapped="zero")
    meter.measure(power_w, 49.98)
    return meter.unit


def read_with(profile_id: str, owns: Iterable[str], power_w: float) -> dict[str, Sample | Loss]:
    """Return what one poll sees with this profile of the meters of others, which are all behind one gateway."""

    async def scenario() -> dict[str, Sample | Loss]:
        meters = list(owns)
        units = {unit: meter_of(own, power_w) for unit, own in enumerate(meters, 1)}
        server = await serve_gateway("127.0.0.1", 0, units=units)
        port, profile = server.sockets[0].getsockname()[1], profile_of(profile_id)
        points = [
            ModbusMeter(
                id=own,
                host="127.0.0.1",
                port=port,
                unit=unit,
                profile=profile,
                poll_s=60.0,
                poll_slow_s=60.0,
                timeout_s=5.0,
            )
            for unit, own in enumerate(meters, 1)
        ]
        seen = Seen()
        async with running(read_bus(points, seen)):
            await seen.until(lambda _: {each.meter for each in seen} == set(meters), deadline_s=60.0)
        server.close()
        return {each.meter: each for each in reversed(seen)}

    return asyncio.run(scenario())


def says_nothing_against(seen: Sample | Loss) -> bool:
    if (
        isinstance(seen, Loss)
        or seen.quality is not Quality.GOOD
        or unready(seen.values)
        or off_grid(seen.values, 50.0)
    ):
        return False
    return "active_power_w" in seen.values and contradiction(seen.values, RATING_W).against is None


@pytest.mark.parametrize("profile_id", bundled_profiles())
def test_of_no_other_meter_a_wrong_power_is_vouched_for(profile_id):
    for own, seen in read_with(profile_id, bundled_profiles(), POWER_W).items():
        if says_nothing_against(seen) and vouched(seen.values, RATING_W):
            assert seen.values["active_power_w"] == pytest.approx(POWER_W, rel=0.02), own


@pytest.mark.parametrize("own", bundled_profiles())
def test_its_own_profile_has_nothing_against_it(own):
    for power_w in (21_000.0, -300_000.0):
        seen = read_with(own, [own], power_w)[own]
        assert says_nothing_against(seen)
        assert seen.values["active_power_w"] == pytest.approx(power_w, rel=0.03, abs=COARSE_W)
