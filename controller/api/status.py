"""``/api/v1/status``: what the site does now, what limits it, and why."""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from controller.api.auth import require
from controller.api.people import LockBody, shown_locks
from controller.api.readers import Readers
from controller.api.reason_bodies import HeldReasonBody, held_bodies, instant_of
from controller.api.site_state import SiteState, site_state, state_since_s
from controller.core.decision import Decision
from controller.core.limits.contactors import ContactorState, Phase, Trip
from controller.core.limits.demand import DemandNow
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.limits.parts import EnvelopePart
from controller.core.modes import Mode
from controller.core.reasons import Reason
from controller.core.site import SurplusModel
from controller.core.snapshot import Position
from controller.daemon.access import Principal, Role
from controller.daemon.latest import DEVICE_STATES, LatestAgent, LatestMeter, before_first_tick, tick_stands
from controller.daemon.orders.records import OrderKey
from controller.daemon.plain import ShownWatts, shown_w
from controller.daemon.service import Service
from controller.texts.catalogue import all_told, told
from controller.texts.phrases import Language


class TripBody(BaseModel):
    """Why a node is tripped: it drew `power_w` for `for_s` where `cause` allows `limit_w`; `since`: when that was found.

    These are null where it is on record that it was tripped, and why cannot be understood.
    """

    id: str
    since: datetime
    cause: str | None
    power_w: float | None
    limit_w: float | None
    for_s: float | None


class ContactorBody(BaseModel):
    """The contactor of a node.

    `state`: closed (nothing is asked of it), tripped (told to open), closing (reset, and room is made), reclosing (told to close),
    starting (seen to be closed, and what is below starts). `void`: why the newest reset came to nothing, null where it did
    not, or the contactor was seen to be closed since.
    `position`: open or closed as it is read back, null where that is not known; `fault`: why it cannot be told or read.
    `proven_open`: it was told to open, and the node's meter and what is read back prove it. `trip`: null while it is not tripped.
    """

    state: Phase
    position: Literal["open", "closed"] | None
    fault: str
    proven_open: bool
    void: str | None
    trip: TripBody | None


class NodeBody(BaseModel):
    """A node of the limit tree; `power_w` is that of its own trusted meters, `binding` names the limit that is its envelope.

    `parts`: watts of the envelope by where they go, all of them together; null where the limit does not bind, but for the
    site. `contactor`: null where it has none.
    """

    power_w: float | None
    envelope_w: ShownWatts
    binding: str
    floor_w: ShownWatts
    achievable_w: ShownWatts
    infeasible: bool
    house_w: ShownWatts
    planned_w: ShownWatts
    committed_w: ShownWatts
    parts: dict[EnvelopePart, float] | None
    contactor: ContactorBody | None


class QuantityBody(BaseModel):
    """The newest value of a quantity, in the unit at the end of its name, and its age."""

    value: float
    age_s: float


class MeterBody(BaseModel):
    """A meter or the surplus source. `problem`: what is wrong with it now, empty while all is well.

    `reasons`: all that is to be said of it, by code. `notes`: quantity to what a person should know about its value, for
    one that it has been forced by hand.
    """

    value_w: float | None
    quality: str
    age_s: float | None
    problem: str
    reasons: list[HeldReasonBody]
    notes: dict[str, str]
    quantities: dict[str, QuantityBody]


class AgentBody(BaseModel):
    """An agent. `problem`: what is wrong with what it says, empty while all is well; `reasons`: the same by code.

    `lease_left_s`: null while it is out of contact, for nobody knows it then.
    `head_seq`: the record of the journal that it holds for the controller; `head_stored_seq`: the one that outlives its restart.
    """

    online: bool
    age_s: float | None
    lease_left_s: float | None
    problem: str
    reasons: list[HeldReasonBody]
    head_seq: int | None
    head_stored_seq: int | None


class OrderNowBody(BaseModel):
    """An order in force. `limit_w`: what it asks for now, on its ramp. `power_w`: what the node draws, null where unseen.

    `compliance`: met, not_met, partial (down to the floor, which is above the limit) or unseen. `shortfall_w`: what is missing.
    """

    id: str
    issuer: str
    node: str
    limit_w: float
    power_w: float | None
    achievable_w: float
    compliance: Compliance
    shortfall_w: float | None


class DemandBody(BaseModel):
    """The window that the tariff bills: it began at `begins_at` and has had `used_wh`, of which nobody saw `guessed_wh`.

    `limit_w`: of its mean power. `cap_w`: what the site may draw from now on for it; that holds `held_back_w` from devices, which
    would earn no more than `cost_per_h` with it. `clock_trusted`: else the limit holds at each moment.
    """

    begins_at: datetime
    ends_in_s: float
    used_wh: float
    guessed_wh: float
    limit_w: float
    cap_w: float
    held_back_w: float
    cost_per_h: float
    clock_trusted: bool


class SiteBody(BaseModel):
    """The site now. `state`: the worst that holds, in a word; `state_since`: since when that holds which makes it, null where no tick has seen it. `mode_since`: since when the mode is what it is, as far as this process has seen; null before the first tick. `reason`: why the mode is not normal. Before the first tick the mode is init and nodes is empty.

    Where the newest tick is too old to speak of now, the reason says so, the mode is the last one, and every figure of it is
    gone. `warnings`: what else is to be known, whether or not it holds the site, in `warning` in words.
    `journal_failure`: why the journal cannot be written, null while it can. `reasons`: the same by code. `utc_doubt`, `utc_reasons`: why the wall clock ends no order. `site_file_doubt`, `site_file_reasons`: why the site file is not what runs. `overruled`: which limits come before which minimum times and protected devices, in
    `overruled_reasons` by code; empty where none have to. `value_per_h`, `bound_per_h`: in `currency`. `surplus_model`: what the meter `surplus` shows: the surplus itself, the export, or the load of the feeder, of which `surplus_w` is made. `demand`: what is billed, null where the tariff bills no demand.
    """

    site: str
    state: SiteState
    state_since: datetime | None
    mode: Mode
    mode_since: datetime | None
    reason: str
    reasons: list[HeldReasonBody]
    warning: str
    warnings: list[HeldReasonBody]
    tick: int
    tick_age_s: float | None
    site_w: float | None
    surplus_w: float | None
    nodes: dict[str, NodeBody]
    orders_doubt: str | None
    journal_failure: str | None
    locks: list[LockBody]
    utc_doubt: str
    utc_reasons: list[HeldReasonBody]
    site_file_doubt: str
    site_file_reasons: list[HeldReasonBody]
    meters: dict[str, MeterBody]
    agents: dict[str, AgentBody]
    devices: dict[str, int]
    value_per_h: float | None
    bound_per_h: float | None
    currency: str
    surplus_model: Literal["direct", "export", "headroom"]
    demand: DemandBody | None
    overruled: str
    overruled_reasons: list[HeldReasonBody]


class StatusBody(SiteBody):
    """The site now, with every order that is in force. `orders_in_force`: by name, ISSUER/ID."""

    orders_in_force: list[str]
    orders: list[OrderNowBody]


_MODELS: Final[Mapping[SurplusModel, Literal["direct", "export", "headroom"]]] = {
    SurplusModel.DIRECT: "direct",
    SurplusModel.EXPORT: "export",
    SurplusModel.HEADROOM: "headroom",
}
_POSITIONS: Final[Mapping[Position, Literal["open", "closed"]]] = {Position.OPEN: "open", Position.CLOSED: "closed"}


def routes(service: Service, readers: Readers) -> APIRouter:
    """Return the route; every role may read it."""
    router = APIRouter(prefix="/api/v1", tags=["status"])
    Reader = Annotated[Principal, Depends(require(service.tokens, *Role))]

    @router.get("/status", response_model=StatusBody)
    async def status(request: Request, by: Reader) -> Response:
        return await readers.answer(request, by.name, lambda: status_of(service))

    return router


def status_of(service: Service) -> StatusBody:
    """Return the site as it is now, in English."""
    decision, site = service.decision_now(), site_of(service)
    return StatusBody(
        **dict(site),
        orders_in_force=list(decision.orders_in_force) if decision else [],
        orders=[_order(service.site.tree.ids, order) for order in decision.orders] if decision else [],
    )


def site_of(service: Service, language: Language = Language.ENGLISH) -> SiteBody:
    """Return the site as it is now without its orders, of which there may be hundreds, with the texts of its reasons in a language."""
    newest, decision, latest = service.decision(), service.decision_now(), service.latest
    reasons, warnings = _why(service, newest), decision.warnings if decision else ()
    unsure, utc_doubt, findings = service.book.unsure, service.utc().doubt, service.reloads.findings()
    agents, meters = latest.agents(), latest.meters()
    bodies = partial(held_bodies, since_utc_s=service.holding.since_utc_s, language=language)
    words = partial(all_told, language=language)
    problems = (*(each.problem for each in agents.values()), *(each.problem for each in meters.values()))
    state = site_state(decision, findings=any((unsure, utc_doubt, service.feed.failure, *findings, *problems)))
    return SiteBody(
        site=service.site.id,
        state=state,
        state_since=instant_of(service.holding.utc_s(state_since_s(state, decision, service.holding.held))),
        mode=newest.mode if newest else Mode.INIT,
        mode_since=instant_of(service.holding.mode_since_utc_s()),
        reason=words(reasons),
        reasons=bodies(reasons),
        warning=words(warnings),
        warnings=bodies(warnings),
        tick=newest.seq if newest else 0,
        tick_age_s=service.health().tick_age_s,
        journal_failure=service.feed.failure,
        orders_doubt=told(unsure, language) if unsure else None,
        locks=shown_locks(service),
        utc_doubt=told(utc_doubt, language) if utc_doubt else "",
        utc_reasons=bodies((utc_doubt,) if utc_doubt else ()),
        site_file_doubt=words(findings),
        site_file_reasons=bodies(findings),
        meters={name: _meter(meter, bodies(meter.reasons)) for name, meter in meters.items()},
        agents={name: _agent(agent, bodies(agent.reasons)) for name, agent in agents.items()},
        devices=_by_state(latest.devices().state.tolist()),
        currency=service.currency(),
        surplus_model=_MODELS[service.site.rules.surplus_model],
        overruled=words(overruled := decision.overruled if decision else ()),
        overruled_reasons=bodies(overruled),
        **_figures(service.site.tree.ids, decision),
    )


def _figures(ids: tuple[str, ...], decision: Decision | None) -> dict[str, Any]:
    """Return the fields that are gone where no tick is new enough."""
    if decision is None:
        gone = dict.fromkeys(("site_w", "surplus_w", "value_per_h", "bound_per_h", "demand"))
        return {"nodes": {}, **gone}
    return {
        "site_w": decision.site_w,
        "surplus_w": decision.surplus_w,
        "nodes": _nodes(ids, decision),
        "value_per_h": decision.value_per_h,
        "bound_per_h": decision.bound_per_h,
        "demand": None if decision.demand is None else _demand(decision.demand),
    }


def _demand(now: DemandNow) -> DemandBody:
    use = now.use
    return DemandBody(
        begins_at=datetime.fromtimestamp(use.begins_utc_s or 0.0, UTC),
        ends_in_s=now.ends_in_s,
        used_wh=use.used_ws / 3600.0,
        guessed_wh=use.guessed_ws / 3600.0,
        limit_w=now.limit_w,
        cap_w=now.cap_w,
        held_back_w=now.held_back_w,
        cost_per_h=now.cost_per_h,
        clock_trusted=now.sure,
    )


def _why(service: Service, newest: Decision | None) -> tuple[Reason, ...]:
    """Return why the mode is not normal; where no tick is new enough, that comes before what the last one said."""
    age_s = service.health().tick_age_s
    if newest is None or age_s is None:
        return before_first_tick(service.site)
    return newest.reasons if service.decision_now() else tick_stands(service.site, age_s)


def _order(ids: tuple[str, ...], order: OrderNow) -> OrderNowBody:
    return OrderNowBody(
        **OrderKey.of(order.id)._asdict(),
        node=ids[order.node],
        limit_w=order.limit_w,
        power_w=order.power_w,
        achievable_w=order.achievable_w,
        compliance=order.compliance,
        shortfall_w=order.shortfall_w,
    )


def _nodes(ids: tuple[str, ...], decision: Decision) -> dict[str, NodeBody]:
    contactors = {state.node: _contactor(state) for state in decision.contactors}
    parts = decision.parts.by_node() if decision.parts else {}
    return {
        node: NodeBody(
            power_w=decision.power_w[i],
            envelope_w=shown_w(decision.envelope_w[i]),
            binding=decision.binding[i],
            floor_w=shown_w(decision.floor_w[i]),
            achievable_w=shown_w(decision.achievable_w[i]),
            infeasible=bool(decision.infeasible[i]),
            house_w=shown_w(decision.house_w[i]),
            planned_w=shown_w(decision.planned_w[i]),
            committed_w=shown_w(decision.committed_w[i]),
            parts=parts.get(i),
            contactor=contactors.get(i),
        )
        for i, node in enumerate(ids)
    }


def _contactor(state: ContactorState) -> ContactorBody:
    return ContactorBody(
        state=state.phase,
        position=_POSITIONS.get(state.now.position),
        fault=state.now.fault,
        proven_open=state.proven,
        void=state.void,
        trip=None if state.trip is None else _trip(state.trip),
    )


def _trip(trip: Trip) -> TripBody:
    over = trip.over
    return TripBody(
        id=trip.id,
        since=datetime.fromtimestamp(trip.at_utc_s, UTC),
        cause=over.cause if over else None,
        power_w=over.power_w if over else None,
        limit_w=over.limit_w if over else None,
        for_s=over.for_s if over else None,
    )


def _meter(meter: LatestMeter, reasons: list[HeldReasonBody]) -> MeterBody:
    return MeterBody(
        value_w=meter.value_w,
        quality=meter.quality.name.lower(),
        age_s=meter.age_s,
        problem=meter.problem,
        reasons=reasons,
        notes=dict(meter.notes),
        quantities={name: QuantityBody(value=value, age_s=age_s) for name, (value, age_s) in meter.quantities.items()},
    )


def _agent(agent: LatestAgent, reasons: list[HeldReasonBody]) -> AgentBody:
    return AgentBody(
        online=agent.online,
        age_s=agent.age_s,
        lease_left_s=agent.lease_left_s,
        problem=agent.problem,
        reasons=reasons,
        head_seq=agent.head_seq,
        head_stored_seq=agent.head_stored_seq,
    )


def _by_state(codes: list[int]) -> dict[str, int]:
    counts = Counter(codes)
    return {name: counts[code] for code, name in enumerate(DEVICE_STATES)}
