"""One meter, and what it has shown so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from controller.core.trust.meter_trust import Witness, hear
from drivers.meters.profiles import Profile
from drivers.readings import Loss, Quality, Sample

#: Why a source has no values before its driver has said anything.
NOT_HEARD: Final = "no answer yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One meter of the site file, or the source of the surplus, and what it has shown so far.

    `values`: quantity to its newest value and when it was taken. `lost`: why it is not read, empty while it is.
    `rating_w`, `profile`: None where there is none. `for_surplus`: the only value is the surplus. `suspect_s`: age from which the daemon lets nothing rise on it.
    """

    name: str
    where: str
    suspect_s: float
    rating_w: float | None = None
    profile: Profile | None = None
    for_surplus: bool = False
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    invalid: Mapping[str, str] = field(default_factory=dict)
    quality: Quality = Quality.BAD
    lost: str = NOT_HEARD
    witness: Witness = field(default_factory=Witness)

    @property
    def plain(self) -> dict[str, float]:
        """The values alone."""
        return {quantity: value for quantity, (value, _) in self.values.items()}

    def taken(self, item: Sample | Loss) -> Source:
        """Return the source after its driver has said this."""
        if isinstance(item, Loss):
            return replace(self, quality=Quality.BAD, lost=item.reason)
        said = {*item.values, *item.invalid}
        rating_w = math.inf if self.rating_w is None else self.rating_w
        good = item.quality is Quality.GOOD
        witness = hear(self.witness, item.values, item.taken_at_s, rating_w) if good else self.witness
        values = {name: value for name, value in self.values.items() if name not in said}
        invalid = {name: reason for name, reason in self.invalid.items() if name not in said}
        return replace(
            self,
            values=values | {name: (value, item.taken_at_s) for name, value in item.values.items()},
            invalid=invalid | dict(item.invalid),
            quality=item.quality,
            lost="",
            witness=witness,
        )

    @property
    def complete(self) -> bool:
        """Whether everything has been said that the meter has to say."""
        expected = 1 if self.profile is None or self.for_surplus else len(self.profile.registers)
        return len(self.values) + len(self.invalid) >= expected
