"""When the wall clock may end an order."""

import time

import pytest

from controller.daemon import utc
from controller.daemon.utc import UtcJudge, kernel_synchronised
from controller.texts.english import text


class World:
    """Two clocks and a kernel, moved by hand."""

    def __init__(self):
        self.boot_s = 100.0
        self.utc_s = 1.8e9
        self.synchronised = True
        self.judge = UtcJudge(
            "pcc",
            utc=lambda: self.utc_s,
            clock=lambda: self.boot_s,
            synchronised=self.kernel,
            step_s=1.0,
            doubt_s=900.0,
        )

    def kernel(self):
        if self.synchronised is None:
            raise OSError(1, "no")
        return self.synchronised

    def look_after(self, passed_s, stepped_s=0.0):
        self.boot_s += passed_s
        self.utc_s += passed_s + stepped_s
        return self.judge.look()


def test_a_synchronised_clock_is_trusted_from_the_first_look():
    world = World()
    first = world.look_after(0.0)
    assert (first.utc_s, first.trusted, first.doubt) == (1.8e9, True, None)
    assert world.look_after(300.0, stepped_s=0.4).trusted, "a slewed clock is no stepped one"


@pytest.mark.parametrize("synchronised", [False, None])
def test_a_clock_that_the_kernel_does_not_vouch_for_is_doubted(synchronised):
    world = World()
    world.synchronised = synchronised
    look = world.look_after(1.0)
    assert not look.trusted
    assert "synchronised" in text(look.doubt)
    assert look.doubt.subject == "pcc"
    world.synchronised = True
    assert world.look_after(1.0).trusted


@pytest.mark.parametrize(("step_s", "words"), [(3600.0, "+3600.0 s"), (-3600.0, "-3600.0 s"), (1.2, "+1.2 s")])
def test_f34_a_step_is_doubted_for_its_time(step_s, words):
    world = World()
    world.look_after(0.0)
    stepped = world.look_after(1.0, stepped_s=step_s)
    assert not stepped.trusted
    assert words in text(stepped.doubt)
    assert not world.look_after(899.0).trusted
    assert world.look_after(1.0).trusted


def test_every_step_is_doubted_anew():
    world = World()
    world.look_after(0.0)
    world.look_after(1.0, stepped_s=5.0)
    world.look_after(800.0, stepped_s=-5.0)
    assert not world.look_after(800.0).trusted


def test_f35_a_suspended_machine_has_no_stepped_clock():
    world = World()
    world.look_after(0.0)
    assert world.look_after(3e5).trusted


def test_the_kernel_answers():
    assert kernel_synchronised() in {True, False}
    timex = utc._Timex()
    utc._libc.adjtimex(utc.ctypes.byref(timex))
    assert abs(timex.time_s - time.time()) < 5, "the structure is laid out as the kernel's"
    assert timex.tolerance > 0


@pytest.mark.parametrize(
    ("state", "status", "synchronised"),
    [(0, 0x2001, True), (1, 0, True), (5, 0, False), (0, utc.STA_UNSYNC, False), (5, utc.STA_UNSYNC, False)],
)
def test_state_and_status_must_both_be_good(monkeypatch, state, status, synchronised):
    class Kernel:
        @staticmethod
        def adjtimex(reference):
            reference._obj.status = status
            return state

    monkeypatch.setattr(utc, "_libc", Kernel)
    assert kernel_synchronised() is synchronised


def test_a_kernel_that_refuses_is_an_error(monkeypatch):
    class Refusing:
        @staticmethod
        def adjtimex(_):
            utc.ctypes.set_errno(1)
            return -1

    monkeypatch.setattr(utc, "_libc", Refusing)
    with pytest.raises(OSError, match="not permitted"):
        kernel_synchronised()
