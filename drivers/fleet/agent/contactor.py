"""The contactor of a node as one more device of its agent: what it is, how it is asked, and what follows it.

Its setpoint is `closed_w`, 0, which is open, or `LEAVE_W` between them: it stays as it is. What it draws is not its own. The rules of the follower, which is pure and
takes time in s, each a test in ``tests/drivers/fleet/agent/test_contactor.py``:

- Granted to be open, it is told at once, whatever else is not known, and again until it is read to be open.
- It is closed by a grant that changes it to closed, and by nothing else. What was opened by somebody else, or by
  its own protection, is left open however often it is granted to be closed; so is it left by a restart and by the end of a
  lease, which never raise. A closing that is not done within `CLOSES_S` is given up: nobody expects it any more.
- Granted to stay as it is, it is moved by nobody here: what is open may be closed by hand, and the other way round.
- What it says of its contact when it is read proves, and nothing else does.
- There is no sleep, no stop and no rest for it: it is brought to nothing but what it is granted.
"""

from __future__ import annotations

from typing import Final

from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Relay
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.catalogue import MAX_W, DeviceKind, DeviceMode, Model
from drivers.fleet.wire import CONTACTOR, Activity, Follow, MeasuredBy, Proof

#: What a contactor needs to open or to close; after it, one that is not as it was told defies.
MOVES_S: Final = 1.0
#: It is read so often; after it was told, until it is as it is to be; and where it does not answer.
READ_S: Final = 1.0
HURRIED_S: Final = 0.25
SILENT_S: Final = 2.0
#: It is told again so often while it is not as it is to be; one that cannot say how it is, so seldom.
AGAIN_S: Final = 1.0
UNSEEN_AGAIN_S: Final = 10.0
#: A closing that is not done after so long is none any more.
CLOSES_S: Final = 20.0
#: What was said longer ago is no longer said of now.
FRESH_S: Final = 5.0


def closed_w(rating_w: float) -> int:
    """Return the setpoint that means closed, for the contactor of a node with this rating in W, which may be infinite."""
    return int(min(rating_w, MAX_W))


def contactor_of(rating_w: float, *, can_say: bool = True) -> LeasedDevice:
    """Return the contactor of a node with this rating in W as an agent has it; `can_say`: its position can be read.

    Its failsafe watts are those of a closed one, so that the end of a lease never moves it.
    """
    watts = float(closed_w(rating_w))
    modes = tuple(
        DeviceMode(name=name, watts=mode_w, hashrate_ths=0.0, continuous=False)
        for name, mode_w in (("open", 0.0), ("closed", watts))
    )
    model = Model(
        id=CONTACTOR,
        kind=DeviceKind.RELAY,
        vendor="any",
        modes=modes,
        tolerance=0.0,
        down_s=MOVES_S,
        up_s=MOVES_S,
        restarts=False,
        min_up_s=0.0,
        min_down_s=0.0,
        settle_s=0.0,
        start_wear_s=0.0,
        change_wear_s=0.0,
        steady=False,
        estimate_error=0.0,
    )
    proof = Proof.READ_BACK if can_say else Proof.NONE
    return LeasedDevice(model=model, failsafe_w=watts, proof=proof, is_contactor=True)


class ContactorDevice:
    """The `Device` that a contactor is to its agent; `port` is what switches and reads it."""

    def __init__(self, port: Relay, contactor: LeasedDevice) -> None:
        self._port, self._closed_w = port, contactor.model.max_w

    async def read(self) -> DeviceReading:
        """Return how it is, its watts unknown; raises DriverLoss where it does not answer."""
        closed = await self._port.read()
        return DeviceReading(
            setpoint_w=None if closed is None else self._closed_w * closed,
            watts=None,
            measured_by=MeasuredBy.NOTHING,
            activity=Activity.UNKNOWN if closed is None else Activity.RUNNING if closed else Activity.OFF,
        )

    async def command(self, watts: int) -> CommandOutcome:
        """Close it for any power above 0."""
        return await self._port.switch(closed=watts > 0, hold_s=None)

    async def stop(self) -> CommandOutcome:
        """Open it."""
        return await self.command(0)


class ContactorFollower:
    """One contactor of an agent; `stored_w` is what it was last granted before this start.

    `aim_w`: as it is granted to be. `heard_s`: when it answered last.
    """

    def __init__(self, device: LeasedDevice, *, stored_w: int, now_s: float) -> None:
        self._closed_w = device.model.max_w
        self.aim_w = device.at_most(stored_w)
        self.reading: DeviceReading | None = None
        self.heard_s = now_s
        self._busy: Action | None = None
        self._told: CommandOutcome | None = None
        self._told_s = self._begun_s = self._read_due_s = now_s
        self._is_silent = False
        self._is_closed: bool | None = None
        self._closes, self._given_up_s = False, now_s

    @property
    def low_w(self) -> int:
        """What a restart is to find: open as soon as it is to be open, and until a closing is done; else closed: it stays as it is."""
        return 0 if self.aim_w == 0 or self._closes else self._closed_w

    @property
    def applied_w(self) -> int:
        """The most that it may be at: closed, unless it was read to be open and not told to close since."""
        return 0 if self._is_closed is False else self._closed_w

    def grant(self, watts: int, now_s: float) -> None:
        """Have it closed, open (0), or left as it is (any power between them) from now on."""
        if watts == self.aim_w:
            return
        self._closes, self._given_up_s = watts == self._closed_w, now_s + CLOSES_S
        self.aim_w, self._told = watts, None
        self._told_s = self._read_due_s = now_s

    def next(self, now_s: float) -> Action | None:
        """Return what to ask of it now; None while a request is under way, or nothing is due."""
        self._closes = self._closes and now_s < self._given_up_s
        if self._busy is not None:
            return None
        due = self._told is None or now_s >= self._told_s + self._again_s
        if due and (self._is_to_open() if self.aim_w == 0 else self._is_to_close()):
            return Action(do=Do.COMMAND, watts=self.aim_w, lowers=self.aim_w == 0)
        return Action(do=Do.READ) if now_s >= self._read_due_s else None

    def _is_to_open(self) -> bool:
        return self._is_silent or self._is_closed is not False

    def _is_to_close(self) -> bool:
        return self._closes and self.reading is not None and not self._is_silent

    @property
    def _cannot_say(self) -> bool:
        return self.reading is not None and self.reading.setpoint_w is None

    @property
    def _again_s(self) -> float:
        blind = self._cannot_say and not self._is_silent and self._told is CommandOutcome.ACCEPTED
        return UNSEEN_AGAIN_S if blind else AGAIN_S

    def began(self, action: Action, _now_s: float) -> None:
        """Note that a request is on its way."""
        self._busy = action
        if action.do is not Do.READ:
            self._is_closed = None  # what was read before is not of after

    def answered(self, outcome: CommandOutcome, now_s: float) -> None:
        """Take what has become of the command that was under way."""
        action, self._busy = self._busy, None
        self._read_due_s = now_s
        if outcome is not CommandOutcome.UNKNOWN:
            self.heard_s = now_s
        if action is not None and action.watts == self.aim_w:
            self._begun_s = now_s if self._told is None else self._begun_s
            self._told, self._told_s = outcome, now_s
            self._closes = self._closes and not (self._cannot_say and outcome is CommandOutcome.ACCEPTED)

    def missed(self, now_s: float) -> None:
        """Note that the reading under way has failed."""
        self._busy, self._is_silent = None, True
        self._read_due_s = now_s + SILENT_S

    def awoke(self, now_s: float) -> None:
        """Note that the agent itself was away: it knows nothing of the contactor now."""
        self._is_silent, self._is_closed, self._read_due_s, self.heard_s = True, None, now_s, now_s

    def read(self, reading: DeviceReading, now_s: float) -> None:
        """Take the reading that was under way."""
        self._busy, self._is_silent = None, False
        self.reading, self.heard_s = reading, now_s
        self._is_closed = None if reading.setpoint_w is None else reading.setpoint_w > 0
        self._closes = self._closes and self._is_closed is not True
        if self._is_closed is not None and not self._is_on_its_way:
            self._told = None  # done: what moves it from now on begins anew
        hurried = self._is_on_its_way and now_s < self._told_s + MOVES_S
        self._read_due_s = now_s + (HURRIED_S if hurried else READ_S)

    @property
    def _is_on_its_way(self) -> bool:
        """Whether it is to be open and is read closed, or the other way round."""
        return self._is_closed is not None and (self._closes or (self.aim_w == 0 and self._is_closed))

    def state(self, now_s: float) -> Follow:
        """Return how far it has followed; `PROVEN`: it was read to be as `applied_w` says, and nobody moves it."""
        told = self._told
        first = (
            (self.is_lost(now_s), Follow.LOST),
            (self._busy is not None and self._busy.do is not Do.READ, Follow.COMMANDED),
            (self._is_closed is not None and not self._is_on_its_way, Follow.PROVEN),
            (told is None, Follow.GRANTED),
            (told is CommandOutcome.UNKNOWN, Follow.UNKNOWN),
            (told is CommandOutcome.REFUSED, Follow.REFUSED),
            (now_s < self._begun_s + MOVES_S, Follow.SETTLING),
            (self.aim_w == 0 and self._is_closed is True, Follow.DEFIANT),
        )
        return next((state for holds, state in first if holds), Follow.ACCEPTED)

    def proof(self, now_s: float) -> Proof:
        """Return what shows that it is as `applied_w` says."""
        return Proof.READ_BACK if self.state(now_s) is Follow.PROVEN else Proof.NONE

    def is_lost(self, now_s: float) -> bool:
        """Return whether it does not answer."""
        return self._is_silent or now_s > self.heard_s + FRESH_S

    def is_told(self, now_s: float) -> bool:
        """Return whether it has been told what it is to be, or need not be."""
        if self.is_lost(now_s) or self.state(now_s) is Follow.PROVEN or (self.aim_w > 0 and not self._closes):
            return True
        return self._told is not None and self._told is not CommandOutcome.UNKNOWN
