"""What the agents have, as the broker keeps it, against the site file, and whether they report; for ``surplusd check --live``."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from controller.core.site import Site
from controller.daemon.fleet.broker import make_link
from controller.daemon.fleet.refusal import MessageRefused
from controller.daemon.fleet.relays import relays_of
from controller.daemon.fleet.reports import AgentReport, Reports
from controller.site.devices import models_by_device
from controller.site.model import SiteFile
from controller.texts.english import text
from drivers.errors import ConfigError
from drivers.fleet.keys import CONTROLLER, load_public
from drivers.fleet.wire import Leaf, parse_topic, topic


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLook:
    """`findings`: what looks wrong, in words. `unasked`: why nothing is known of the fleet, empty where it was asked."""

    findings: tuple[str, ...] = ()
    unasked: str = ""


def look_at_fleet(site_file: SiteFile, site: Site, within_s: float) -> FleetLook:
    """Read the inventories that the broker keeps; wait for those of all agents and a report of each, for `within_s` at most."""
    if not site_file.mqtt.keys.is_dir():
        return FleetLook(unasked="it has no keys yet")
    try:
        return _Listener(site_file, site).listen(within_s)
    except ConfigError as error:
        return FleetLook(unasked=str(error))


def _is_here(view: AgentReport) -> bool:
    """Return whether an agent has said what it has, and reports."""
    return view.inventory is not None and math.isfinite(view.heard_s)


class _Listener:
    """Hears inventories and reports, under a name of its own so that a daemon keeps its connection."""

    def __init__(self, site_file: SiteFile, site: Site) -> None:
        keys, models = site_file.mqtt.keys, models_by_device(site_file.fleet)
        self._site, self._changed, self._up = site, threading.Condition(), False
        self._refused: dict[str, str] = {}
        self._reports = Reports(
            site,
            {agent: load_public(keys / f"{agent}.pub") for agent in site.agents},
            controller=load_public(keys / f"{CONTROLLER}.pub"),
            models=tuple(models[id_] for id_ in site.devices.ids),
            epoch=0,
            relays=relays_of(site_file, site),
        )
        make = make_link(site_file.mqtt, f"surplusd.{site.id}.check")
        topics = tuple(topic(site.id, "+", leaf) for leaf in (Leaf.INVENTORY, Leaf.REPORT))
        self._link = make(self._on_message, self._on_connection, topics)

    def listen(self, within_s: float) -> FleetLook:
        """Return what looks wrong."""
        self._link.start()
        try:
            self._wait(lambda: self._up and all(map(_is_here, self._reports.newest)), within_s)
        finally:
            self._link.stop()
        if not self._up:
            return FleetLook(unasked=f"no link to the broker within {within_s:g} s")
        newest = zip(self._site.agents, self._reports.newest, strict=True)
        unsaid = tuple(self._unsaid(agent, view, within_s) for agent, view in newest if not _is_here(view))
        return FleetLook(findings=unsaid + tuple(text(one) for view in self._reports.newest for one in view.findings))

    def _unsaid(self, agent: str, view: AgentReport, within_s: float) -> str:
        """Return why nothing is known of an agent as it is now."""
        silent = f"agent {agent} is silent: no report within {within_s:g} s"
        return self._refused.get(agent, silent if view.inventory else f"agent {agent} has not said what it has")

    def _wait(self, done: Callable[[], bool], within_s: float) -> None:
        with self._changed:
            self._changed.wait_for(done, within_s)

    def _on_connection(self, up: bool) -> None:
        with self._changed:
            self._up = self._up or up
            self._changed.notify_all()

    def _on_message(self, name: str, payload: bytes, retained: bool) -> None:
        agent, leaf = parse_topic(name, self._site.id)
        with self._changed:
            try:
                self._reports.take(agent, leaf, payload, retained, 0.0)
            except MessageRefused as refusal:
                self._refused[agent] = f"agent {agent}: {refusal}"
            self._changed.notify_all()
