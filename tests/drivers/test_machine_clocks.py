"""What the clocks of this machine say, and what its kernel says of the wall clock."""

from __future__ import annotations

import time

import pytest

from drivers import machine_clocks
from drivers.machine_clocks import STA_UNSYNC, Discipline, boot_id, discipline, read_clocks


class Kernel:
    """Answers adjtimex(2) as it is told."""

    def __init__(self, state=0, **fields):
        self.state, self.fields = state, fields

    def adjtimex(self, reference):
        reference._obj.tick = 10_000
        for name, value in self.fields.items():
            setattr(reference._obj, name, value)
        return self.state


def test_the_kernel_answers():
    assert discipline().synchronised in {True, False}
    timex = machine_clocks._Timex()
    machine_clocks._libc.adjtimex(machine_clocks.ctypes.byref(timex))
    assert abs(timex.time_s - time.time()) < 5, "the structure is laid out as the kernel's"
    assert timex.tolerance > 0
    assert 9_000 <= timex.tick <= 11_000
    assert machine_clocks.ctypes.sizeof(timex) == 208


@pytest.mark.parametrize(
    ("state", "status", "synchronised"),
    [(0, 0x2001, True), (1, 0, True), (5, 0, False), (0, STA_UNSYNC, False), (5, STA_UNSYNC, False)],
)
def test_state_and_status_must_both_be_good(monkeypatch, state, status, synchronised):
    monkeypatch.setattr(machine_clocks, "_libc", Kernel(state, status=status))
    assert discipline() == Discipline(synchronised=synchronised, turned_ppm=0.0)


@pytest.mark.parametrize(
    ("freq", "tick", "ppm"),
    [(0, 10_000, 0.0), (-32_768_000, 10_000, -500.0), (65_536, 10_001, 101.0), (0, 9_000, -1e5)],
)
def test_how_fast_it_is_turned_is_in_two_fields(monkeypatch, freq, tick, ppm):
    monkeypatch.setattr(machine_clocks, "_libc", Kernel(freq=freq, tick=tick))
    assert discipline().turned_ppm == ppm


def test_a_kernel_that_refuses_is_an_error_and_a_text_beside_the_clocks(monkeypatch):
    class Refusing:
        @staticmethod
        def adjtimex(_):
            machine_clocks.ctypes.set_errno(1)
            return -1

    monkeypatch.setattr(machine_clocks, "_libc", Refusing)
    with pytest.raises(OSError, match="not permitted"):
        discipline()
    assert read_clocks().kernel == "Operation not permitted"


def test_all_clocks_are_read_at_one_moment():
    first, second = read_clocks(), read_clocks()
    assert first.boot == second.boot == boot_id()
    assert 0.0 < second.count_s - first.count_s < 60.0
    assert abs(first.utc_s - time.time()) < 60.0
    assert first.count_s > 0.0


def test_f35_the_count_goes_on_while_the_machine_sleeps(monkeypatch):
    shown = {"raw_s": 1000.0, "boottime_s": 5000.0}
    for name, value in shown.items():
        monkeypatch.setattr(machine_clocks, name, lambda value=value: value)
    monkeypatch.setattr(machine_clocks.time, "clock_gettime", lambda _: 1003.0)
    assert machine_clocks._count_s() == 1000.0 + 3997.0


def test_clocks_between_which_the_process_was_held_up_are_read_again(monkeypatch):
    counts = iter([1.0, 9.0, 10.0, 10.004])
    monkeypatch.setattr(machine_clocks, "_count_s", lambda: next(counts))
    assert read_clocks().count_s == pytest.approx(10.002)


def test_a_machine_that_does_not_tell_its_start_has_one_for_each_process(monkeypatch, tmp_path):
    monkeypatch.setattr(machine_clocks, "_BOOT_ID", tmp_path / "none")
    named = boot_id.__wrapped__()
    assert named.startswith("process-")
    assert boot_id.__wrapped__() != named
