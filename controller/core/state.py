"""What the core remembers from tick to tick."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.core.modes import ModeState, first_mode
from controller.core.site import F64, Bool, Site
from controller.core.surplus.estimate import SurplusState

_LONGEST_TICK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """What each device (D,) may be drawing, given every setpoint that may still be in force.

    `setpoint_w`: the newest setpoint sent. `changed_s`: time of the decision that changed it last.
    `applied_w`: what the device's agent reported last. `steady_s`: since when report and setpoint agree, ``inf`` while
    they do not. `low_w`, `high_w`: the least and the most that the meter may be seeing of the device; of one that was
    never heard its residual watts, the rest of it counts as house load. `seen_w`: the setpoint that the meter has last
    seen in full.
    `current_w`: the setpoint that the device is taken to run on. `known`: its agent has been heard.
    """

    setpoint_w: F64
    changed_s: F64
    applied_w: F64
    steady_s: F64
    low_w: F64
    high_w: F64
    seen_w: F64
    current_w: F64
    known: Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumTimes:
    """Until when each device (D,) stays on, or off, as it is; and from when a running one may be set to another mode."""

    kept_until_s: F64
    settled_from_s: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRamp:
    """An order that came into force at `begun_s`, when its node drew `from_w`."""

    id: str
    begun_s: float
    from_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """Readings have contradicted each other since then."""

    since_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proofs:
    """What the steps of the fleet have said of each meter (K,).

    `proven`: it followed. `refuted_s`: since when it does not count, because it did not; ``inf`` where it does. `against_s`:
    since when it has been off, ``inf`` while it is not. The instant to compare with: `since_s`, ``-inf`` before the first,
    what the meter showed then, and the least and the most that the fleet below it drew.
    """

    proven: Bool
    refuted_s: F64
    against_s: F64
    since_s: F64
    power_w: F64
    low_w: F64
    high_w: F64


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything that one tick hands to the next.

    `minimum_times`: which devices are left alone for now. `house_w` (N,): the estimate of what is not a device. `rise_room_w`, `fall_room_w`: what the ramps have left over.
    `failsafe_cap_w`: the site's limit while it comes down to failsafe, else ``inf``.
    """

    seq: int
    now_s: float
    mode: ModeState
    doubted: Doubted | None
    proofs: Proofs
    belief: Belief
    surplus: SurplusState
    minimum_times: MinimumTimes
    house_w: F64
    rise_room_w: float
    fall_room_w: float
    failsafe_cap_w: float
    order_ramps: tuple[OrderRamp, ...]

    def elapsed_s(self, now_s: float) -> float:
        """Return the seconds since the last tick by which ramps and filters go on; a long pause counts as a short one."""
        return min(max(now_s - self.now_s, 0.0), _LONGEST_TICK_S)


def initial_state(site: Site, now_s: float) -> State:
    """Return the state of a controller that has just started and knows nothing of its fleet."""
    devices = site.devices
    count = len(devices.ids)
    off_w = devices.off_w
    return State(
        seq=0,
        now_s=now_s,
        mode=first_mode(now_s),
        doubted=None,
        proofs=_no_proofs(len(site.meters.ids)),
        belief=Belief(
            setpoint_w=devices.failsafe_w.copy(),
            changed_s=np.full(count, -np.inf),
            applied_w=off_w.copy(),
            steady_s=np.full(count, np.inf),
            low_w=off_w.copy(),
            high_w=off_w.copy(),
            seen_w=off_w.copy(),
            current_w=devices.failsafe_w.copy(),
            known=np.zeros(count, dtype=np.bool_),
        ),
        minimum_times=MinimumTimes(kept_until_s=np.full(count, -np.inf), settled_from_s=np.full(count, -np.inf)),
        surplus=SurplusState(),
        house_w=site.tree.house_w.copy(),
        rise_room_w=0.0,
        fall_room_w=0.0,
        failsafe_cap_w=np.inf,
        order_ramps=(),
    )


def _no_proofs(count: int) -> Proofs:
    return Proofs(
        proven=np.zeros(count, dtype=np.bool_),
        refuted_s=np.full(count, np.inf),
        against_s=np.full(count, np.inf),
        since_s=np.full(count, -np.inf),
        power_w=np.zeros(count),
        low_w=np.full(count, -np.inf),
        high_w=np.full(count, np.inf),
    )
