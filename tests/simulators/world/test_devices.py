"""One device at a time: what it answers, and what it really draws."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest

from drivers.errors import Refused
from drivers.fleet.catalogue import load_catalogue
from simulators import messages
from simulators import worldlink as link
from simulators.world.devices import JUMP_S, SLOW_S, WorldDevices, measured_by
from simulators.world.physics import Physics
from simulators.world.site import WorldDevice, WorldSite
from simulators.world.vices import WHAT, Vice

FULL_W = 3500


class Bench:
    """Two S21 on a site, `it` with the vices and `other` without, both at full power for a while."""

    def __init__(self, site: WorldSite, *vices: Vice, model: str = "antminer-s21") -> None:
        self.model = load_catalogue()[model]
        hall = tuple(WorldDevice(id=name, model=self.model, node=0) for name in ("it", "other"))
        self.physics = Physics(replace(site, devices=hall, house_w=np.zeros(len(site.node_ids))), seed=1)
        self.devices = WorldDevices(self.physics, relays=["it"])
        self.command(self.model.max_w)
        self.command(self.model.max_w, "other")
        self.run(self.model.up_s + 10.0)
        for vice in vices:
            self.devices.set_vice(["it"], vice, on=True)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / self.physics.step_s)):
            self.physics.step()
            self.devices.step()

    def ask(self, request: link.AnyDeviceRequest) -> link.AnyReply | None:
        """Return the reply, None while there is none."""
        reply = self.devices.answer(request)
        if isinstance(reply, Future):
            return reply.result() if reply.done() else None
        return reply

    def command(self, watts: float, device: str = "it") -> link.AnyReply | None:
        return self.ask(messages.CommandDevice(id=1, device=device, watts=watts))

    def stop(self) -> link.AnyReply | None:
        return self.ask(messages.StopDevice(id=1, device="it"))

    def relay(self, *, closed: bool, hold_s: float | None = None) -> link.AnyReply | None:
        return self.ask(messages.SwitchRelay(id=1, device="it", closed=closed, hold_s=hold_s))

    def read(self, device: str = "it") -> messages.DeviceAnswer:
        reply = self.ask(messages.ReadDevice(id=1, device=device))
        assert isinstance(reply, messages.DeviceAnswer)
        return reply

    @property
    def draw_w(self) -> float:
        return float(self.physics.draw_w[0])


def near(watts: float) -> object:
    """Within the model's tolerance and its noise."""
    return pytest.approx(watts, rel=0.07)


def test_a_device_without_a_vice_does_as_it_is_told_and_says_so(site: WorldSite) -> None:
    bench = Bench(site)
    before = bench.read()
    assert bench.command(2000.7) == link.Ok()
    bench.run(5.0)
    answer = bench.read()
    assert (bench.draw_w, answer.watts) == (near(2000), pytest.approx(2000, rel=0.15))
    assert (answer.setpoint_w, answer.state, answer.measured_by) == (2000, "running", "psu")
    assert answer.uptime_s == pytest.approx(before.uptime_s + 5.0)
    assert answer.serial == before.serial != bench.read("other").serial
    assert bench.stop() == link.Ok()
    bench.run(5.0)
    assert (bench.draw_w, bench.read().setpoint_w, bench.read().state) == (25.0, 25, "off")
    assert float(bench.physics.draw_w[1]) == near(FULL_W)


def test_a_silent_device_never_answers_and_does_nothing(site: WorldSite) -> None:
    bench = Bench(site, Vice.SILENT)
    assert bench.command(0) is bench.stop() is bench.ask(messages.ReadDevice(id=1, device="it")) is None
    bench.run(60.0)
    assert bench.draw_w == near(FULL_W)
    bench.devices.set_vice(["it"], Vice.SILENT, on=False)
    assert bench.read().setpoint_w == FULL_W


def test_a_slow_device_acts_at_once_and_answers_after_3_s_of_its_world(site: WorldSite) -> None:
    bench = Bench(site, Vice.SLOW)
    later = bench.devices.answer(messages.CommandDevice(id=1, device="it", watts=0.0))
    assert isinstance(later, Future)
    bench.run(SLOW_S - 0.2)
    assert (later.done(), bench.draw_w) == (False, 25.0)
    bench.run(0.3)
    assert later.result() == link.Ok()


def test_a_deaf_device_says_ok_and_does_nothing(site: WorldSite) -> None:
    bench = Bench(site, Vice.DEAF)
    assert bench.command(0) == bench.stop() == link.Ok()
    bench.run(10.0)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(FULL_W), FULL_W)


def test_half_of_a_change_is_done(site: WorldSite) -> None:
    bench = Bench(site, Vice.HALF)
    assert bench.command(1500) == link.Ok()
    bench.run(10.0)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(2500), 2500)
    assert bench.stop() == link.Ok()
    bench.run(10.0)
    assert bench.draw_w == 25.0


def test_a_change_without_a_mode_half_way_is_not_done_at_all(site: WorldSite) -> None:
    bench = Bench(site, Vice.HALF, model="antminer-s21-pro")
    assert bench.command(0) == link.Ok()
    bench.run(30.0)
    assert bench.draw_w == near(bench.model.max_w)


def test_a_lower_setpoint_makes_it_jump_up_for_a_while(site: WorldSite) -> None:
    bench = Bench(site, Vice.JUMPS_UP)
    bench.command(2000)
    bench.run(5.0)
    bench.command(1800)
    bench.run(JUMP_S - 5.5)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(1.25 * FULL_W), 1800)
    bench.run(3.5)
    assert bench.draw_w == near(1800)
    bench.command(3000)
    bench.run(6.0)
    assert bench.draw_w == near(3000)


@pytest.mark.parametrize("end", ["stop", "relay", "raise"])
def test_what_ends_a_jump(site: WorldSite, end: str) -> None:
    bench = Bench(site, Vice.JUMPS_UP)
    bench.command(2000)
    bench.run(1.0)
    {"stop": bench.stop, "relay": lambda: bench.relay(closed=False), "raise": lambda: bench.command(FULL_W)}[end]()
    bench.run(3.0)
    assert bench.draw_w == {"stop": 25.0, "relay": 0.0, "raise": near(FULL_W)}[end]
    bench.run(JUMP_S)
    assert bench.draw_w == {"stop": 25.0, "relay": 0.0, "raise": near(FULL_W)}[end]
    assert bench.devices.states()[0] == ("running" if end == "raise" else "off")


def test_a_setpoint_makes_it_restart_and_come_up_at_full_power(site: WorldSite) -> None:
    bench = Bench(site, Vice.RESTARTS_FULL)
    assert bench.command(2000) == link.Ok()
    bench.run(0.5)
    assert bench.draw_w < 1000
    bench.run(10.0)
    answer = bench.read()
    assert (bench.draw_w, answer.setpoint_w, answer.uptime_s) == (near(FULL_W), FULL_W, pytest.approx(10.5))
    assert bench.stop() == link.Ok()
    bench.run(5.0)
    assert bench.draw_w == 25.0


def test_lowering_is_ignored_while_raising_and_stopping_are_obeyed(site: WorldSite) -> None:
    bench = Bench(site, Vice.IGNORES_LOWERING)
    bench.devices.set_vice(["it"], Vice.IGNORES_LOWERING, on=False)
    bench.command(2000)
    bench.devices.set_vice(["it"], Vice.IGNORES_LOWERING, on=True)
    bench.command(3000)
    bench.run(10.0)
    assert bench.draw_w == near(3000)
    assert bench.command(1500) == link.Ok()
    bench.run(10.0)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(3000), 1500)
    assert bench.stop() == link.Ok()
    bench.run(10.0)
    assert bench.draw_w == 25.0


def test_a_device_that_understates_reports_40_percent_less(site: WorldSite) -> None:
    plain, bench = Bench(site), Bench(site, Vice.UNDERSTATES)
    assert bench.read().watts == pytest.approx(0.6 * (plain.read().watts or 0.0))
    assert bench.draw_w == plain.draw_w
    bench.devices.set_vice(["it"], Vice.UNDERSTATES, on=False)
    assert bench.read().watts == pytest.approx(plain.read().watts, rel=0.1)


@pytest.mark.parametrize(("vices", "watts"), [((), 2000), ((Vice.FORGETS,), FULL_W)])
def test_a_reboot_keeps_the_setpoint_but_for_a_device_that_forgets(
    site: WorldSite, vices: tuple[Vice, ...], watts: int
) -> None:
    bench = Bench(site, *vices)
    bench.command(2000)
    bench.run(5.0)
    bench.devices.reboot("it")
    bench.run(0.5)
    assert (bench.read().state, bench.read().uptime_s) == ("starting", pytest.approx(0.5))
    bench.run(10.0)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(watts), watts)


def test_other_hardware_at_an_address_has_another_serial_and_comes_up_at_full_power(site: WorldSite) -> None:
    bench = Bench(site)
    before = bench.read()
    bench.command(2000)
    bench.devices.replace("it")
    bench.run(10.0)
    after = bench.read()
    assert (bench.draw_w, after.setpoint_w, after.uptime_s) == (near(FULL_W), FULL_W, pytest.approx(10.0))
    assert after.serial != before.serial


def test_a_device_that_refuses_answers_with_an_error_and_does_nothing(site: WorldSite) -> None:
    bench = Bench(site, Vice.REFUSES)
    assert isinstance(bench.command(0), link.Failed)
    assert isinstance(bench.stop(), link.Failed)
    bench.run(10.0)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(FULL_W), FULL_W)


@pytest.mark.parametrize(("vice", "answer"), [(Vice.HALF_ANSWER, messages.Cut), (Vice.DENIES, link.Failed)])
def test_a_bad_answer_to_what_was_done(site: WorldSite, vice: Vice, answer: type[link.AnyReply]) -> None:
    bench = Bench(site, vice)
    assert isinstance(bench.command(2000), answer)
    bench.run(5.0)
    assert (bench.draw_w, bench.read().setpoint_w) == (near(2000), 2000)
    assert isinstance(bench.stop(), answer)
    bench.run(5.0)
    assert bench.draw_w == 25.0


def test_vices_come_together(site: WorldSite) -> None:
    bench = Bench(site, Vice.HALF_ANSWER, Vice.IGNORES_LOWERING, Vice.UNDERSTATES)
    assert bench.devices.vices() == {
        Vice.HALF_ANSWER: ["it"], Vice.IGNORES_LOWERING: ["it"], Vice.UNDERSTATES: ["it"]
    }  # fmt: skip
    assert bench.command(2000) == messages.Cut()
    bench.run(5.0)
    assert bench.draw_w == near(FULL_W)
    assert bench.read().watts == pytest.approx(0.6 * FULL_W, rel=0.15)


def test_an_open_relay_cuts_the_device_off_whatever_its_vices(site: WorldSite) -> None:
    bench = Bench(site, *set(Vice) - {Vice.FORGETS})
    assert bench.relay(closed=False) == link.Ok()
    bench.run(0.2)
    assert (bench.draw_w, float(bench.physics.node_w[0])) == (0.0, float(bench.physics.draw_w[1]))
    for vice in Vice:
        bench.devices.set_vice(["it"], vice, on=False)
    assert bench.ask(messages.ReadDevice(id=1, device="it")) is bench.command(FULL_W) is None
    bench.devices.reboot("it")
    bench.run(10.0)
    assert bench.draw_w == 0.0
    assert bench.relay(closed=True) == link.Ok()
    bench.run(10.0)
    assert (bench.draw_w, bench.read().uptime_s) == (near(FULL_W), pytest.approx(10.0))


def test_a_relay_closed_for_a_time_opens_by_itself_unless_it_is_told_again(site: WorldSite) -> None:
    bench = Bench(site)
    for _ in range(3):
        bench.relay(closed=True, hold_s=10.0)
        bench.run(9.0)
        assert bench.draw_w == near(FULL_W)
    assert bench.read().uptime_s > 27.0  # renewing is no reboot
    bench.run(1.5)
    assert bench.draw_w == 0.0
    bench.relay(closed=True, hold_s=10.0)
    bench.relay(closed=True)
    bench.run(20.0)
    assert bench.draw_w == near(FULL_W)


def test_what_a_relay_cannot_do_is_refused(site: WorldSite) -> None:
    bench = Bench(site)
    with pytest.raises(Refused, match="other has no relay"):
        bench.ask(messages.SwitchRelay(id=1, device="other", closed=False))
    for closed, hold_s in ((False, 5.0), (True, 0.0)):
        with pytest.raises(Refused, match="hold_s"):
            bench.relay(closed=closed, hold_s=hold_s)
    assert bench.draw_w == near(FULL_W)


def test_a_stranger_is_refused_and_nothing_changes(site: WorldSite) -> None:
    bench = Bench(site)
    for act in (
        lambda: bench.command(0, "nobody"),
        lambda: bench.devices.set_vice(["it", "nobody"], Vice.DEAF, on=True),
        lambda: bench.devices.reboot("nobody"),
        lambda: bench.devices.replace("nobody"),
    ):
        with pytest.raises(Refused, match="no such device: nobody"):
            act()
    bench.run(5.0)
    assert (bench.devices.vices(), bench.draw_w) == ({}, near(FULL_W))


def test_what_measures_a_device_is_a_matter_of_its_model() -> None:
    models = load_catalogue()
    sources = {name: measured_by(models[name]) for name in ("antminer-s21", "antminer-s19k-pro", "hgx-h100")}
    assert sources == {"antminer-s21": "psu", "antminer-s19k-pro": "estimate", "hgx-h100": "psu"}


def test_every_vice_is_said_in_words() -> None:
    assert WHAT.keys() == set(Vice)


def test_without_a_vice_the_trace_is_that_of_the_bare_physics_to_the_bit(site: WorldSite) -> None:
    """Who asks devices one by one, and a vice of one device, changes nothing for the others."""

    def trace(*, through_devices: bool, vice: bool) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        physics = Physics(site, seed=7)
        devices = WorldDevices(physics)
        if vice:
            for every in Vice:
                devices.set_vice(["s21-a-001"], every, on=True)
        rows = []
        for k in range(300):
            if k % 20 == 0:
                told = {device.id: device.model.max_w * (1.0 - k / 400) for device in site.devices[k % 3 :: 3]}
                if not through_devices:
                    physics.apply(told)
                for name, watts in told.items() if through_devices else ():
                    devices.answer(messages.CommandDevice(id=1, device=name, watts=watts))
                    devices.answer(messages.ReadDevice(id=2, device=name))
            physics.step()
            devices.step()
            rows.append(np.concatenate([physics.draw_w, physics.led_w, physics.house_w]))
        return np.array(rows)

    bare = trace(through_devices=False, vice=False)
    assert np.array_equal(bare, trace(through_devices=True, vice=False))
    with_one = trace(through_devices=True, vice=True)
    changed = np.flatnonzero((bare != with_one).any(axis=0))
    it, count = [device.id for device in site.devices].index("s21-a-001"), len(site.devices)
    assert changed.tolist() == [it, count + it]
