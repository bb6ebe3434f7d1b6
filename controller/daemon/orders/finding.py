"""Which order somebody means by an id: ids are their issuer's own, and another may use the same."""

from __future__ import annotations

from controller.core.reasons import Code, Reason
from controller.daemon.access import Principal
from controller.daemon.orders.ledger import Ledger
from controller.daemon.orders.records import EndedOrder, Entry, OpenOrder, OrderKey, order_of
from controller.daemon.orders.refusal import Cause, OrderRefused


def found(ledger: Ledger, order_id: str, by: Principal, issuer: str | None) -> Entry:
    """Return the order of that id: of the issuer that is named, else one's own, else the only one.

    OrderRefused: there is none, or several.
    """
    mine = ledger.get(OrderKey(by.name if issuer is None else issuer, order_id))
    if mine is not None:
        return mine
    return _the_only(() if issuer is not None else ledger.named(order_id), order_id, by)


def find(ledger: Ledger, order_id: str, by: Principal, issuer: str | None) -> Entry:
    """Return the same of those that somebody may change or end; OrderRefused too where it is another's."""
    mine = ledger.get(OrderKey(by.name if issuer is None else issuer, order_id))
    named = (mine,) if mine is not None else () if issuer is not None else ledger.named(order_id)
    theirs = tuple(entry for entry in named if order_of(entry).may_be_changed_by(by))
    if named and not theirs:
        issuers = ", ".join(sorted(order_of(entry).by for entry in named))
        parameters = {"order": order_id, "issuers": issuers}
        raise OrderRefused(Cause.FORBIDDEN, Reason(Code.ORDER_OF_ANOTHER, by.name, parameters))
    return _the_only(theirs, order_id, by)


def still_open(ledger: Ledger, key: OrderKey, by: Principal) -> OpenOrder:
    """Return the open order of that name; OrderRefused where there is none, or it has ended."""
    known = ledger.get(key)
    if isinstance(known, OpenOrder):
        return known
    if known is None:
        raise OrderRefused(Cause.UNKNOWN, Reason(Code.ORDER_UNKNOWN, by.name, {"order": key.id}))
    raise has_ended(known, by)


def has_ended(ended: EndedOrder, by: Principal) -> OrderRefused:
    """Return the refusal of whoever wants something of an order that is over."""
    parameters = {"order": ended.order.key.id, "ending": ended.ending.value, "by": ended.by}
    return OrderRefused(Cause.CONFLICT, Reason(Code.ORDER_ENDED, by.name, parameters), entry=ended)


def _the_only(entries: tuple[Entry, ...], order_id: str, by: Principal) -> Entry:
    if not entries:
        raise OrderRefused(Cause.UNKNOWN, Reason(Code.ORDER_UNKNOWN, by.name, {"order": order_id}))
    if len(entries) > 1:
        parameters = {"order": order_id, "issuers": ", ".join(sorted(order_of(entry).by for entry in entries))}
        raise OrderRefused(Cause.CONFLICT, Reason(Code.ORDER_AMBIGUOUS, by.name, parameters))
    return entries[0]
