"""``surplusd what-if``: what a site would do at other limits and other prices, from its file or on top of what the daemon sees."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from controller.commands import DONE, Verbs
from controller.commands.asking import READERS
from controller.terminal.telling import tell, tell_json

if TYPE_CHECKING:
    from controller.commands.daemon_client import DaemonClient
    from controller.core.allocation.what_if import Supposed, SupposedAllotment
    from controller.core.site import Bool, Site
    from controller.site.model import SiteFile

_ABOUT = """Shows what each device would be set to, what the site would earn and what no setting earns more than, which limits
bind, and what the next kW of each would earn. All has settled then: ramps, starts and minimum times are not counted. A limit that is supposed
holds beside those of the site file: of several of a node the smallest binds. Nothing is sent to anybody."""
#: Of a node: its limit as it is supposed, which limit that is.
_SUPPOSED: Final = "what-if"


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("what-if", help="what the site would do at other limits or prices", description=_ABOUT)
    verb.add_argument("site", type=Path, metavar="SITE.yaml", help="the site file")
    verb.add_argument(
        "--limit",
        action="append",
        default=[],
        type=_limit,
        metavar="NODE=WATTS",
        help="suppose this limit of a node, such as pcc='1.2 MW', or where the site file says what it carries, "
        "hall='160 A' or '63 kVA' at the worst that is declared; may be given again",
    )
    verb.add_argument(
        "--price",
        action="append",
        default=[],
        type=_assignment,
        metavar="NAME=PRICE",
        help="suppose another price: tariff, hashprice or gpu.PRIORITY, such as tariff='0.03 USD/kWh'",
    )
    verb.add_argument(
        "--live",
        action="store_true",
        help="start from the limits, house loads and locks that the running daemon sees now",
    )
    verb.add_argument("--url", help="with --live: address of the daemon (default: as the site file has it)")
    verb.add_argument(
        "--token-file", type=Path, metavar="FILE", help="with --live: the token (default: one that the site file names)"
    )
    verb.add_argument("--json", action="store_true", help="print it as JSON")
    verb.set_defaults(carry_out=_carry_out)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is NAME=VALUE")
    return name, value


def _limit(text: str) -> _AskedLimit:
    from drivers.quantities import UNITS, QuantityError, QuantityKind, parse_quantity

    node, value = _assignment(text)
    kinds = QuantityKind.APPARENT_POWER, QuantityKind.CURRENT
    kind = next((one for one in kinds if value.strip().endswith(tuple(UNITS[one]))), QuantityKind.POWER)
    try:
        size = parse_quantity(value, kind)
    except QuantityError as error:
        raise argparse.ArgumentTypeError(f"{node}: {error}") from error
    if size < 0.0:
        raise argparse.ArgumentTypeError(f"{node}: found {value!r}, allowed is 0 {kind.value} or more")
    return _AskedLimit(node, size, kind.value)


class _AskedLimit(NamedTuple):
    """A limit of a node as it was typed, in W, A or VA."""

    node: str
    size: float
    unit: str

    def watts(self, site: Site) -> float:
        """Return it in W; CommandLineWrong where the site has no such node, or does not say what it carries in this unit."""
        from drivers.errors import CommandLineWrong

        if self.node not in site.tree.ids:
            raise CommandLineWrong(f"--limit: there is no node {self.node}; there are {', '.join(site.tree.ids[:20])}")
        if self.unit == "W":
            return self.size
        carries = {(site.tree.ids[each.node], each.unit): each.least_w for each in site.carries}
        if (self.node, self.unit) not in carries:
            raise CommandLineWrong(
                f"--limit: the site file does not say what {self.node} carries in {self.unit}; allowed is W"
            )
        return self.size * carries[self.node, self.unit]


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.asking import client
    from controller.core.allocation.tables import make_tables
    from controller.core.allocation.what_if import what_if
    from controller.site.compile import compile_site
    from controller.site.load import load

    site_file = _priced(load(arguments.site), arguments.price)
    site = compile_site(site_file)
    status = _seen(client(arguments, *READERS)) if arguments.live else None
    asked = _asked(site, status, arguments.limit)
    case = _Case(site_file=site_file, site=site, asked=asked, outcome=what_if(make_tables(site), asked.supposed))
    tell_json(case.shown()) if arguments.json else tell(*case.lines())
    return DONE


def _seen(daemon: DaemonClient) -> dict[str, Any]:
    """Return the status of a daemon; ConfigError where it sees nothing now, for this would start from the file all the same."""
    from controller.commands.site_panel import whole_status
    from drivers.errors import ConfigError

    status = whole_status(daemon.ask("GET", "/api/v1/status"), daemon)
    if not status["nodes"]:
        raise ConfigError(f"--live: the daemon at {daemon.place} sees nothing of the site now: {status['reason']}")
    return status


def _priced(site_file: SiteFile, prices: list[tuple[str, str]]) -> SiteFile:
    """Return the site file at these prices; CommandLineWrong where one is none, or of another currency."""
    from controller.site.prices import with_prices

    economics = site_file.economics
    for name, text in prices:
        economics = with_prices(economics, name, text)
    return site_file.model_copy(update={"economics": economics})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is supposed, by which limit each node (N,) is limited, and the mode of the daemon where one was asked."""

    supposed: Supposed
    binding: list[str]
    mode: str | None


def _asked(site: Site, status: dict[str, Any] | None, limits: list[_AskedLimit]) -> _Asked:
    """Return what is supposed: the file's limits, or those that the daemon sees, and these; CommandLineWrong for no node."""
    import numpy as np

    from controller.core.allocation.what_if import Supposed
    from controller.core.limits.carrying import worst_limits
    from controller.core.limits.demand import steady_limit
    from controller.core.limits.envelope import standing_limits

    standing = standing_limits(site)
    limit_w, binding, house_w = standing.limit_w.copy(), list(standing.binding), site.tree.house_w.copy()
    for moving in (*worst_limits(site), *steady_limit(site)):
        if moving.limit_w < limit_w[moving.node]:
            limit_w[moving.node], binding[moving.node] = moving.limit_w, moving.name
    off = _off(site, status) if status is not None else np.zeros(len(site.devices.ids), dtype=np.bool_)
    nodes = status["nodes"] if status is not None else {}
    for n, name in enumerate(site.tree.ids):
        seen = nodes.get(name)
        if seen is not None and isinstance(seen["envelope_w"], float | int):
            limit_w[n], binding[n] = seen["envelope_w"], seen["binding"]
        if seen is not None and isinstance(seen["house_w"], float | int):
            house_w[n] = seen["house_w"]
    demand = None if status is None else status.get("demand")
    if demand is not None and demand["cap_w"] < limit_w[0]:
        limit_w[0], binding[0] = demand["cap_w"], "demand"
    for limit in limits:
        watts, n = limit.watts(site), site.tree.ids.index(limit.node)
        if watts < limit_w[n]:
            limit_w[n], binding[n] = watts, _SUPPOSED
    supposed = Supposed(limit_w=limit_w, house_w=house_w, off=off)
    return _Asked(supposed=supposed, binding=binding, mode=None if status is None else status["mode"])


def _off(site: Site, status: dict[str, Any]) -> Bool:
    """Return which devices (D,) are locked, or below a contactor that is not closed."""
    import numpy as np

    from controller.core.floor import nodes_below
    from controller.core.limits.contactors import Phase

    subjects = {lock["subject"] for lock in status["locks"]}
    opened = {
        name
        for name, node in status["nodes"].items()
        if (node["contactor"] or {}).get("state", Phase.CLOSED) != Phase.CLOSED
    }
    nodes = np.array([name in subjects | opened for name in site.tree.ids], dtype=np.bool_)
    own = np.array([name in subjects for name in site.devices.ids], dtype=np.bool_)
    return np.asarray(own | nodes_below(site, nodes)[site.devices.node], dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What was supposed, and what the site would do."""

    site_file: SiteFile
    site: Site
    asked: _Asked
    outcome: SupposedAllotment

    @property
    def _currency(self) -> str:
        return self.site_file.economics.tariff.currency

    def shown(self) -> dict[str, Any]:
        """Return it as JSON has it; a limit that is none is null."""
        outcome, supposed, parts = self.outcome, self.asked.supposed, self.outcome.parts.by_node()
        nodes = {
            name: {
                "limit_w": float(supposed.limit_w[n]) if supposed.limit_w[n] < float("inf") else None,
                "limited_by": self.asked.binding[n],
                "house_w": float(supposed.house_w[n]),
                "devices_w": float(outcome.used_w[n]),
                "binds": bool(outcome.next_kw_per_h[n] > 0.0),
                "next_kw_per_h": float(outcome.next_kw_per_h[n]),
                "parts": parts.get(n),
            }
            for n, name in enumerate(self.site.tree.ids)
        }
        return {
            "site": self.site.id,
            "mode": self.asked.mode,
            "currency": self._currency,
            "value_per_h": outcome.value_per_h,
            "bound_per_h": outcome.bound_per_h,
            "nodes": nodes,
            "devices": {name: {"watts": watts, "mode": mode} for name, watts, mode in self._devices()},
        }

    def lines(self) -> list[str]:
        """Return it as a person reads it."""
        from controller.texts.parts import told_parts
        from drivers.quantities import format_power

        outcome, supposed = self.outcome, self.asked.supposed
        told = (
            []
            if self.asked.mode is None
            else [f"the daemon's mode is {self.asked.mode}, and this starts from what it sees"]
        )
        told.append(
            f"{self.site.id}: devices would draw {format_power(float(outcome.used_w[0]))} and earn {outcome.value_per_h:.4f} "
            f"{self._currency}/h; nothing earns more than {outcome.bound_per_h:.4f}"
        )
        for n, name in enumerate(self.site.tree.ids):
            if outcome.next_kw_per_h[n] > 0.0:
                told.append(
                    f"{name} binds: {format_power(float(supposed.limit_w[n]))} by {self.asked.binding[n]}, of which its devices "
                    f"draw {format_power(float(outcome.used_w[n]))}; the next kW would earn {outcome.next_kw_per_h[n]:.4f} {self._currency}/h"
                )
        for n, by_part in outcome.parts.by_node().items():
            told.append(
                f"{self.site.tree.ids[n]}, of its {format_power(float(supposed.limit_w[n]))}: {told_parts(by_part)}"
            )
        width = max(map(len, self.site.devices.ids))
        return told + [f"  {name:<{width}}  {watts:>9.1f} W  {mode}" for name, watts, mode in self._devices()]

    def _devices(self) -> list[tuple[str, float, str]]:
        """Return id, watts and mode of each device; inside a range the mode is that at its upper end."""
        from controller.site.devices import models_by_device
        from controller.site.own_models import catalogue_of

        catalogue, models = catalogue_of(self.site_file.models), models_by_device(self.site_file.fleet)
        found = []
        for name, watts in zip(self.site.devices.ids, self.outcome.watts.tolist(), strict=True):
            off, *others = catalogue[models[name]].modes
            running = next((mode.name for mode in others if watts <= mode.watts + 1e-6), others[-1].name)
            found.append((name, watts, off.name if watts <= catalogue[models[name]].off_w else running))
        return found
