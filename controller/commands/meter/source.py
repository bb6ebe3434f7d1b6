"""One meter, and what it has shown so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from controller.commands.meter.findings import GRIDS_HZ
from controller.core.reasons import Reason
from drivers.meters.payloads.profiles import PayloadProfile
from drivers.meters.profiles import REQUIRED, Profile
from drivers.readings import Loss, Quality, Sample

#: Why a source has no values before its driver has said anything.
NOT_HEARD: Final = "no answer yet"
#: What the source of the surplus gives.
_SURPLUS: Final = "surplus_w"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One meter of the site file, or the source of the surplus, and what it has shown so far.

    `values`: quantity to its newest value and when it was taken. `lost`: why it is not read, empty while it is; `trying`: it is asked in another way next. `power_took_s`: what the
    requests for its power took.
    `rating_w`, `profile`: None where there is none. `expects`: how many quantities it has to say something of, None where nobody knows. `grids_hz`: the frequencies that its grid may have. `reasons`: all that the daemon
    would say of it. `gives`: what the only value of the surplus's source is by its model; empty for a meter. `suspect_s`: age from which the daemon lets nothing rise on it.
    """

    name: str
    where: str
    suspect_s: float
    rating_w: float | None = None
    profile: Profile | PayloadProfile | None = None
    gives: str = ""
    expects: int | None = None
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    invalid: Mapping[str, str] = field(default_factory=dict)
    quality: Quality = Quality.BAD
    lost: str = NOT_HEARD
    trying: bool = False
    power_took_s: float = 0.0
    reasons: tuple[Reason, ...] = ()
    grids_hz: tuple[float, ...] = GRIDS_HZ

    @property
    def plain(self) -> dict[str, float]:
        """The values alone."""
        return {quantity: value for quantity, (value, _) in self.values.items()}

    def taken(self, item: Sample | Loss, reasons: tuple[Reason, ...]) -> Source:
        """Return the source after its driver has said this, and it has been judged."""
        if isinstance(item, Loss):
            return replace(self, quality=Quality.BAD, lost=item.reason, trying=item.trying, reasons=reasons)
        said = {*item.values, *item.invalid}
        values = {name: value for name, value in self.values.items() if name not in said}
        invalid = {name: reason for name, reason in self.invalid.items() if name not in said}
        return replace(
            self,
            values=values | {name: (value, item.taken_at_s) for name, value in item.values.items()},
            invalid=invalid | dict(item.invalid),
            quality=item.quality,
            lost="",
            trying=item.trying,
            power_took_s=item.power_took_s,
            reasons=reasons,
        )

    @property
    def verdict(self) -> str:
        """How good what it shows is, in a word; never good where the power is not there by which it is judged."""
        if self.lost:
            return "lost"
        return self.quality.name.lower() if {REQUIRED, _SURPLUS} & self.values.keys() else "no power"

    @property
    def complete(self) -> bool:
        """Whether everything has been said that the meter has to say."""
        expected = 1 if self.expects is None or self.gives else self.expects
        return len(self.values) + len(self.invalid) >= expected
