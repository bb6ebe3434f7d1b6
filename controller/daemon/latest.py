"""What the daemon sees around itself, as the page and Prometheus show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.core.reasons import Code, Reason
from controller.core.site import F64, I64, Site
from controller.core.snapshot import Grade

#: What is older than this is not shown as of now any more.
OLD_S: Final = 10.0

#: States of a device; `DeviceColumns.state` indexes them.
DEVICE_STATES: Final = ("off", "starting", "running", "stopping", "lost", "unknown", "resting")


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestMeter:
    """The newest value of a meter or of the surplus source, its quality and age; None where there never was one.

    `reasons`: all that is to be said of it, `problem`: what of that is wrong, in words, empty while all is well. `notes`:
    quantity to what a person should know about its value. `quantities`: by name, in the unit that the name carries,
    the newest value of everything it shows and its age; slow ones are older.
    """

    value_w: float | None
    quality: Grade
    age_s: float | None
    problem: str = ""
    reasons: tuple[Reason, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
    quantities: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatestAgent:
    """An agent: whether it is in contact, the age of its last report, and what is left of its lease by the clock since.

    `lease_left_s`: None while it is out of contact. `reasons`: what is wrong with what it says, `problem`: that in words,
    empty while all is well. `head_seq`: the record of the journal that it holds, by its newest report, and
    `head_stored_seq` the one that outlives its restart; None: none.
    """

    online: bool
    age_s: float | None
    lease_left_s: float | None
    problem: str = ""
    reasons: tuple[Reason, ...] = ()
    head_seq: int | None = None
    head_stored_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceColumns:
    """D devices in the order of the site. `measured_w` (D,): as reported, NaN where unknown; `state` (D,): see above.

    Of an agent that is out of contact nothing is known: all of its devices are lost.
    """

    measured_w: F64
    state: I64


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """Ways to look; each returns at once and may be called from any thread."""

    meters: Callable[[], Mapping[str, LatestMeter]]
    agents: Callable[[], Mapping[str, LatestAgent]]
    devices: Callable[[], DeviceColumns]


def tick_stands(site: Site, age_s: float) -> tuple[Reason, ...]:
    """Return why nothing of the newest decision is shown."""
    return (Reason(Code.TICK_STANDS, site.tree.ids[0], {"age_s": age_s}),)


def before_first_tick(site: Site) -> tuple[Reason, ...]:
    """Return why the site is not led yet."""
    return (Reason(Code.NO_TICK, site.tree.ids[0]),)
