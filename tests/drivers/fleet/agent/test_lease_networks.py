"""The lease holder against arbitrary networks and controllers."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from drivers.errors import Refused
from drivers.fleet.agent.lease import Held
from drivers.fleet.wire import MAX_TTL_MS, Echo, Set
from tests.drivers.fleet.agent.leases import DEVICES, IDS, INVENTORY, OFF, T0, column, holder, statement
from tests.examples import examples

watts = st.one_of(st.sampled_from([0, 25, 1400, 1700, 2794, 3500, 4000, 10200]), st.integers(0, 12_000))
whole = st.fixed_dictionaries(dict.fromkeys(DEVICES, watts))


def by_id(message: Set) -> dict[str, int]:
    return dict(zip(IDS, message.setpoints_w or [], strict=True))


class AnyNetwork(RuleBasedStateMachine):
    """A controller that says anything it may sign, and a network that loses, delays, repeats and reorders."""

    sent = Bundle("sent")

    @initialize(
        offset_ms=st.sampled_from([0, 3_600_000, 10**10]),
        settle_s=st.sampled_from([0.0, 2.0, 15.0]),
        applied=st.none() | whole,
    )
    def start(self, offset_ms: int, settle_s: float, applied: dict[str, int] | None) -> None:
        self.now = T0 + offset_ms
        self.settle_s = settle_s
        self.starts = 0
        self.seq = 0
        self.basis = 0
        self.echoes: list[Echo] = []
        self.begin(Held(applied=applied or {}))

    def begin(self, held: Held) -> None:
        self.starts += 1
        self.boot = f"b{self.starts}"
        self.holder = holder(held=held, now_ms=self.now, settle_s=self.settle_s, boot=self.boot)
        self.newest = (held.epoch, held.seq)
        self.grant: dict[str, int] | None = None  # the setpoints of the newest statement that had a usable lease
        self.end = self.now  # of that lease
        self.fell = dict.fromkeys(DEVICES, self.now)  # when time or a restart last took each device down
        self.spelled: dict[int, dict[str, int]] = {}
        self.applied = dict(held.applied)
        self.report()

    def report(self) -> None:
        self.holder.advance(self.now)
        self.echoes.append(Echo(boot=self.boot, boottime_ms=self.now))

    @rule(
        target=sent,
        setpoints=st.none() | whole,
        ttl_ms=st.sampled_from([1, 500, 6_000, 30_000, MAX_TTL_MS]),
        reported=st.booleans(),
        echo=st.sampled_from(["newest"] * 6 + ["older", "oldest", "none", "stranger", "future"]),
        flight_ms=st.sampled_from([None, 0, 1, 400, 7_000, 29_000]),
        followed=st.booleans(),
    )
    def exchange(self, setpoints, ttl_ms: int, reported: bool, echo: str, flight_ms: int | None, followed: bool) -> Set:
        """Report, state, fly, arrive (or be lost, or come later), follow."""
        if reported:
            self.report()
        self.seq += 1
        if setpoints is not None:
            self.basis = self.seq
        message = Set(
            v=2,
            site="s",
            agent="hall-a",
            key="controller",
            epoch=1,
            seq=self.seq,
            ttl_ms=ttl_ms,
            echo=self.choose(echo),
            head=None,
            inventory=INVENTORY,
            setpoints_w=None if setpoints is None else column(setpoints),
            same_as=self.basis if setpoints is None else None,
        )
        if flight_ms is not None:
            self.wait(flight_ms)
            self.arrive(message)
        if followed:
            self.applied = dict(self.holder.setpoints)
            self.holder.told(self.applied)
        return message

    def choose(self, echo: str) -> Echo | None:
        return {
            "newest": self.echoes[-1],
            "older": self.echoes[-min(2, len(self.echoes))],
            "oldest": self.echoes[0],
            "stranger": Echo(boot="stranger", boottime_ms=self.now),
            "future": Echo(boot=self.boot, boottime_ms=self.now + 30_000),
        }.get(echo)

    @rule(message=sent)
    def arrive(self, message: Set) -> None:
        """A message arrives: the first time, late, or again."""
        before, wanted = dict(self.holder.setpoints), (message.epoch, message.seq)
        echo = message.echo if message.echo is not None and message.echo.boot == self.boot else None
        basis = self.spelled.get(message.same_as) if message.setpoints_w is None else by_id(message)
        ahead = echo is not None and echo.boottime_ms > self.now
        if wanted <= self.newest or ahead or basis is None:
            with pytest.raises(Refused):
                self.holder.offer(message, self.now)
            assert self.holder.setpoints == before
            return
        self.holder.offer(message, self.now)
        self.newest = wanted
        self.spelled = {message.seq if message.setpoints_w is not None else message.same_as: basis}
        risen = [id_ for id_, watts in self.holder.setpoints.items() if watts > before[id_]]
        if echo is None or echo.boottime_ms + message.ttl_ms <= self.now:
            assert not risen, "nothing is raised without a lease"
            return
        assert all(echo.boottime_ms >= self.fell[id_] for id_ in risen), "nor by a controller that does not know"
        self.grant, self.end = basis, echo.boottime_ms + message.ttl_ms
        if not self.holder.lapsed:
            fitted = {id_: DEVICES[id_].at_most(watts) for id_, watts in basis.items()}
            for id_, watts in self.holder.setpoints.items():
                # A statement from before a device's last lapse only lowers it.
                assert watts in {fitted[id_], min(before[id_], fitted[id_])}, "never a mixture"

    @rule(message=sent)
    def arrive_retained(self, message: Set) -> None:
        before = dict(self.holder.setpoints)
        with pytest.raises(Refused):
            self.holder.offer(message, self.now, retained=True)
        assert self.holder.setpoints == before

    @rule(ms=st.sampled_from([1, 300, 5_000, 28_000, 130_000]))
    def wait(self, ms: int) -> None:
        before = dict(self.holder.setpoints)
        self.now += ms
        self.holder.advance(self.now)
        assert all(watts <= before[id_] for id_, watts in self.holder.setpoints.items()), "time alone never raises"
        self.fell |= {id_: self.now for id_, watts in self.holder.setpoints.items() if watts < before[id_]}
        if self.end <= self.now:
            for id_, watts in self.holder.setpoints.items():
                least = min(before[id_], self.applied.get(id_, 0), DEVICES[id_].failsafe_w)
                assert watts <= max(OFF[id_], least)

    @rule()
    def restart(self) -> None:
        applied = self.applied
        self.begin(Held(epoch=self.newest[0], seq=self.newest[1], applied=applied))
        for id_, watts in self.holder.setpoints.items():
            assert watts <= max(OFF[id_], min(applied.get(id_, 0), DEVICES[id_].failsafe_w))

    @invariant()
    def i5_no_setpoint_outlives_its_lease(self) -> None:
        if not hasattr(self, "holder"):
            return
        assert self.holder.lease_left_ms(self.now) == max(0, self.end - self.now)
        for id_, watts in self.holder.setpoints.items():
            device = DEVICES[id_]
            assert watts <= device.max_w
            assert watts == device.at_most(watts)
            assert self.grant is None or watts <= max(OFF[id_], self.grant[id_]), "never above the newest grant"
            assert self.now < self.end or watts <= max(OFF[id_], device.failsafe_w)


TestAnyNetwork = AnyNetwork.TestCase
TestAnyNetwork.settings = settings(max_examples=examples(200), stateful_step_count=25, deadline=None)


@given(
    offset_ms=st.integers(-900_000, 10**12),
    delays=st.lists(st.integers(0, 60_000), max_size=6),
    setpoints=whole,
)
@settings(max_examples=examples(100), deadline=None)
def test_i5_the_offset_of_the_agents_clock_changes_nothing(offset_ms: int, delays: list[int], setpoints) -> None:
    def story(shift: int) -> list[dict[str, int]]:
        lease = holder(now_ms=T0 + shift)
        now, seen = T0 + shift, []
        for k, delay in enumerate(delays):
            echoed, now = now, now + delay
            lease.offer(statement(k + 1, setpoints, at=echoed), now)
            lease.told(lease.setpoints)
            seen.append(dict(lease.setpoints))
        return seen

    assert story(0) == story(offset_ms)
