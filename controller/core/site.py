"""The site as columns: the limit tree, the devices and their modes, the meters.

Built once from the configuration, read-only afterwards. Watts are site-side and positive into the site.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.core.figures import SETTLE_FACTOR, SURPLUS_SOURCE

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
I8 = NDArray[np.int8]
Bool = NDArray[np.bool_]


#: The surplus source, where it stands among the meters.
SURPLUS: Final = SURPLUS_SOURCE
#: What goes on with time goes on by no more than this in a tick, however long the pause before it was.
LONGEST_TICK_S: Final = 5.0
#: From a device's settling to a meter reading that shows all of it: a poll, a refresh of the meter, a tick.
VISIBLE_S: Final = 1.5


class SurplusModel(IntEnum):
    """How the surplus S follows from the reading x and the site's power P at the same instant."""

    DIRECT = 0  #: S = x
    EXPORT = 1  #: S = x + P
    HEADROOM = 2  #: S = rating - (x - P)


def seen_s(moves_s: F64) -> F64:
    """Return (D,): seconds from a setpoint until a meter has surely shown all of what follows, of devices that need `moves_s`."""
    return np.asarray(SETTLE_FACTOR * moves_s + VISIBLE_S, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """N nodes in topological order: node 0 is the site (PCC), ``parent[i] < i``, ``parent[0] == -1``.

    `limit_w` (N,): the node's own rating, ``inf`` for unlimited.
    `house_w` (N,): declared load of the node and everything below it beyond its devices (cooling, light, losses).
    """

    ids: tuple[str, ...]
    parent: I64
    limit_w: F64
    house_w: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """D devices ordered by id, with their modes as one ragged table of M rows.

    `node`, `agent` (D,): index into the tree and into `Site.agents`.
    `failsafe_w` (D,): watts that the device may draw when nobody leads it; never under `off_w`.
    `tolerance` (D,): share by which the real draw may differ from the setpoint, e.g. 0.05.
    `down_s`, `up_s` (D,): seconds from a setpoint to the draw that follows it.
    `min_up_s`, `min_down_s` (D,): seconds that what was switched on stays on, and what was switched off stays off.
    `settle_s` (D,): seconds that a start or another discrete mode is left as it is.
    `start_cost`, `change_cost` (D,): what a start, and another discrete mode, costs and wears, in currency.
    `protected` (D,): True for what is never switched off for revenue; only limits and orders do that, and last.
    `restarts` (D,): True where a change among the running modes restarts the device.
    `report_error` (D,): share by which the power that the device itself reports may be off.
    `steady` (D,): True where the draw follows the setpoint; False where a setpoint only caps it (GPU nodes).
    `mode_start` (D+1,): device i owns the rows ``mode_start[i]:mode_start[i+1]``; its first row is off (the residual
    watts, value 0), rows ascend in watts, its last row is its signed maximum.
    `mode_w`, `mode_value` (M,): watts and value in currency per hour.
    `mode_continuous` (M,): True where every power between the row before and this one is allowed too.

    Worked out, since each tick asks for them often: `off_w`, `max_w` (D,), residual watts when off and signed maximum;
    `least_told`, `most_told` (D,), shares of its setpoint between which a device says that it draws while it keeps that;
    `down_seen_s`, `up_seen_s` (D,), seconds from a setpoint until a meter has surely shown all of what follows.
    """

    ids: tuple[str, ...]
    node: I64
    agent: I64
    failsafe_w: F64
    tolerance: F64
    down_s: F64
    up_s: F64
    min_up_s: F64
    min_down_s: F64
    settle_s: F64
    start_cost: F64
    change_cost: F64
    protected: Bool
    restarts: Bool
    report_error: F64
    steady: Bool
    mode_start: I64
    mode_w: F64
    mode_value: F64
    mode_continuous: Bool
    off_w: F64 = field(init=False, repr=False)
    max_w: F64 = field(init=False, repr=False)
    least_told: F64 = field(init=False, repr=False)
    most_told: F64 = field(init=False, repr=False)
    down_seen_s: F64 = field(init=False, repr=False)
    up_seen_s: F64 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out the columns that follow from the others, also from some that `check_devices` will refuse."""
        object.__setattr__(self, "off_w", self.mode_w.take(self.mode_start[:-1], mode="clip"))
        object.__setattr__(self, "max_w", self.mode_w.take(self.mode_start[1:] - 1, mode="clip"))
        error = self.tolerance + self.report_error
        object.__setattr__(self, "least_told", 1.0 - error)
        object.__setattr__(self, "most_told", 1.0 + error)
        object.__setattr__(self, "down_seen_s", seen_s(self.down_s))
        object.__setattr__(self, "up_seen_s", seen_s(self.up_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class Meters:
    """K meters ordered by id. `node` (K,), `rating_w` (K,) the most they can see, `accuracy` (K,) class as a share.

    Worked out, since each tick asks for it often: `class_w` (K,), the watts that each may err.
    """

    ids: tuple[str, ...]
    node: I64
    rating_w: F64
    accuracy: F64
    class_w: F64 = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Work out the column that follows from the others."""
        object.__setattr__(self, "class_w", self.accuracy * self.rating_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contactors:
    """C contactors ordered by node: each cuts its node, with all that is below it, off the grid.

    `node` (C,): index into the tree, each at most once. `trip_after_s` (C,): a node that draws more than it may for so
    long is cut off.
    """

    node: I64
    trip_after_s: F64


#: Of a site that has none.
NO_CONTACTORS: Final = Contactors(node=np.zeros(0, dtype=np.int64), trip_after_s=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrying:
    """What a node may carry by its conductors or its transformer, and the worst that is declared of it.

    `node`: index into the tree; `meters`: indexes of those at it. `most`: A of each phase, or with `apparent` VA of all together.
    `phases`: 1 or 3. `imbalance`: share by which the highest phase may be above the mean. `least_v`: the lowest volts to neutral, 0 for VA.
    `least_w`: watts that each A, or VA, is at least: at the lowest volts and power factor, and the largest imbalance.
    """

    node: int
    meters: tuple[int, ...]
    most: float
    apparent: bool
    phases: int
    imbalance: float
    least_w: float
    least_v: float = 0.0

    @property
    def unit(self) -> str:
        """``A`` or ``VA``."""
        return "VA" if self.apparent else "A"

    @property
    def worst_w(self) -> float:
        """Watts that the node may draw whatever its volts, power factor and imbalance are, within what is declared."""
        return self.most * self.least_w


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandTerms:
    """What a tariff bills by: the mean power of each window of `window_s`, which is to stay under `limit_w`.

    The first window of an hour of UTC begins `begins_s` after it; they follow each other.
    """

    window_s: float
    limit_w: float
    begins_s: float = 0.0

    def begins_utc_s(self, utc_s: float) -> float:
        """Return when the window began that runs then, in Unix seconds."""
        return math.floor((utc_s - self.begins_s) / self.window_s) * self.window_s + self.begins_s


@dataclass(frozen=True, slots=True, kw_only=True)
class CapGroup:
    """Devices whose setpoint only caps what their jobs draw, and how far their caps stay above that.

    `devices` (k,): indexes, ascending. `headroom_w`: so many watts above the draw, ``inf``: the whole range, None: what it is
    worth.
    """

    id: str
    devices: I64
    headroom_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The site's contract with the grid, and the times of the control, in W, W/s, s and Hz."""

    contract_w: float
    firm_w: float
    failsafe_w: float
    ramp_up_w_s: float
    ramp_down_w_s: float
    emergency_ramp_w_s: float
    settle_s: float
    lease_s: float
    surplus_model: SurplusModel
    surplus_rating_w: float
    surplus_stale_s: float
    skew_s: float = 2.0
    suspect_s: float = 3.0
    bad_s: float = 10.0
    surplus_suspect_s: float = 6.0
    init_s: float = 10.0
    recover_s: float = 5.0
    frequency_hz: float = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All that the core knows before the first reading."""

    id: str
    tree: Tree
    devices: Devices
    meters: Meters
    agents: tuple[str, ...]
    rules: Rules
    contactors: Contactors = NO_CONTACTORS
    caps: tuple[CapGroup, ...] = ()
    carries: tuple[Carrying, ...] = ()
    demand: DemandTerms | None = None
