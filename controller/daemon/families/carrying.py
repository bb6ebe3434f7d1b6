"""Families of nodes that may carry so many amperes or volt-amperes: what they carry, and what that lets them draw."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from controller.core.decision import Decision
from controller.core.limits.carrying import carrying_limits
from controller.core.site import Site
from controller.daemon.families.made import by_pair, labelled


def of_carrying(decision: Decision, site: Site) -> Iterator[Metric]:
    """Yield a series for each such node; what it carries is absent while no trusted meter shows it and the declared worst counts."""
    carried = list(zip(site.carries, decision.carried, strict=True)) if decision.carried else []
    nodes = site.tree.ids
    for apparent, name, unit in (
        (False, "amperes", "A of its highest phase"),
        (True, "volt_amperes", "VA of all phases"),
    ):
        mine = [(nodes[each.node], each.most, now.shown) for each, now in carried if each.apparent is apparent]
        text = f"{unit} that the node carries, as they count: with the imbalance that is declared, by its meter."
        yield labelled(f"surplusd_node_{name}", text, "node", {node: shown for node, _, shown in mine})
        text = f"{unit} that the node may carry."
        yield labelled(f"surplusd_node_{name}_limit", text, "node", {node: most for node, most, _ in mine})
    limits = carrying_limits(site, decision.carried) if carried else []
    text = "Watts that the node may draw by what it may carry, by which limit."
    watts = {(nodes[limit.node], limit.name.partition(":")[0]): limit.limit_w for limit in limits}
    yield by_pair("surplusd_node_limit_watts", text, ("node", "limit"), watts)
