"""Follows one device: what it was told, what it does, and what to ask of it next. Pure; time comes in, in s.

The rules, each a test in ``tests/drivers/fleet/agent/test_follow.py``:

- A setpoint that is lower than what the device may be running on is told at once, whatever else is not known.
- After an outcome that is unknown, a silence, a restart or another serial number, the device is read, then told.
- What it names as its setpoint, or what measures it, proves; a yes does not. Whatever contradicts takes the proof away.
- A lowering that fails is told once more; then, when the device has had its time, come sleep, stop and relay, and then
  these again, without end. A raise that fails is told again, ever more seldom, and nothing else.
- What had to be brought down rests, and then only a grant that is above off wakes it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.proof import Sight, is_idle, measured_w, shown
from drivers.fleet.agent.steps import Action, Do, Doubt, Rung
from drivers.fleet.wire import Follow, Proof

#: A device that answers is read so often; while it comes down, or does not; while it is silent, at the longest.
READ_S: Final = 1.0
HURRIED_S: Final = 0.25
SILENT_S: Final = 5.0
#: What was said longer ago is no longer said of now.
FRESH_S: Final = 5.0
#: Room for noise and for the readings beside a device's own time.
GRACE_S: Final = 0.5
#: What each further step of an escalation has to show that it works.
STEP_S: Final = 0.75
MOST_PATIENCE_S: Final = 60.0
#: A device that should come down and does not answer is cut off so long after its own time.
SILENT_CUT_S: Final = 3.5
#: A raise that failed is told again after so long, and then after twice as long each time.
RAISE_AGAIN_S: Final = 10.0
RAISE_MOST_S: Final = 300.0
#: What had to be brought down by sleep, stop or relay rests for so long.
REST_S: Final = 300.0
#: Watts above a setpoint count from the second reading in a row, so that no noise makes a command.
_ABOVE: Final = 2
#: What has fallen to this share of what it was is coming down.
_FALL: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    watts: int
    lowers: bool
    outcome: CommandOutcome
    at_s: float
    from_w: float | None  # what it drew before


class Follower:
    """One device of an agent.

    `stored_w` is what it was last told before this start, `has_relay` whether it can be cut off. `aim_w`: what it is to
    run on. `heard_s`: when it answered last. `low_w`, `high_w`: the least and the most that may be in force as far as anybody knows.
    """

    def __init__(self, device: LeasedDevice, *, stored_w: int, has_relay: bool, now_s: float) -> None:
        self._device, self._model, self._has_relay = device, device.model, has_relay
        self._off_w = device.model.off_w
        self.aim_w = self.low_w = self._told_w = device.at_most(stored_w)
        self.high_w = device.model.max_w
        self.dark = False
        self.reading: DeviceReading | None = None
        self._busy: Action | None = None
        self._told: _Told | None = None
        self._doubt, self.heard_s, self._misses, self._read_due_s = Doubt.UNREAD, now_s, 0, now_s
        self._tried_w = math.inf
        self._rung, self._rounds, self._above = Rung.TELL, 0, 0
        self._lowering_s: float | None = now_s
        self._raises, self._raise_due_s = 0, now_s
        self._proof, self._in_band, self._drifted, self._over = Proof.NONE, 0, False, False
        self._stopped, self._relay_open, self._rest_until_s = False, False, now_s

    def grant(self, watts: int, now_s: float) -> None:
        """Have the device run on `watts` from now on."""
        if watts == self.aim_w:
            return
        if watts < self.high_w and (watts < self.aim_w or self._lowering_s is None):
            self._lowering_s = now_s
        if watts > self.aim_w or self._rung < Rung.SLEEP:
            self._rung = Rung.TELL if not self._stopped else self._rung
        self.aim_w = watts
        self._raises, self._raise_due_s = 0, now_s
        if not self._stopped:
            self._proof, self._in_band, self._drifted, self._over, self._above = Proof.NONE, 0, False, False, 0

    def next(self, now_s: float) -> Action | None:
        """Return what to ask of the device now; None while a request is under way, or nothing is due."""
        self._wake_or_cut(now_s)
        if self._busy is not None:
            return None
        command = self._command(now_s)
        if now_s >= self._read_due_s and not (command is not None and command.lowers):
            return Action(do=Do.READ)  # a raise may have to wait for long, and is not to be lost sight of meanwhile
        return command

    def _command(self, now_s: float) -> Action | None:
        target_w = self._target_w
        if self._relay_open or self._stopped or not self._is_to_tell(target_w, now_s):
            return None
        lowers = target_w < self.high_w or self._over
        blind = self._doubt is not Doubt.NONE
        if blind and not (lowers and target_w < self._tried_w and self._doubt is not Doubt.UNREAD):
            return None
        if not lowers and now_s < self._raise_due_s:
            return None
        return Action(do=Do.STOP if self._rung is Rung.STOP else Do.COMMAND, watts=target_w, lowers=lowers)

    def _is_to_tell(self, target_w: int, now_s: float) -> bool:
        told = self._told
        if told is None or told.watts != target_w:
            return True
        strays = self._named_w is not None and self._named_w < max(target_w, self._off_w)
        idles = is_idle(self.reading, target_w, self._model) and now_s >= told.at_s + self._model.up_s + GRACE_S
        failed = strays or idles or (told.outcome is not CommandOutcome.ACCEPTED and not told.lowers)
        return failed and self._proof is Proof.NONE and now_s >= max(self._raise_due_s, told.at_s + GRACE_S)

    def _wake_or_cut(self, now_s: float) -> None:
        """Begin to bring a device back that has rested, or cut one off that should come down and is silent."""
        if (self._stopped or self.dark) and self.aim_w > self._off_w and now_s >= self._rest_until_s:
            if self.dark:
                self._doubt, self.high_w = Doubt.UNREAD, self._model.max_w
            self.dark = self._stopped = False
            self._rung, self._rounds, self._told, self._lowering_s = Rung.TELL, 0, None, None
            self._read_due_s = now_s
        if self._lowering_s is None or not self._has_relay or self.dark:
            return
        if now_s >= max(self._lowering_s, self.heard_s) + self._model.down_s + SILENT_CUT_S:
            self._darken(now_s)

    @property
    def _target_w(self) -> int:
        return self._off_w if self._rung >= Rung.SLEEP else self.aim_w

    @property
    def _own_time_s(self) -> float:
        """Return when a device that is coming down has had its own time for it."""
        return -math.inf if self._lowering_s is None else self._lowering_s + self._model.down_s + GRACE_S

    def began(self, action: Action, now_s: float) -> None:
        """Note that a request is on its way."""
        self._busy = action
        if action.do is Do.READ:
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
            self._doubt = self._doubt if self._doubt is Doubt.SILENT else Doubt.UNKNOWN
        else:
            self.heard_s = now_s
            self._doubt = Doubt.UNREAD if self._doubt is not Doubt.NONE else Doubt.NONE
        if outcome is CommandOutcome.ACCEPTED:
            self.low_w = self.high_w = self._told_w = action.watts
        told = _Told(watts=action.watts, lowers=action.lowers, outcome=outcome, at_s=now_s, from_w=self._watts)
        self._told = told if action.watts == self._target_w else None
        self._proof = Proof.NONE
        self._read_due_s = now_s

    def missed(self, now_s: float) -> None:
        """Note that the reading under way has failed."""
        self._busy = None
        self._doubt = Doubt.SILENT
        self._proof, self._in_band = Proof.NONE, 0
        self._read_due_s = now_s + min(SILENT_S, 0.5 * 2 ** min(self._misses, 5))
        self._misses += 1

    def awoke(self, now_s: float) -> None:
        """Note that the agent itself was away (its process or its machine stood still): it knows nothing of the device now."""
        self._doubt, self._proof, self._in_band, self._read_due_s, self.heard_s = (
            Doubt.SILENT,
            Proof.NONE,
            0,
            now_s,
            now_s,
        )
        self._lowering_s = None if self._lowering_s is None else now_s

    def read(self, reading: DeviceReading, now_s: float) -> None:
        """Take the reading that was under way."""
        self._busy = None
        begins_anew = self._doubt is Doubt.SILENT or self._has_restarted(reading)
        self.reading, self.heard_s = reading, now_s
        self._doubt, self._misses, self._tried_w = Doubt.NONE, 0, math.inf
        if reading.setpoint_w is not None:
            self.high_w, self.low_w = reading.setpoint_w, min(reading.setpoint_w, self._told_w)
        elif begins_anew:
            self.high_w = self._model.max_w
        self._judge(reading, begins_anew, now_s)
        hurried = self._over or (
            self._lowering_s is not None and self._proof is Proof.NONE and now_s < self._own_time_s
        )
        self._read_due_s = now_s + (HURRIED_S if hurried else READ_S)

    def relay_seen(self, *, is_open: bool, now_s: float) -> None:
        """Take what the relay itself says of its contact."""
        if is_open and not self._relay_open:
            self._told, self.low_w, self._above, self._over = None, self._off_w, 0, False
            self._told_w = self._off_w
            if not self.dark:  # somebody else, or its own dead-man, has opened it
                self.dark, self._rest_until_s = True, now_s
        self._relay_open = is_open

    def state(self, now_s: float) -> Follow:
        """Return how far the device has followed."""
        told = self._told if self._told is not None and self._told.watts == self._target_w else None
        outcome = None if told is None else told.outcome
        commanded = self._busy is not None and self._busy.do is not Do.READ
        first = (
            (self._relay_open and not self._over, Follow.STOPPED),
            (self.is_lost(now_s), Follow.LOST),
            (self._stopped, Follow.STOPPED),
            (self._over and self._rung >= Rung.SLEEP, Follow.DEFIANT),
            (commanded, Follow.COMMANDED),
            (self._doubt is Doubt.UNKNOWN or outcome is CommandOutcome.UNKNOWN, Follow.UNKNOWN),
            (self._proof is not Proof.NONE, Follow.PROVEN),
            (self._drifted, Follow.DRIFTED),
            (told is None, Follow.GRANTED),
            (outcome is CommandOutcome.REFUSED, Follow.REFUSED),
            (told is not None and now_s < told.at_s + self._settle_s(told), Follow.SETTLING),
        )
        return next((state for holds, state in first if holds), Follow.ACCEPTED)

    def proof(self, now_s: float) -> Proof:
        """Return what shows that the device runs on `applied_w`."""
        state = self.state(now_s)
        if state is Follow.STOPPED and self._relay_open:
            return Proof.READ_BACK
        return self._proof if state in {Follow.PROVEN, Follow.STOPPED} else Proof.NONE

    def is_lost(self, now_s: float) -> bool:
        """Return whether the device does not answer."""
        return self._doubt is Doubt.SILENT or now_s > self.heard_s + FRESH_S

    def is_told(self, now_s: float) -> bool:
        """Return whether the device has been told what it is to run on, as far as it can be."""
        if self._stopped or self._relay_open or self.is_lost(now_s):
            return True
        told = self._told
        return told is not None and told.watts == self._target_w and told.outcome is not CommandOutcome.UNKNOWN

    @property
    def applied_w(self) -> int:
        """The setpoint that it runs on as far as anybody knows: the highest one that may be in force."""
        return self._off_w if self._stopped or self._relay_open else self.high_w

    def _settle_s(self, told: _Told) -> float:
        return GRACE_S + (self._model.down_s if told.lowers else self._model.up_s)

    def _judge(self, reading: DeviceReading, begins_anew: bool, now_s: float) -> None:
        sight = self._sight(reading)
        self._above = self._above + 1 if sight.above else 0
        named_above = sight.named is False and (self._named_w or 0) > self._target_w
        self._over = named_above or self._above >= _ABOVE
        self._adopt(sight, begins_anew, now_s)
        self._prove(sight, now_s)
        if self._proof is not Proof.NONE:
            self._relieve(now_s)
            return
        if self._stopped and (sight.above or named_above):
            self._stopped, self._told, self._lowering_s = False, None, now_s
        if self._over and self._lowering_s is None:  # it ran on its setpoint, and has left it
            self._told, self._lowering_s, self._rung = None, now_s, Rung.TELL
        elif self._has_failed(sight, now_s):
            self._climb(now_s)

    def _sight(self, reading: DeviceReading) -> Sight:
        """Return what the reading shows: of being off, or, where that is less than it has to be, of the aim."""
        of_target = shown(reading, self._target_w, self._model)
        if self._target_w == self.aim_w or of_target.proof is not Proof.NONE or self._stopped:
            return of_target
        of_aim = shown(reading, self.aim_w, self._model)
        if of_aim.named and of_aim.proof is not Proof.NONE and of_aim.measured:
            self._rung, self._told = Rung.TELL, None
            return of_aim
        return of_target

    def _adopt(self, sight: Sight, begins_anew: bool, now_s: float) -> None:
        """Take a setpoint that the device names for one that it was told; else have it told again where that is in doubt."""
        told, target_w = self._told, self._target_w
        current = told if told is not None and told.watts == target_w else None
        if sight.named:
            self._told_w = max(self._told_w, target_w) if current is not None else self._told_w
            if current is None or current.outcome is not CommandOutcome.ACCEPTED or begins_anew:
                self._told = _Told(
                    watts=target_w,
                    lowers=self._lowering_s is not None if current is None else current.lowers,
                    outcome=CommandOutcome.ACCEPTED,
                    at_s=now_s if current is None or begins_anew else current.at_s,
                    from_w=None if current is None else current.from_w,
                )
            return
        if begins_anew:
            fails = current is not None and current.lowers and self._lowering_s is not None
            self._told = replace(current, outcome=CommandOutcome.UNKNOWN) if fails and current is not None else None
            self._raise_due_s = now_s if not fails and self._raises <= 1 else self._raise_due_s

    def _prove(self, sight: Sight, now_s: float) -> None:
        before = self._proof
        told = self._told
        self._in_band = self._in_band + 1 if sight.proof in {Proof.WATTS, Proof.BOTH} else 0
        off = self._target_w <= self._off_w
        proof = sight.proof
        if told is None or (told.outcome is not CommandOutcome.ACCEPTED and self._rung < Rung.SLEEP):
            proof = Proof.NONE  # one that is off by itself may come back to what it ran on: it is told again
        elif proof is Proof.WATTS and self._in_band < 2:
            proof = before if before is Proof.WATTS else Proof.NONE
        elif proof is not Proof.NONE and not (sight.measured and (self._model.steady or off)):
            # It may be on its way down, unseen: nothing measures it, or a draw below its cap says nothing of the cap.
            proof = proof if now_s >= told.at_s + self._model.down_s + GRACE_S else Proof.NONE
        self._proof = proof
        self._drifted = proof is Proof.NONE and (self._drifted or before is not Proof.NONE)

    def _relieve(self, now_s: float) -> None:
        """Note that the device does what it was told."""
        self._lowering_s, self._rounds, self._raises = None, 0, 0
        if self._rung >= Rung.SLEEP and not self._stopped:
            self._stopped, self._rest_until_s = True, now_s + REST_S
        elif not self._stopped:
            self._rung = Rung.TELL

    def _has_failed(self, sight: Sight, now_s: float) -> bool:
        """Return whether what the device was told last has not brought it down."""
        told = self._told
        if told is None:
            return False
        if told.outcome is CommandOutcome.ACCEPTED:
            return self._over and now_s >= told.at_s + self._patience_s
        if not (told.lowers or self._over):
            return False
        patience_s = 0.0 if sight.named is False or told.outcome is CommandOutcome.REFUSED else self._patience_s
        return now_s >= told.at_s + patience_s

    @property
    def _patience_s(self) -> float:
        if self._rung is Rung.TELL or self._falls:
            return self._model.down_s + GRACE_S
        return float(min(MOST_PATIENCE_S, STEP_S * 2 ** min(self._rounds, 10)))

    def _climb(self, now_s: float) -> None:
        if self._rung is Rung.TELL:
            self._rung, self._told = Rung.AGAIN, None
            return
        if now_s < self._own_time_s:
            # The device still has time; a command that may not have arrived is told again meanwhile.
            self._told = None if self._told is not None and self._told.outcome is CommandOutcome.UNKNOWN else self._told
            return
        self._told = None
        if self._rung is Rung.STOP and self._has_relay:
            self._rung = Rung.RELAY
            self._darken(now_s)
        elif self._rung >= Rung.STOP:
            self._rung, self._rounds = Rung.SLEEP, self._rounds + 1
        else:
            self._rung = Rung(self._rung + 1)

    def _darken(self, now_s: float) -> None:
        self.dark, self._rung, self._rest_until_s = True, Rung.RELAY, now_s + REST_S

    def _has_restarted(self, reading: DeviceReading) -> bool:
        before = self.reading
        if before is None:
            return False
        younger = None not in {before.uptime_s, reading.uptime_s} and (reading.uptime_s or 0) < (before.uptime_s or 0)
        return younger or (before.serial is not None and reading.serial not in {None, before.serial})

    @property
    def _falls(self) -> bool:
        """Whether the device has begun to come down since it was told; a draw below a cap says nothing of it."""
        from_w = None if self._told is None else self._told.from_w
        watts = self._watts
        return self._model.steady and from_w is not None and watts is not None and watts < _FALL * from_w

    @property
    def _watts(self) -> float | None:
        return None if self.reading is None else measured_w(self.reading)

    @property
    def _named_w(self) -> int | None:
        return None if self.reading is None else self.reading.setpoint_w
