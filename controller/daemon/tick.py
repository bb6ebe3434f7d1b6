"""The tick: a thread of its own that looks, decides and hands over, and is never kept waiting."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from controller.core.decision import Decision
from controller.core.self_check import InvariantBroken
from controller.core.snapshot import Snapshot
from controller.core.state import State
from controller.core.trust.judge import Trust
from controller.daemon.alarm import Alarm
from controller.daemon.plain import plain
from drivers.clock import Clock, boottime_s

_log = logging.getLogger(__name__)

#: One step of the control, with the site's tables bound to it.
Step = Callable[[State, Snapshot], tuple[State, Decision]]


class SafeStep(Protocol):
    """The step that decides when another has failed; `blind`: without what the sources have said."""

    def __call__(self, state: State, snapshot: Snapshot, /, *, blind: bool = False) -> tuple[State, Decision]:
        """Return the next state and the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What decides from now on; `state` makes its state of the one before."""

    step: Step
    safe_step: SafeStep
    state: Callable[[State], State]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """One tick that has been carried out.

    `trust`: what is remembered of the sources. `duration_s`: from the snapshot to the handing over, `late_s`: behind its
    time. `failure`: what broke the step, so that the safe one has decided; a short word, empty where nothing did.
    """

    decision: Decision
    trust: Trust
    duration_s: float
    late_s: float
    failure: str = ""


class Ticker:
    """Carries out a tick whenever `alarm` says so; a tick that overruns is followed by the next one due, not by a burst.

    `take` gives the snapshot, `act` takes what was decided; both return at once. An exception in `step`, or a decision that
    breaks an invariant, is an error of ours: `safe_step` decides instead, and the next tick is tried. The first failure is
    logged with all that is needed to do the step again, one of another sort by its name, until a step succeeds. Leases are
    handed over before any of it is written.
    """

    def __init__(
        self,
        *,
        alarm: Alarm,
        state: State,
        step: Step,
        safe_step: SafeStep,
        take: Callable[[], Snapshot],
        act: Callable[[Tick], None],
        clock: Clock = boottime_s,
    ) -> None:
        self._alarm, self._clock = alarm, clock
        self._state, self._step, self._safe_step, self._take, self._act = state, step, safe_step, take, act
        self._failing = ""
        self._waiting: deque[tuple[Control, Future[None]]] = deque()
        self._thread = threading.Thread(target=self._run, name="tick", daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop(self) -> None:
        """End after the tick that is under way, if there has been any."""
        self._alarm.stop()
        if self._thread.is_alive():
            self._thread.join()

    def take_over(self, control: Control) -> Future[None]:
        """Decide by this from the next tick on, which begins soon; returns at once. The answer is done when it is so, and raises where it cannot be."""
        taken: Future[None] = Future()
        self._waiting.append((control, taken))
        self._alarm.wake()
        return taken

    def _take_over(self) -> None:
        while self._waiting:
            control, taken = self._waiting.popleft()
            try:
                state = control.state(self._state)
            except Exception as error:  # noqa: BLE001  whoever asked for it is told, and the tick goes on as before
                taken.set_exception(error)
                continue
            self._state, self._step, self._safe_step = state, control.step, control.safe_step
            taken.set_result(None)

    def _run(self) -> None:
        while (due_s := self._alarm.wait()) is not None:
            try:
                self.tick(due_s)
            except Exception:  # noqa: BLE001  a tick that fails kicks no watchdog and renews no lease, but the next one is tried
                _log.exception("the tick failed", extra={"event": "tick_failed"})
            self._alarm.done()

    def tick(self, due_s: float) -> Tick:
        """Carry out one tick that was due at `due_s`."""
        begun_s = self._clock()
        self._take_over()
        snapshot, before = self._take(), self._state
        decision, error = self._decide(snapshot)
        failure = _word(error)
        done = Tick(
            decision=decision,
            trust=self._state.trust,
            duration_s=self._clock() - begun_s,
            late_s=begun_s - due_s,
            failure=failure,
        )
        failed_with, self._failing = self._failing, failure
        try:
            self._act(done)
        finally:
            if failure != failed_with:
                _note(error, failed_with, before, snapshot)
        return done

    def _decide(self, snapshot: Snapshot) -> tuple[Decision, Exception | None]:
        before = self._state
        try:
            self._state, decision = self._step(before, snapshot)
        except Exception as error:  # noqa: BLE001  whatever is wrong in the control, the site must come down and the daemon go on
            self._state, decision = self._safely(before, snapshot)
            return decision, error
        return decision, None

    def _safely(self, before: State, snapshot: Snapshot) -> tuple[State, Decision]:
        try:
            return self._safe_step(before, snapshot)
        except Exception:  # noqa: BLE001  as above
            # Once more without what the sources have said: the site comes down whatever they say.
            if not self._failing:
                _log.exception("what the sources say cannot be judged", extra={"event": "judging_failed"})
            return self._safe_step(before, snapshot, blind=True)


def _word(error: Exception | None) -> str:
    if isinstance(error, InvariantBroken):
        return ", ".join(error.broken)
    return "" if error is None else type(error).__name__


def _note(error: Exception | None, failed_with: str, before: State, snapshot: Snapshot) -> None:
    """Log that the step has begun to fail, fails otherwise than `failed_with`, or succeeds again."""
    if error is None:
        _log.info("the control step succeeds again", extra={"event": "step_succeeds"})
        return
    facts = {"event": "step_failed", "failure": _word(error)}
    if not failed_with:
        facts |= {"snapshot": plain(snapshot), "state": plain(before)}
    _log.error("the control step failed; devices go to failsafe", exc_info=error, extra=facts)
