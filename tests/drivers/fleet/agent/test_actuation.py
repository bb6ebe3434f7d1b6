"""What is stored is never above what the hardware was told, whatever fails and whenever the agent dies."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DriverLoss
from drivers.fleet.agent.actuation import Actuation
from drivers.fleet.agent.hardware import DeviceReading
from drivers.fleet.agent.lease import Held, LeasedDevice, LeaseHolder
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.keys import CONTROLLER
from drivers.fleet.wire import DeviceState, Echo, Set

DEVICES = {
    "gpu": LeasedDevice(model=load_catalogue()["hgx-h100"], failsafe_w=4000),
    "s21": LeasedDevice(model=load_catalogue()["antminer-s21"], failsafe_w=2000),
}
OFF = {id_: device.at_most(0) for id_, device in DEVICES.items()}


class World:
    """A disk and a hardware that fail when they are told to, and look at each other."""

    def __init__(self) -> None:
        self.stored = Held()
        self.told = dict(OFF)
        self.disk_fails = self.hardware_fails = False

    def load(self) -> Held:
        return self.stored

    def save(self, held: Held) -> None:
        if self.disk_fails:
            raise OSError(28, "No space left on device")
        assert all(watts <= self.told[id_] for id_, watts in held.applied.items()), "stored above told"
        self.stored = held

    def apply(self, watts: Mapping[str, int]) -> None:
        if self.hardware_fails:
            raise DriverLoss("silent")
        if not self.disk_fails:
            assert all(self.stored.applied.get(id_, 0) <= w for id_, w in watts.items()), "lowered before it was stored"
        self.told |= watts

    def measure(self) -> Mapping[str, DeviceReading]:
        return {id_: DeviceReading(watts=None, state=DeviceState.RUNNING) for id_ in DEVICES}


def statement(seq: int, setpoints: dict[str, int], echo: Echo) -> Set:
    return Set(
        v=1,
        site="s",
        agent="a",
        key=CONTROLLER,
        epoch=1,
        seq=seq,
        ttl_ms=30_000,
        echo=echo,
        setpoints=setpoints,
    )


watts = st.fixed_dictionaries(dict.fromkeys(DEVICES, st.sampled_from([0, 1500, 2000, 3500, 4000, 9000])))
step = st.tuples(watts, st.booleans(), st.booleans(), st.booleans())


@given(steps=st.lists(step, min_size=1, max_size=12))
@settings(deadline=None)
def test_stored_is_never_above_told_and_a_disk_known_dead_raises_nothing(steps) -> None:
    world = World()
    for k, (setpoints, disk_fails, hardware_fails, restarts) in enumerate(steps):
        if k == 0 or restarts:
            now_ms, boot = 1000 * k, f"b{k}"
            holder = LeaseHolder(agent="a", boot=boot, devices=DEVICES, settle_s=0, held=world.load(), now_ms=now_ms)
            actuation = Actuation(agent="a", devices=DEVICES, hardware=world, store=world, held=world.load())
        echo = Echo(boot=boot, boottime_ms=now_ms)
        holder.offer(statement(2 * k + 1, setpoints, echo), now_ms)
        world.disk_fails, world.hardware_fails = disk_fails, hardware_fails
        actuation.follow(holder)
        before, unstored = dict(world.told), actuation.unstored
        holder.offer(statement(2 * k + 2, dict.fromkeys(DEVICES, 9000), echo), now_ms)
        actuation.follow(holder)
        assert unstored is None or all(world.told[id_] <= before[id_] for id_ in DEVICES)
        world.disk_fails = world.hardware_fails = False
        actuation.follow(holder)
        assert world.told == holder.setpoints == world.stored.applied
        assert actuation.applied_seq == 2 * k + 2
        assert actuation.unstored is None


def test_a_raise_that_may_have_happened_is_told_again_when_it_is_taken_back() -> None:
    class DoneButSilent(World):
        def apply(self, watts: Mapping[str, int]) -> None:
            self.told |= watts
            if self.hardware_fails:
                raise DriverLoss("no answer, but it was done")

    world = DoneButSilent()
    holder = LeaseHolder(agent="a", boot="b", devices=DEVICES, settle_s=0, held=Held(), now_ms=0)
    actuation = Actuation(agent="a", devices=DEVICES, hardware=world, store=world, held=Held())
    assert actuation.follow(holder)

    world.hardware_fails = True
    holder.offer(statement(1, {"gpu": 9000, "s21": 3500}, Echo(boot="b", boottime_ms=0)), 0)
    assert not actuation.follow(holder)
    assert {id_: report.setpoint_w for id_, report in actuation.reports().items()} == OFF
    world.hardware_fails = False
    holder.offer(statement(2, dict.fromkeys(DEVICES, 0), Echo(boot="b", boottime_ms=0)), 0)
    assert actuation.follow(holder)
    assert world.told == OFF
