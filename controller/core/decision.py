"""What the core wants done after a tick, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.core.fleet.cap_memory import CapsNow
from controller.core.limits.carrying import CarriedNow
from controller.core.limits.contactors import ContactorState
from controller.core.limits.demand import DemandNow
from controller.core.limits.locked import LockNow
from controller.core.limits.orders import OrderNow
from controller.core.limits.parts import PartsByNode
from controller.core.modes import Mode
from controller.core.reasons import Reason
from controller.core.site import F64, Bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of one `step`; arrays are never changed after it.

    `at_s`: CLOCK_BOOTTIME of the snapshot; `seq`: counts the ticks from 1.
    `mode`, `reasons`: the mode and why it is not NORMAL (empty when it is).
    `sources`: by meter, and for the surplus source, all that is to be said of it, whether or not it holds the site.
    `power_w` (N,): trusted power of each node by its own meters, None without one. `surplus_w`: the surplus that counts, None while unknown.
    Per node (N,): `envelope_w`, the name of its binding limit in `binding` (``contract``, ``rating:NODE``,
    ``amperes:NODE``, ``kva:NODE``, ``surplus``, ``order:ISSUER/ID``, ``failsafe``, ``step_test:NODE``, ``lock``), `floor_w` (draw with everything off), `achievable_w` (the
    least that it can be brought to now: the floor, and beyond it what those may draw that cannot be led), `infeasible`
    (envelope < that),
    `house_w` (estimate of what is not a device, and of what those draw that were never heard of), `sure_house_w` (the part of it that is no device's; None where nothing is learnt),
    `planned_w`, `committed_w` (devices only, without house load).
    `setpoint_w` (D,): the watts that each device may draw from now on.
    `value_per_h`: what the allocation earns by the devices that are led, currency per hour: what is silent, lost or does not
    obey earns nothing that is known. `worth_per_h`: that of all devices with a bonus of what runs already, less
    the costs of starts, stops and changes, each spread over the time in which it has to pay; `bound_per_h`: no allocation
    within minimum times, protection and limits is worth more by the same measure.
    `overruled`: which limits came before which minimum times and protected devices; empty where none had to.
    `orders_in_force`: names of the orders that bind now, whether or not they are the smallest limit. `orders`: whether each of
    them is kept; empty where nothing is known of that.
    `warnings`: what else is to be known, whether or not it holds the site: agents that are silent, devices that do not
    answer or obey, nodes that draw more than they may, orders that nobody can see kept, nodes that are tripped.
    `locks`: what people work on, and whether it is proven to be off.
    `cut_from_w` (N,): what an order to reduce counts from, ``inf`` where nobody has seen the node lately; None where nothing is known.
    `unconfirmed`: ids of people's words for meters that are over. `parts`: where the watts of the envelopes go, of the site and where a limit binds; None where nothing
    was allotted.
    `carried`: of each node of `Site.carries` what it carries; empty where nothing is known. `demand`: what is billed, and what it costs to stay under it, None where nothing is.
    `caps`: of each group of capped devices, what its jobs draw and are held back. `contactors` (C,): what each is told, and which node is tripped, since when and why.
    """

    at_s: float
    seq: int
    mode: Mode
    reasons: tuple[Reason, ...]
    sources: Mapping[str, tuple[Reason, ...]]
    power_w: tuple[float | None, ...]
    surplus_w: float | None
    envelope_w: F64
    binding: tuple[str, ...]
    floor_w: F64
    achievable_w: F64
    infeasible: Bool
    house_w: F64
    planned_w: F64
    committed_w: F64
    setpoint_w: F64
    value_per_h: float
    worth_per_h: float
    bound_per_h: float
    orders_in_force: tuple[str, ...]
    sure_house_w: F64 | None = None
    overruled: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    orders: tuple[OrderNow, ...] = ()
    contactors: tuple[ContactorState, ...] = ()
    locks: tuple[LockNow, ...] = ()
    cut_from_w: F64 | None = None
    unconfirmed: tuple[str, ...] = ()
    caps: tuple[CapsNow, ...] = ()
    carried: tuple[CarriedNow, ...] = ()
    demand: DemandNow | None = None
    parts: PartsByNode | None = None

    @property
    def site_w(self) -> float | None:
        """Trusted power of the site, None without one."""
        return self.power_w[0]


def reasons_of(decision: Decision) -> tuple[Reason, ...]:
    """Return all that a decision says: why the mode is not NORMAL, the warnings, what is overruled, what speaks against sources."""
    of_sources = (reason for reasons in decision.sources.values() for reason in reasons)
    return (*decision.reasons, *decision.warnings, *decision.overruled, *of_sources)
