"""The heads of the journal that the agents keep, for ``surplusd init``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.core.site import Site
from controller.daemon.fleet.broker import make_link
from controller.site.model import SiteFile
from drivers.errors import ConfigError, Refused
from drivers.fleet.head import JournalHead, open_head
from drivers.fleet.keys import CONTROLLER, load_public
from drivers.fleet.wire import Leaf, open_report, parse_topic, topic


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetHeads:
    """By who has them. `unasked`: why nothing is known of what agents have, empty where all were heard."""

    heads: Mapping[str, JournalHead] = field(default_factory=dict)
    unasked: str = ""


def heads_of_fleet(site_file: SiteFile, site: Site, within_s: float) -> FleetHeads:
    """Hear a report of every agent, for `within_s` at most, and return the newest head that each has."""
    try:
        return _Listener(site_file, site).listen(within_s)
    except ConfigError as error:
        return FleetHeads(unasked=str(error))


class _Listener:
    """Hears reports alone, under a name of its own."""

    def __init__(self, site_file: SiteFile, site: Site) -> None:
        keys = site_file.mqtt.keys
        self._site, self._changed, self._up = site, threading.Condition(), False
        self._controller = load_public(keys / f"{CONTROLLER}.pub")
        self._keys = {agent: load_public(keys / f"{agent}.pub") for agent in site.agents}
        self._heard: set[str] = set()
        self._heads: dict[str, JournalHead] = {}
        make = make_link(site_file.mqtt, f"surplusd.{site.id}.check")
        self._link = make(self._on_message, self._on_connection, (topic(site.id, "+", Leaf.REPORT),))

    def listen(self, within_s: float) -> FleetHeads:
        """Return what was heard."""
        self._link.start()
        try:
            with self._changed:
                self._changed.wait_for(lambda: len(self._heard) == len(self._keys), within_s)
        finally:
            self._link.stop()
        if not self._up:
            return FleetHeads(unasked=f"no link to the broker within {within_s:g} s")
        silent = sorted(self._keys.keys() - self._heard)
        unasked = f"not heard within {within_s:g} s: {', '.join(silent)}" if silent else ""
        return FleetHeads(heads=dict(self._heads), unasked=unasked)

    def _on_connection(self, up: bool) -> None:
        with self._changed:
            self._up = self._up or up
            self._changed.notify_all()

    def _on_message(self, name: str, payload: bytes, _retained: bool) -> None:
        try:
            agent, _ = parse_topic(name, self._site.id)
            report = open_report(payload, {agent: self._keys[agent]}, site=self._site.id, agent=agent)
        except (Refused, KeyError):
            return  # no agent of this site has said it
        with self._changed:
            self._heard.add(agent)
            for token in (report.head_seen, report.head_stored):
                if token is not None:
                    self._note(f"agent {agent}", token)
            self._changed.notify_all()

    def _note(self, who: str, token: str) -> None:
        try:
            head = open_head(token, self._controller, site=self._site.id)
        except Refused:
            return  # another controller's
        known = self._heads.get(who)
        if known is None or (known.epoch, known.seq) < (head.epoch, head.seq):
            self._heads[who] = head
