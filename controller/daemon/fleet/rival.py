"""Whether another controller leads this one's agents: only who has the same key can, and two that take turns serve nobody."""

from __future__ import annotations

import logging
import threading

from controller.core.reasons import Code, Reason
from controller.texts.english import text
from drivers.clock import Clock

_log = logging.getLogger(__name__)


class Rival:
    """What the agents' reports say of another controller; `lasting_s`: how long after its last sign it may be there still.

    A sign is a statement that an agent has taken which is not ours, after it has taken one of ours: of a later epoch, or of ours with a
    number that we have not come to. What an agent held when it was first heard is no sign: that may be of a former start of this one.
    """

    def __init__(self, root: str, *, lasting_s: float, clock: Clock) -> None:
        """`root`: id of the site's root node."""
        self._root, self._lasting_s, self._clock = root, lasting_s, clock
        self._led: set[str] = set()
        self._seen_s = float("-inf")
        self._by = ""
        self._told = False
        self._lock = threading.Lock()

    def hear(self, agent: str, *, epoch: int, seq: int, ours: int, sent_seq: int) -> bool:
        """Take in which statement an agent has taken; return whether another controller made it in the epoch that is ours.

        `ours`: the epoch that this controller leads in, `sent_seq`: the newest number that it has sent to the agent in it.
        """
        with self._lock:
            if epoch == ours and seq <= sent_seq:
                self._led.add(agent)
            foreign = agent in self._led and (epoch > ours or (epoch == ours and seq > sent_seq))
            if foreign:
                self._seen_s, self._by = self._clock(), agent
            return foreign and epoch == ours

    def reason(self) -> Reason | None:
        """Return the reason that names it, None where there is none; its coming and its end are logged once."""
        with self._lock:
            present = self._clock() - self._seen_s < self._lasting_s
            reason = Reason(Code.SECOND_CONTROLLER, self._root, {"agent": self._by}) if present else None
            told, self._told = self._told, present
        extra = {"event": Code.SECOND_CONTROLLER.value}
        if reason is not None and not told:
            _log.error("%s", text(reason), extra=extra)
        elif told and reason is None:
            _log.info("no agent takes statements of another controller any more", extra=extra | {"over": True})
        return reason
