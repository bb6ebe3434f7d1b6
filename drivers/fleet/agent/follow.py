"""Follows one device: what it was told, what it does, and what to ask of it next. Pure; time comes in, in s.

The rules, each a test in ``tests/drivers/fleet/agent``, in ``test_follow.py`` or ``test_ladder.py``:

- A setpoint that is lower than what the device may be running on is told at once, whatever else is not known.
- After an outcome that is unknown, a silence, a restart or another serial number, the device is read, then told.
- What it names as its setpoint, or what measures it, proves; a yes does not. Whatever contradicts takes the proof away.
- A lowering that fails is told once more; then come sleep, stop and relay, and then these again, without end (`ladder`).
  A raise that fails is told again, ever more seldom, and nothing else.
- What leaves its setpoint for more, though it was seen to run on it, is told again; the fourth time within `STRAYS_S`, and each after
  that, is a step of its own.
- What had to be brought down rests, and then only a grant that is above off wakes it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from drivers.fleet.agent.contact import Contact
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.evidence import GRACE_S, Evidence
from drivers.fleet.agent.ladder import Ladder
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.proof import Sight, is_idle, shown
from drivers.fleet.agent.steps import Action, Do, Doubt, Progress, Rung, Told
from drivers.fleet.wire import Follow, Proof

#: A raise that failed is told again after so long, and then after twice as long each time.
RAISE_AGAIN_S: Final = 10.0
RAISE_MOST_S: Final = 300.0
#: What has left its setpoint for more so often within `ladder.STRAYS_S` is moved by something else.
MOVED: Final = 2
#: What has fallen to this share of what it was is coming down.
_FALLEN: Final = 0.95
#: What drew so many times what it was told, and then proved that, has come down by being told.
_MORE: Final = 1.2


class Follower:
    """One device of an agent.

    `stored_w` is what it was last told before this start, `rested` as `rests` was then, `has_relay` whether it can be cut off. `aim_w`: what it is to
    run on. `low_w`, `high_w`: the least and the most that may be in force as far as anybody knows.
    """

    def __init__(self, device: LeasedDevice, *, stored_w: int, has_relay: bool, now_s: float, rested: int = 0) -> None:
        self._model, self._off_w = device.model, device.model.off_w
        self.aim_w = self.low_w = self._told_w = device.at_most(stored_w)
        self.high_w = device.model.max_w
        self._contact = Contact(now_s)
        self._ladder = Ladder(device.model, has_relay=has_relay, now_s=now_s, rested=rested)
        self._seen = Evidence()
        self._busy: Action | None = None
        self._told: Told | None = None
        self._tried_w = math.inf
        self._raises, self._raise_due_s = 0, now_s

    @property
    def dark(self) -> bool:
        """Whether its relay is to be open."""
        return self._ladder.dark

    @property
    def rests(self) -> int:
        """How often in a row it had to be brought down, while it rests because of that; else 0."""
        return self._ladder.rests

    @property
    def heard_s(self) -> float:
        """When it answered last."""
        return self._contact.heard_s

    @property
    def reading(self) -> DeviceReading | None:
        """What it said last."""
        return self._contact.reading

    @property
    def applied_w(self) -> int:
        """The setpoint that it runs on as far as anybody knows: the highest one that may be in force."""
        return self._off_w if self._is_down else self.high_w

    @property
    def _is_down(self) -> bool:
        return self._ladder.stopped or self._ladder.cut_off

    @property
    def _target_w(self) -> int:
        return self._off_w if self._ladder.brought_down else self.aim_w

    @property
    def _told_so(self) -> Told | None:
        """What it was told last, if that is what it is to run on."""
        return self._told if self._told is not None and self._told.watts == self._target_w else None

    def grant(self, watts: int, now_s: float) -> None:
        """Have the device run on `watts` from now on."""
        if watts == self.aim_w:
            return
        ladder = self._ladder
        if watts < self.high_w and (watts < self.aim_w or ladder.since_s is None):
            ladder.begin(now_s, self._contact.named_w)
        if watts > self.aim_w or not ladder.brought_down:
            ladder.from_below()
        self.aim_w = watts
        self._raises, self._raise_due_s = 0, now_s
        if not ladder.stopped:
            self._seen.forget()

    def next(self, now_s: float) -> Action | None:
        """Return what to ask of the device now; None while a request is under way, or nothing is due."""
        self._wake_or_cut(now_s)
        if self._busy is not None:
            return None
        command = self._command(now_s)
        if now_s >= self._contact.read_due_s and not (command is not None and command.lowers):
            return Action(do=Do.READ)  # a raise may have to wait for long, and is not to be lost sight of meanwhile
        return command

    def _wake_or_cut(self, now_s: float) -> None:
        """Begin to bring a device back that has rested, or cut one off that should come down and is silent."""
        ladder = self._ladder
        if self.aim_w > self._off_w and ladder.has_rested(now_s):
            if ladder.dark:
                self._contact.doubt, self.high_w = Doubt.UNREAD, self._model.max_w
            ladder.wake()
            self._told, self._contact.read_due_s = None, now_s
        if ladder.is_to_cut(self.heard_s, now_s):
            ladder.darken(now_s)

    def _command(self, now_s: float) -> Action | None:
        target_w, doubt = self._target_w, self._contact.doubt
        if self._is_down or not self._is_to_tell(target_w, now_s):
            return None
        lowers = target_w < self.high_w or self._seen.over
        if doubt is not Doubt.NONE and not (lowers and target_w < self._tried_w and doubt is not Doubt.UNREAD):
            return None
        if not lowers and now_s < self._raise_due_s:
            return None
        do = Do.STOP if self._ladder.rung is Rung.STOP else Do.COMMAND
        return Action(do=do, watts=target_w, lowers=lowers)

    def _is_to_tell(self, target_w: int, now_s: float) -> bool:
        told, named_w = self._told_so, self._contact.named_w
        if told is None:
            return True
        strays = named_w is not None and named_w < max(target_w, self._off_w)
        idles = is_idle(self.reading, target_w, self._model) and now_s >= told.at_s + self._model.up_s + GRACE_S
        failed = strays or idles or not (told.accepted or told.lowers)
        return failed and self._seen.proof is Proof.NONE and now_s >= max(self._raise_due_s, told.at_s + GRACE_S)

    def began(self, action: Action, now_s: float) -> None:
        """Note that a request is on its way."""
        self._busy = action
        if action.do is Do.READ:
            self._contact.asked(now_s)
            return
        self.low_w, self.high_w = min(self.low_w, action.watts), max(self.high_w, action.watts)
        self._tried_w = min(self._tried_w, action.watts)
        if not action.lowers:
            self._raise_due_s = now_s + min(RAISE_MOST_S, RAISE_AGAIN_S * 2 ** min(self._raises, 10))
            self._raises += 1

    def answered(self, outcome: CommandOutcome, now_s: float) -> None:
        """Take what has become of the command or the stop that was under way."""
        action, self._busy = self._busy, None
        if action is None:
            return
        if outcome is CommandOutcome.UNKNOWN:
            self._told_w = max(self._told_w, action.watts)
        elif outcome is CommandOutcome.ACCEPTED:
            self.low_w = self.high_w = self._told_w = action.watts
        self._contact.answered(outcome, now_s)
        watts, lowers, from_w = action.watts, action.lowers, self._contact.watts
        self._told = Told(watts=watts, lowers=lowers, outcome=outcome, at_s=now_s, from_w=from_w)
        self._seen.proof = Proof.NONE

    def missed(self, now_s: float) -> None:
        """Note that the reading under way has failed."""
        self._busy = None
        self._contact.missed(now_s)
        self._seen.lose()

    def awoke(self, now_s: float) -> None:
        """Note that the agent itself was away (its process or its machine stood still): it knows nothing of the device now."""
        self._contact.awoke(now_s)
        self._ladder.relay_unseen()
        self._seen.lose()
        if self._ladder.since_s is not None:
            self._ladder.begin(now_s, self._contact.named_w)

    def read(self, reading: DeviceReading, now_s: float) -> None:
        """Take the reading that was under way."""
        self._busy = None
        begins_anew = self._contact.took(reading, now_s)
        self._tried_w = math.inf
        if reading.setpoint_w is not None:
            self.high_w, self.low_w = reading.setpoint_w, min(reading.setpoint_w, self._told_w)
        elif begins_anew:
            self.high_w = self._model.max_w
        self._judge(reading, begins_anew, now_s)
        comes = self._ladder.since_s is not None and self._seen.proof is Proof.NONE
        self._contact.read_next(now_s, hurried=self._seen.over or (comes and now_s < self._ladder.own_time_s))

    def relay_seen(self, *, is_open: bool, now_s: float) -> None:
        """Take what the relay itself says of its contact."""
        if self._ladder.relay_seen(is_open=is_open, now_s=now_s):
            self._told, self.low_w, self._told_w = None, self._off_w, self._off_w
            self._seen.is_down()

    def state(self, now_s: float) -> Follow:
        """Return how far the device has followed: the first of these that holds."""
        told, ladder, seen = self._told_so, self._ladder, self._seen
        outcome = None if told is None else told.outcome
        commanded = self._busy is not None and self._busy.do is not Do.READ
        unknown = self._contact.doubt is Doubt.UNKNOWN or outcome is CommandOutcome.UNKNOWN
        first = (
            (ladder.cut_off and not seen.over, Follow.STOPPED),
            (self.is_lost(now_s), Follow.LOST),
            (ladder.stopped, Follow.STOPPED),
            (seen.over and ladder.brought_down, Follow.DEFIANT),
            (commanded, Follow.COMMANDED),
            (unknown, Follow.UNKNOWN),
            (seen.proof is not Proof.NONE, Follow.PROVEN),
            (seen.drifted, Follow.DRIFTED),
            (told is None, Follow.GRANTED),
            (outcome is CommandOutcome.REFUSED, Follow.REFUSED),
            (told is not None and now_s < told.at_s + self._settle_s(told), Follow.SETTLING),
        )
        return next((state for holds, state in first if holds), Follow.ACCEPTED)

    def is_resting(self, now_s: float) -> bool:
        """Return whether it was brought down, and nothing that it is granted wakes it yet."""
        return self.state(now_s) is Follow.STOPPED and self._ladder.is_resting(now_s)

    def proof(self, now_s: float) -> Proof:
        """Return what shows that the device runs on `applied_w`."""
        state = self.state(now_s)
        if state is Follow.STOPPED and self._ladder.cut_off:
            return Proof.READ_BACK
        return self._seen.proof if state in {Follow.PROVEN, Follow.STOPPED} else Proof.NONE

    def is_moved(self, now_s: float) -> bool:
        """Return whether something else moves it: it has left what it was seen to run on for more, again and again."""
        return self._ladder.strays(now_s) >= MOVED

    def is_lost(self, now_s: float) -> bool:
        """Return whether the device does not answer."""
        return self._contact.is_lost(now_s)

    def is_told(self, now_s: float) -> bool:
        """Return whether the device has been told what it is to run on, as far as it can be."""
        told = self._told_so
        known = told is not None and told.outcome is not CommandOutcome.UNKNOWN
        return known or self._is_down or self.is_lost(now_s)

    def _settle_s(self, told: Told) -> float:
        return GRACE_S + (self._model.down_s if told.lowers else self._model.up_s)

    def _judge(self, reading: DeviceReading, begins_anew: bool, now_s: float) -> None:
        ladder, seen, sight = self._ladder, self._seen, self._sight(reading)
        named_above = sight.named is False and (reading.setpoint_w or 0) > self._target_w
        seen.weigh(sight, named_above=named_above)
        self._adopt(sight, begins_anew, now_s)
        off = self._target_w <= self._off_w
        seen.prove(sight, self._told_so, self._model, brought_down=ladder.brought_down, off=off, now_s=now_s)
        if seen.proof is not Proof.NONE:
            ladder.relieve(now_s, obeyed=_has_come_down(self._told_so))
            self._raises = 0
            return
        if ladder.stopped and (sight.above or named_above):
            ladder.stray(now_s)
            ladder.stopped, self._told = False, None
            ladder.begin(now_s, reading.setpoint_w)
        if seen.over and ladder.since_s is None:  # it ran on its setpoint, and has left it
            self._told = None
            ladder.begin(now_s, reading.setpoint_w)
            ladder.stray(now_s)
        else:
            self._escalate(sight, now_s)

    def _sight(self, reading: DeviceReading) -> Sight:
        """Return what the reading shows: of being off, or, where that is less than it has to be, of the aim."""
        of_target = shown(reading, self._target_w, self._model)
        if self._target_w == self.aim_w or of_target.proof is not Proof.NONE or self._ladder.stopped:
            return of_target
        of_aim = shown(reading, self.aim_w, self._model)
        if of_aim.named and of_aim.proof is not Proof.NONE and of_aim.measured:
            self._ladder.from_below()
            self._told = None
            return of_aim
        return of_target

    def _adopt(self, sight: Sight, begins_anew: bool, now_s: float) -> None:
        """Take a setpoint that the device names for one that it was told; else have it told again where that is in doubt."""
        told, target_w, comes = self._told_so, self._target_w, self._ladder.since_s is not None
        if sight.named:
            self._told_w = max(self._told_w, target_w) if told is not None else self._told_w
            if told is None or not told.accepted or begins_anew:
                self._told = Told(
                    watts=target_w,
                    lowers=comes if told is None else told.lowers,
                    outcome=CommandOutcome.ACCEPTED,
                    at_s=now_s if told is None or begins_anew else told.at_s,
                    from_w=None if told is None else told.from_w,
                )
        elif begins_anew and told is not None and told.lowers and comes:
            self._told = replace(told, outcome=CommandOutcome.UNKNOWN)
        elif begins_anew:
            self._told = None
            self._raise_due_s = now_s if self._raises <= 1 else self._raise_due_s

    def _escalate(self, sight: Sight, now_s: float) -> None:
        """Go on where what the device was told last has not brought it down, or tell it again what may not have arrived."""
        told, ladder = self._told_so, self._ladder
        if told is None or not (self._seen.over or (told.lowers and not told.accepted)):
            return
        unknown = told.outcome is CommandOutcome.UNKNOWN
        taken = not (told.outcome is CommandOutcome.REFUSED or (unknown and sight.named is False))
        if now_s >= ladder.due_s(told, self._progress(sight, told), taken=taken):
            ladder.climb(now_s)
            self._told = None
        elif (
            unknown
            and now_s >= told.at_s + (ladder.patience_s if taken else ladder.pause_s)
            and ladder.rung is not Rung.TELL
        ):
            self._told = None

    def _progress(self, sight: Sight, told: Told) -> Progress:
        """Return what is seen of a device that is to come down; a draw below a cap says nothing of the cap."""
        named_w, watts = self._contact.named_w, self._contact.watts
        other = sight.named is False and named_w is not None and named_w > self._target_w
        if other and (named_w != self._ladder.named_w or told.outcome is CommandOutcome.UNKNOWN):
            return Progress.STANDS
        if watts is not None and told.from_w is not None:
            if watts < _FALLEN * told.from_w:
                return Progress.COMES if self._model.steady else Progress.UNSEEN
            return Progress.STANDS if sight.above or other else Progress.UNSEEN
        return Progress.UNSEEN if told.accepted or not other else Progress.STANDS


def _has_come_down(told: Told | None) -> bool:
    """Return whether a device that runs on what it was told drew clearly more before."""
    return told is not None and told.lowers and told.from_w is not None and told.from_w > _MORE * told.watts
