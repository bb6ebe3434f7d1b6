"""Whether orders are kept. An order's id is never a label: its series would stay for ever."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric

from controller.core.decision import Decision
from controller.core.limits.orders import Compliance, OrderNow
from controller.daemon.families.made import by_pair, gauge, labelled

_ORDER = "order:"


def limit_label(name: str) -> str:
    """Return the name of a limit as it may be a label: of an order, only who gave it."""
    return name.partition("/")[0] if name.startswith(_ORDER) else name


def of_orders(decision: Decision, nodes: tuple[str, ...]) -> Iterator[Metric]:
    """Yield how many orders bind, which of them are kept, and by node what is missing; one that is in force and not judged is unseen."""
    yield gauge("surplusd_orders_in_force", "Orders that bind now.", len(decision.orders_in_force))
    kept = Counter(order.compliance for order in decision.orders)
    kept[Compliance.UNSEEN] += max(len(decision.orders_in_force) - len(decision.orders), 0)
    text = "Orders in force, by whether they are kept; unseen: no usable meter shows it."
    values = {each.value: float(kept[each]) for each in Compliance}
    yield labelled("surplusd_orders_compliance", text, "compliance", values)
    short_w = max((order.shortfall_w or 0.0 for order in decision.orders), default=0.0)
    yield gauge("surplusd_order_shortfall_watts", "Most that is missing to the limit of an order.", short_w)
    yield from _by_node(decision, nodes)


def _by_node(decision: Decision, nodes: tuple[str, ...]) -> Iterator[Metric]:
    at: dict[str, list[OrderNow]] = defaultdict(list)
    for order in decision.orders:
        at[nodes[order.node]].append(order)
    limits = {node: min(order.limit_w for order in orders) for node, orders in at.items()}
    yield labelled("surplusd_node_order_limit_watts", "Smallest limit of the orders for the node now.", "node", limits)
    short = {node: _most(order.shortfall_w for order in orders) for node, orders in at.items()}
    text = "Most that is missing to the limit of an order for the node; absent where nobody sees it."
    yield labelled("surplusd_node_order_shortfall_watts", text, "node", short)
    for_s = {
        (node, each.value): max(decision.at_s - order.since_s for order in orders if order.compliance is each)
        for node, orders in at.items()
        for each in {order.compliance for order in orders}
    }
    text = "For how long an order for the node has been kept, or not, as it is now; the longest of several."
    yield by_pair("surplusd_node_order_compliance_seconds", text, ("node", "compliance"), for_s)


def _most(watts: Iterable[float | None]) -> float | None:
    return max((each for each in watts if each is not None), default=None)
