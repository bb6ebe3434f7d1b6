"""The control: one pure step from what is known to what is wanted done.

Samples are judged, limits become the envelope, the house load is kept free, the rest is allotted by value, and what
may be raised now is granted: down first, by the ramp, and never while committed power stands in the way.
"""

from __future__ import annotations

from controller.core.allocation.minimum_times import minimum_times_after
from controller.core.allocation.parts import Offered, UseOfTick
from controller.core.allocation.tables import Tables
from controller.core.allotting import Allotted, allot
from controller.core.decision import Decision
from controller.core.fleet.bounds import SumBelow
from controller.core.fleet.cap_memory import caps_now
from controller.core.fleet.cap_turns import earned_elsewhere
from controller.core.fleet.leases import Leases, committed_w, send
from controller.core.granting import Granted, grant_raises
from controller.core.kernels.tree import PathSums
from controller.core.limiting import Limited, limit
from controller.core.limits.carrying import ceiling_w, worse_than_declared
from controller.core.limits.compliance import orders_now, unseen
from controller.core.limits.contactors import Trips
from controller.core.limits.orders import OrderNow
from controller.core.limits.overrun import Overrun, allow
from controller.core.limits.reclosing import close_where_it_fits
from controller.core.limits.trip import hold_to
from controller.core.self_check import Claims, check
from controller.core.sensing import Sensed, sense
from controller.core.snapshot import Snapshot
from controller.core.state import State


def step(tables: Tables, state: State, snapshot: Snapshot) -> tuple[State, Decision]:
    """Return the next state and the decision of this tick.

    Raises InvariantBroken where the decision would break an invariant of the control.
    """
    below = PathSums(tables.paths)
    sensed = sense(tables.site, state, snapshot, below)
    limited = limit(tables, state, snapshot, sensed, below)
    allotted = allot(tables, state, snapshot, sensed, limited)
    granted = grant_raises(tables, state, snapshot, sensed, limited, allotted)
    sent = send(sensed.leases, granted.setpoint_w, snapshot.now_s)
    trips = close_where_it_fits(sensed.trips, tables.site, limited.room_w, sensed.mode.mode, snapshot.now_s)
    decision = _decision(tables, state, snapshot, sensed, limited, allotted, sent, trips, below)
    check(tables.site, state, decision, _claims(snapshot, sensed, limited, granted), below)
    after = minimum_times_after(
        tables, state.minimum_times, sensed.leases.current_w, granted.setpoint_w, snapshot.now_s
    )
    state = State(
        seq=decision.seq,
        now_s=snapshot.now_s,
        mode=sensed.mode,
        trust=sensed.trust,
        leases=sent,
        surplus=sensed.surplus,
        minimum_times=after,
        house=limited.house,
        rise_room_w=granted.rise_left_w,
        fall_room_w=min(granted.fall_left_w, allotted.fall_left_w),
        failsafe_cap_w=limited.cap_w,
        order_ramps=limited.order_ramps,
        orders=decision.orders,
        recent=limited.recent,
        overrun=_allowed(tables, snapshot, sensed, limited),
        trips=hold_to(trips, tables.site, limited.lasting, limited.sure_floor_w, snapshot.now_s),
        electrical=limited.electrical,
        caps=limited.caps,
        elsewhere_per_wh=earned_elsewhere(limited.caps, tables.site, allotted.between_w, allotted.room_w, below),
        economic_w=allotted.economic_w,
    )
    return state, decision


def _allowed(tables: Tables, snapshot: Snapshot, sensed: Sensed, limited: Limited) -> Overrun:
    ever_w = ceiling_w(tables.site, limited.electrical.carried, tables.standing.limit_w)
    return allow(sensed.overrun, tables.site, limited.bounds, limited.sure_floor_w, ever_w, snapshot.now_s)


def _claims(snapshot: Snapshot, sensed: Sensed, limited: Limited, granted: Granted) -> Claims:
    return Claims(
        current_w=granted.current_w,
        stuck_w=limited.stuck_below_w,
        committed_w=limited.committed_w,
        rise_w=granted.rise_w,
        fall_w=granted.fall_w,
        held=None if sensed.cut is None else sensed.cut.held,
        locked=None if sensed.locked is None else sensed.locked.devices,
        resets=snapshot.resets,
    )


def _decision(
    tables: Tables,
    state: State,
    snapshot: Snapshot,
    sensed: Sensed,
    limited: Limited,
    allotted: Allotted,
    sent: Leases,
    trips: Trips,
    below: SumBelow,
) -> Decision:
    bounds, allotment, orders = limited.bounds, allotted.allotment, _orders_now(state, snapshot, sensed, limited)
    planned_w, committed_below_w = below.each(sent.setpoint_w, committed_w(sent, tables.site.devices))
    return Decision(
        at_s=snapshot.now_s,
        seq=state.seq + 1,
        mode=sensed.mode.mode,
        reasons=sensed.mode.reasons,
        sources=sensed.reasons,
        power_w=sensed.judgement.power.shown_w, unconfirmed=sensed.judgement.unconfirmed,
        cut_from_w=limited.recent.cut_from_w,
        surplus_w=sensed.surplus.surplus_w,
        envelope_w=bounds.limit_w,
        binding=bounds.binding,
        floor_w=bounds.floor_w,
        achievable_w=bounds.achievable_w,
        infeasible=bounds.infeasible,
        house_w=limited.house.watts, sure_house_w=limited.house.sure_w,
        planned_w=planned_w, committed_w=committed_below_w,
        parts=_use(tables, snapshot, sensed, limited, allotted, sent),
        setpoint_w=sent.setpoint_w,
        value_per_h=allotment.value_per_h, worth_per_h=allotment.worth_per_h, bound_per_h=allotment.bound_per_h,
        overruled=allotted.overruled,
        orders_in_force=tuple(ramp.id for ramp in limited.order_ramps),
        warnings=(*sensed.warnings, *unseen(tables.site, orders), *worse_than_declared(tables.site, limited.electrical.carried)),
        orders=orders,
        contactors=trips.contactors, carried=limited.electrical.carried, demand=allotted.demand,
        caps=caps_now(limited.caps),
        locks=() if sensed.locked is None else sensed.locked.locks,
    )  # fmt: skip


def _use(
    tables: Tables, snapshot: Snapshot, sensed: Sensed, limited: Limited, allotted: Allotted, sent: Leases
) -> UseOfTick:
    """Return what is made of the envelopes."""
    offered = Offered(
        limit_w=limited.bounds.limit_w, house_w=limited.house.watts, unheard_w=limited.unheard_w,
        room_w=allotted.room_w, reserve_w=allotted.reserve_w, demand_w=allotted.demand_w,
        allotted_w=allotted.between_w[0], upper_w=allotted.between_w[1],
        stuck_w=limited.stuck_w,
    )  # fmt: skip
    return UseOfTick(
        tables=tables, snapshot=snapshot, power=sensed.judgement.power, least_w=limited.recent.cut_from_w,
        offered=offered, sent=sent, allotment=allotted.allotment,
    )  # fmt: skip


def _orders_now(state: State, snapshot: Snapshot, sensed: Sensed, limited: Limited) -> tuple[OrderNow, ...]:
    """Return how each order in force is kept."""
    if not limited.order_ramps:
        return ()
    return orders_now(
        state.orders,
        limited.order_ramps,
        limited.order_limits,
        sensed.judgement.power.shown_w,
        limited.bounds,
        limited.sure_floor_w,
        sensed.overrun,
        snapshot.now_s,
    )
