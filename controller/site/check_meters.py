"""Checks of the meters and of the source of the surplus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from controller.core.figures import SURPLUS_SOURCE
from controller.site.check_access import opcua_problems
from controller.site.check_copies import copy_problems
from controller.site.model import WAYS, MeterEntry, SiteFile, SurplusSection
from controller.site.payload_meter import expected_every_s
from controller.site.payload_sources import MqttSource
from controller.site.problems import Loc, Problem, kw, repeated, unless_known, unless_one
from controller.site.ranges import power_range
from controller.site.tree import all_named, nodes_by_id, parents_of, root_of, way_up
from controller.site.unknown import UNKNOWN

#: One count of a meter is at most this share of its rating.
_COARSEST: Final = 0.05


def meter_problems(site: SiteFile) -> Iterator[Problem]:
    """Report what is wrong with each meter, and a connection to the grid that none sees."""
    parents = parents_of(site.nodes)
    complete = all_named(site.nodes)
    yield from repeated((("meters", index, "id"), meter.id) for index, meter in enumerate(site.meters))
    yield from copy_problems(site.meters)
    for index, meter in enumerate(site.meters):
        loc: Loc = ("meters", index)
        if meter.id == SURPLUS_SOURCE:
            yield Problem(loc=(*loc, "id"), allowed="any other name: the source of the surplus is called so")
        yield from unless_known((*loc, "node"), meter.node, parents, "nodes", complete=complete)
        yield from _source_problems(loc, meter, site.control.suspect_after_s)
        most_w = _most_w(site, meter.node)
        if meter.rating_w < most_w:
            yield Problem(
                loc=(*loc, "rating"),
                allowed=f"at least what its node may draw, {kw(most_w)}; a `limit` of the node makes that less",
            )
        yield from _range_problems(loc, meter, most_w)
    yield from _unseen(site)


def _range_problems(loc: Loc, meter: MeterEntry, most_w: float) -> Iterator[Problem]:
    """Report a profile whose numbers end below what the meter is to show: there it would say nothing."""
    reach = power_range(meter.modbus)
    if reach is None or meter.modbus is None:
        return
    if reach.highest_w <= most_w:
        allowed = f"one that reaches beyond what its node may draw, {kw(most_w)}"
        yield Problem(
            loc=(*loc, "modbus", "profile"),
            found=f"{meter.modbus.profile!r}, which ends at {kw(reach.highest_w)}",
            allowed=allowed,
        )
    elif reach.count_w > _COARSEST * meter.rating_w:
        steps = f"{meter.modbus.profile!r}, which counts in steps of {kw(reach.count_w)}"
        allowed = f"one whose steps are at most {_COARSEST:.0%} of the rating: it stands still where the site moves"
        yield Problem(loc=(*loc, "modbus", "profile"), found=steps, allowed=allowed)
    elif reach.highest_w < meter.rating_w:
        yield Problem(loc=(*loc, "rating"), allowed=f"at most {kw(reach.highest_w)}, where its profile ends")


def _unseen(site: SiteFile) -> Iterator[Problem]:
    root = root_of(site.nodes)
    seen = {meter.node for meter in site.meters}
    if root is not None and site.meters is not UNKNOWN and root not in seen and UNKNOWN not in seen:
        yield Problem(
            loc=("meters",), found=f"no meter at {root!r}", allowed="at least one at the site's connection", at_key=True
        )


def _most_w(site: SiteFile, node: str) -> float:
    """Return the smallest limit of a node, those above it and the contract; unknown where one of them is."""
    by_id = nodes_by_id(site.nodes)
    way = way_up(node, parents_of(site.nodes))
    limits_w = [site.grid.contract_w, *(by_id[name].limit_w for name in way)]
    return min(limits_w) if way and UNKNOWN not in limits_w else UNKNOWN


def surplus_problems(site: SiteFile) -> Iterator[Problem]:
    """Report a surplus without exactly one source, or with a rating where none belongs."""
    surplus = site.surplus
    yield from _source_problems(("surplus",), surplus, surplus.suspect_after_s)
    yield from _rating_problems(surplus)


def _rating_problems(surplus: SurplusSection) -> Iterator[Problem]:
    if surplus.model is UNKNOWN or surplus.rating_w is UNKNOWN:
        return
    if surplus.model == "headroom" and surplus.rating_w is None:
        yield Problem(
            loc=("surplus",), found="headroom without a rating", allowed="the feeder's rating beside it", at_key=True
        )
    if surplus.model != "headroom" and surplus.rating_w is not None:
        yield Problem(
            loc=("surplus", "rating"),
            found=f"a rating for {surplus.model}",
            allowed="one for headroom alone",
            at_key=True,
        )


def _source_problems(loc: Loc, entry: MeterEntry | SurplusSection, suspect_after_s: float) -> Iterator[Problem]:
    modbus, opcua, dlms, http, mqtt = entry.modbus, entry.opcua, entry.dlms, entry.http, entry.mqtt
    yield from unless_one(loc, {way: getattr(entry, way) for way in WAYS})
    within = f"with its timeout at most suspect_after, {suspect_after_s:g} s: else sound readings are suspect"
    if modbus is not None and modbus.poll_s + modbus.timeout_s > suspect_after_s:
        yield Problem(loc=(*loc, "modbus", "poll"), allowed=within)
    if dlms is not None and dlms.poll_s + dlms.timeout_s > suspect_after_s:
        yield Problem(loc=(*loc, "dlms", "poll"), allowed=within)
    if opcua is not None and opcua.publish_interval_s + opcua.timeout_s > suspect_after_s:
        yield Problem(loc=(*loc, "opcua", "publish_interval"), allowed=within)
    if opcua is not None:
        if opcua.unit_stated_as is not None and opcua.unit is None:
            yield Problem(loc=(*loc, "opcua", "unit_stated_as"), allowed="only beside unit, which says what it means")
        yield from opcua_problems((*loc, "opcua"), opcua)
    if http is not None and http.poll_s + http.timeout_s > suspect_after_s:
        yield Problem(loc=(*loc, "http", "poll"), allowed=within)
    if mqtt is not None and mqtt is not UNKNOWN:
        yield from _interval_problems((*loc, "mqtt"), mqtt, suspect_after_s)


def _interval_problems(loc: Loc, mqtt: MqttSource, suspect_after_s: float) -> Iterator[Problem]:
    """Report messages that come less often than readings grow suspect."""
    every_s = expected_every_s(mqtt)
    if every_s > suspect_after_s:
        at = (*loc, "every") if mqtt.every_s is not None else loc
        allowed = f"at most suspect_after, {suspect_after_s:g} s: else sound readings are suspect"
        yield Problem(loc=at, found=f"a message every {every_s:g} s", allowed=allowed, at_key=mqtt.every_s is None)
