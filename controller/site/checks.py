"""What the types of single values cannot say: references, sums, and figures that contradict each other.

Every check reads around what is UNKNOWN, so that the checks run on a file whose values are partly wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.site.check_access import mqtt_problems, token_problems
from controller.site.check_carrying import carrying_problems
from controller.site.check_contactors import contactor_problems
from controller.site.check_dlms import dlms_problems
from controller.site.check_fleet import fleet_problems, price_problems
from controller.site.check_lines import line_problems
from controller.site.check_meters import meter_problems, surplus_problems
from controller.site.check_modbus import modbus_problems
from controller.site.check_payloads import payload_problems
from controller.site.check_sums import sum_problems
from controller.site.devices import loads
from controller.site.model import DemandSection, GridSection, SiteFile
from controller.site.own_models import mistakes_of
from controller.site.problems import Problem, kw
from controller.site.tree import tree_problems
from drivers.fleet.catalogue import Model

_LEAST_TICKS = 3


def site_problems(site: SiteFile, catalogue: Mapping[str, Model]) -> Iterator[Problem]:
    """Report everything that is wrong between the values of a site file."""
    fleet = list(loads(site.fleet))
    of_tree = list(tree_problems(site.nodes))
    yield from of_tree
    yield from _grid_problems(site.grid)
    yield from _demand_problems(site.economics.demand)
    yield from _time_problems(site)
    yield from meter_problems(site)
    yield from surplus_problems(site)
    yield from modbus_problems(site)
    yield from dlms_problems(site)
    yield from payload_problems(site)
    yield from carrying_problems(site)
    yield from line_problems(site)
    yield from fleet_problems(site, fleet, catalogue)
    yield from contactor_problems(site, fleet, catalogue)
    yield from price_problems(site.economics, fleet, catalogue)
    yield from token_problems(site.orders)
    yield from mqtt_problems(site.mqtt)
    yield from mistakes_of(site.models)
    if not of_tree:
        yield from sum_problems(site, fleet, catalogue)


def _demand_problems(demand: DemandSection | None) -> Iterator[Problem]:
    if demand is not None and demand.begins_s >= demand.window_s:
        yield Problem(loc=("economics", "demand", "begins"), allowed=f"less than the window, {demand.window_s:g} s")


def _grid_problems(grid: GridSection) -> Iterator[Problem]:
    for key, value_w in (("firm", grid.firm_w), ("failsafe", grid.failsafe_w)):
        if value_w > grid.contract_w:
            yield Problem(loc=("grid", key), allowed=f"at most the contract, {kw(grid.contract_w)}")


def _time_problems(site: SiteFile) -> Iterator[Problem]:
    control, surplus, least_s = site.control, site.surplus, _LEAST_TICKS * site.tick_s
    if site.fleet.lease_s < least_s:
        yield Problem(loc=("fleet", "lease"), allowed=f"at least {_LEAST_TICKS} ticks, {least_s:g} s")
    if control.suspect_after_s >= control.bad_after_s:
        yield Problem(loc=("control", "suspect_after"), allowed=f"less than bad_after, {control.bad_after_s:g} s")
    if surplus.suspect_after_s >= surplus.stale_after_s:
        yield Problem(loc=("surplus", "suspect_after"), allowed=f"less than stale_after, {surplus.stale_after_s:g} s")
