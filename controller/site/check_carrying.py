"""Checks of what nodes may carry in A or VA."""

from __future__ import annotations

from collections.abc import Iterator

from controller.site.carrying import CarriesEntry
from controller.site.model import SiteFile
from controller.site.problems import Loc, Problem, unless_one
from controller.site.unknown import UNKNOWN


def carrying_problems(site: SiteFile) -> Iterator[Problem]:
    """Report a node without exactly one of A and VA, and worst values that are missing or have no use."""
    for index, node in enumerate(site.nodes):
        if node.carries is not None and node.carries is not UNKNOWN:
            yield from _problems(("nodes", index, "carries"), node.carries)


def _problems(loc: Loc, carries: CarriesEntry) -> Iterator[Problem]:
    yield from unless_one(loc, {"current": carries.current_a, "apparent_power": carries.apparent_power_va})
    if carries.current_a is not None and carries.volts is None:
        allowed = "the lowest voltage beside it: it counts wherever no meter shows a higher one"
        yield Problem(loc=loc, found="a current without volts", allowed=allowed, at_key=True)
    if carries.apparent_power_va is not None and carries.current_a is None and carries.volts is not None:
        yield Problem(
            loc=(*loc, "volts"), found="volts for apparent_power", allowed="them for current alone", at_key=True
        )
    if carries.phases == 3 and carries.imbalance is None:
        allowed = "by how much the highest phase will be above the mean, as in 10 %: which phase a device hangs on is not known here"
        yield Problem(loc=loc, found="three phases without their imbalance", allowed=allowed, at_key=True)
    if carries.phases == 1 and carries.imbalance is not None:
        yield Problem(
            loc=(*loc, "imbalance"),
            found="an imbalance of one phase",
            allowed="one for three phases alone",
            at_key=True,
        )
