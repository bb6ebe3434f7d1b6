"""A device's follower on the bench, with a clock of its own: the test says what the device answers."""

from __future__ import annotations

from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.follow import Follower
from drivers.fleet.agent.lease import LeasedDevice
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity, Follow, MeasuredBy

S21 = load_catalogue()["antminer-s21"]
T0 = 1000.0
READ = Action(do=Do.READ)


class Bench:
    """A follower and a clock; `ask` takes its next action and says what became of it."""

    def __init__(self, model=S21, *, stored_w: int = 0, rested: int = 0, relay: bool = False) -> None:
        self.now_s, self.model = T0, model
        device = LeasedDevice(model=model, failsafe_w=0)
        self.follower = Follower(device, stored_w=stored_w, has_relay=relay, now_s=T0, rested=rested)

    def wait(self, seconds: float) -> Bench:
        self.now_s += seconds
        return self

    def next(self) -> Action | None:
        return self.follower.next(self.now_s)

    def begin(self) -> Action:
        action = self.next()
        assert action is not None
        self.follower.began(action, self.now_s)
        return action

    def ask(self, answer: CommandOutcome | DeviceReading | None) -> Action:
        action = self.begin()
        if action.do is not Do.READ:
            assert isinstance(answer, CommandOutcome)
            self.follower.answered(answer, self.now_s)
        elif answer is None:
            self.follower.missed(self.now_s)
        else:
            assert isinstance(answer, DeviceReading)
            self.follower.read(answer, self.now_s)
        return action

    @property
    def state(self) -> Follow:
        return self.follower.state(self.now_s)

    def grant(self, watts: int) -> Bench:
        self.follower.grant(watts, self.now_s)
        return self


def reading(
    watts: float | None,
    names: int | None = None,
    by: MeasuredBy = MeasuredBy.PSU,
    uptime_s: float = 100.0,
    serial: str = "A",
    activity: Activity = Activity.RUNNING,
) -> DeviceReading:
    return DeviceReading(
        setpoint_w=names, watts=watts, measured_by=by, activity=activity, uptime_s=uptime_s, serial=serial
    )


def proven(watts: int = 3500, *, model=S21, relay: bool = False) -> Bench:
    """Return a device that runs on its setpoint and has shown it."""
    bench = Bench(model, relay=relay)
    bench.ask(reading(model.off_w, model.off_w))
    bench.grant(watts)
    assert bench.ask(CommandOutcome.ACCEPTED) == Action(do=Do.COMMAND, watts=watts)
    bench.ask(reading(watts, watts))
    assert bench.state is Follow.PROVEN
    return bench
