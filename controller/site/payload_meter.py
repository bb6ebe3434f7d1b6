"""What the site file says of a meter that sends messages, as the drivers know it."""

from __future__ import annotations

from typing import Any, Final

from controller.site.payload_sources import MqttSource, PayloadSource, StampPart
from controller.site.unknown import UNKNOWN
from drivers.errors import ConfigError
from drivers.meters.orientation import Orientation
from drivers.meters.payloads.fields import Field
from drivers.meters.payloads.profiles import PayloadProfile, load_payload, spot_of
from drivers.meters.payloads.reading import PayloadMeter, placed
from drivers.meters.payloads.stamps import Stamp
from drivers.meters.profiles import REQUIRED
from drivers.quantities import QuantityKind

#: What a meter is called by that has no profile.
PLACED: Final = "own"


def profile_of(source: PayloadSource) -> PayloadProfile:
    """Return the profile of a source, or one of its power alone; raises ConfigError."""
    if source.profile is not None:
        return load_payload(source.profile)
    power = Field(
        kind=QuantityKind.POWER,
        spots=(spot_of(source.at or ""),),
        unit_at=None if source.unit_at is None else spot_of(source.unit_at),
        written=source.written,
    )
    return placed(PLACED, power, source.form)


def known_profile(source: PayloadSource) -> PayloadProfile | None:
    """Return the same, None where the file is wrong about it, which is said elsewhere."""
    if source.profile is UNKNOWN or source.at is UNKNOWN or (source.profile is None and source.at is None):
        return None
    try:
        return profile_of(source)
    except ConfigError:
        return None


def payload_meter(name: str, source: PayloadSource, quantity: str = REQUIRED) -> PayloadMeter:
    """Return the meter but for where its messages come from; raises ConfigError. `quantity`: what its power is published as."""
    stamp: Any = "profile"
    if "stamp" in source.model_fields_set:
        stamp = None if source.stamp is None else _stamp(source.stamp)
    return PayloadMeter(
        id=name,
        profile=profile_of(source),
        stamp=stamp,
        unit=source.unit,
        scale=source.scale,
        orientation=Orientation(
            sign=source.sign, swap_counters=source.swap_counters, ct_ratio=source.ct_ratio, quantity=quantity
        ),
    )


def expected_every_s(source: MqttSource) -> float:
    """Return how often a message is expected, in s: as the site file says, else the profile."""
    if source.every_s is not None:
        return source.every_s
    profile = known_profile(source)
    return 1.0 if profile is None else profile.every_s


def _stamp(part: StampPart) -> Stamp:
    max_age = {} if part.max_age_s is None else {"max_age_s": part.max_age_s}
    return Stamp(spot=spot_of(part.at), form=part.form, of=part.of, **max_age)
