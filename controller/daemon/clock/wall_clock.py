"""The wall clock as the daemon has it: looked at in every tick, vouched for from outside, its anchor kept on the disk."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from controller.core.reasons import Reason
from controller.core.site import Site
from controller.daemon.clock.anchor import AgentClock, Anchor, after_statement, vouched
from controller.daemon.clock.anchor_file import AnchorFile
from controller.daemon.clock.trust import judge, needs_agents, next_anchor
from controller.daemon.utc import Utc
from drivers.errors import Refused
from drivers.machine_clocks import MachineClocks, read_clocks

_log = logging.getLogger(__name__)

#: Trust that was lost comes back when nothing has spoken against it for so long.
STEADY_S: Final = 60.0
#: Agents that have begun are looked for so often.
AGENTS_S: Final = 10.0

#: The clocks of all agents that have told theirs, by id.
AgentClocks = Callable[[MachineClocks], Mapping[str, AgentClock]]


class WallClock:
    """Holds the wall clock against its anchor. `utc`: the newest look.

    `look` is for the tick and waits for nothing; all else may be called from any thread, and what says so blocks on the disk.
    """

    def __init__(
        self,
        site: Site,
        file: AnchorFile,
        *,
        agents: AgentClocks = lambda _: {},
        read: Callable[[], MachineClocks] = read_clocks,
    ) -> None:
        """Remember the anchor of before; `agents`: their clocks now."""
        self._site, self._of = site.tree.ids[0], len(site.agents)
        self._file, self._agents, self._read = file, agents, read
        self._swap, self._disk = threading.Lock(), threading.Lock()
        self._anchor = self._stored = self._remembered()
        self._failing = False
        self._asked_s = self._doubted_s = float("-inf")
        self._last: Reason | None = None
        self.utc: Utc = self.look()

    def look(self) -> Utc:
        """Return the wall clock and whether it is to be trusted now."""
        clocks, anchor = self._read(), self._anchor
        if needs_agents(anchor, clocks) or clocks.boottime_s - self._asked_s >= AGENTS_S:
            self._asked_s = clocks.boottime_s
            renewed = next_anchor(anchor, clocks, self._agents(clocks), self._of)
            anchor = self._replace(anchor, renewed)
        self.utc = self._steadied(judge(self._site, anchor, clocks), clocks.boottime_s)
        return self.utc

    def peek(self) -> Utc:
        """Return what the clock is worth at this moment by its anchor, without a look; from any thread."""
        return judge(self._site, self._anchor, self._read())

    def hear(self, issuer: str, sent_utc_s: float) -> None:
        """Take note of when an issuer says that it has sent something."""
        clocks, anchor = self._read(), self._anchor
        self._replace(anchor, after_statement(anchor, clocks, sent_utc_s, issuer))

    def vouch(self, by: str) -> Utc:
        """Anchor it anew, on the disk first, at the word of somebody that it is right now; OSError, and nothing changed."""
        clocks = self._read()
        anchor = vouched(clocks, clocks.utc_s, by)
        with self._disk:
            self._file.write(anchor)
            with self._swap:
                self._anchor = self._stored = anchor
        self._doubted_s = float("-inf")
        return judge(self._site, anchor, clocks)

    def store(self) -> None:
        """Write the anchor down where it has changed; what cannot be written is logged once, and tried again at the next call."""
        with self._disk:
            anchor = self._anchor
            if anchor is self._stored or anchor is None:
                return
            try:
                self._file.write(anchor)
            except OSError as error:
                if not self._failing:
                    _log.warning("%s cannot be written: %s", self._file, error, extra={"event": "anchor_not_stored"})
                self._failing = True
            else:
                self._stored, self._failing = anchor, False

    def _remembered(self) -> Anchor | None:
        try:
            return self._file.read()
        except Refused as refusal:
            _log.error("nobody vouches for the wall clock: %s", refusal, extra={"event": "anchor_unusable"})
            return None

    def _replace(self, seen: Anchor | None, anchor: Anchor | None) -> Anchor | None:
        """Put the anchor in the place of the one that it was made from, unless that is gone; return the one that counts."""
        with self._swap:
            if self._anchor is seen:
                self._anchor = anchor
            return self._anchor

    def _steadied(self, utc: Utc, now_s: float) -> Utc:
        """Return the look with the doubt of before, where that has not been over for long enough."""
        if utc.doubt is not None:
            self._last, self._doubted_s = utc.doubt, now_s
        elif now_s - self._doubted_s < STEADY_S:
            return replace(utc, trusted=False, doubt=self._last)
        return utc
