"""What this machine's clocks say at one moment, and what its kernel says of the wall clock. Nothing here sets a clock."""

from __future__ import annotations

import ctypes
import os
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from drivers.clock import boottime_s, raw_s

#: adjtimex(2): the answer when the clock is not synchronised, and the status bit that says so.
TIME_ERROR: Final = 5
STA_UNSYNC: Final = 0x40
#: `tick` of a clock that is not turned, in microseconds, and how much one more of them turns it.
_TICK_US: Final = 10_000
_PPM_A_TICK: Final = 100.0
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
#: Two clocks are read again where more time than this has gone by between them.
_APART_S: Final = 0.01
_TRIES: Final = 5


class _Timex(ctypes.Structure):
    """``struct timex`` of linux/timex.h."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_s", ctypes.c_long),
        ("time_us", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("rest", ctypes.c_char * 112),
    )


_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Discipline:
    """Whether the kernel holds the wall clock for synchronised, and by how much it makes it run faster than the hardware counts."""

    synchronised: bool
    turned_ppm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineClocks:
    """All clocks at one moment, in seconds.

    `utc_s`: the wall clock, Unix time. `count_s`: what the hardware has counted since `boot`, CLOCK_MONOTONIC_RAW with the
    time that the machine was suspended: nobody sets or turns it. `boot` names that start of the machine. `boottime_s`:
    CLOCK_BOOTTIME. `kernel`: a text where the kernel does not say.
    """

    utc_s: float
    count_s: float
    boot: str
    boottime_s: float
    kernel: Discipline | str


def discipline() -> Discipline:
    """Return what the kernel says by adjtimex(2), which changes nothing; OSError where it will not say."""
    timex = _Timex()
    state = _libc.adjtimex(ctypes.byref(timex))
    if state < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return Discipline(
        synchronised=state != TIME_ERROR and not timex.status & STA_UNSYNC,
        turned_ppm=timex.freq / 65536.0 + (timex.tick - _TICK_US) * _PPM_A_TICK,
    )


@cache
def boot_id() -> str:
    """Return what names this start of the machine; where it cannot be read, what names this process, which is less."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return f"process-{uuid.uuid4()}"


def read_clocks() -> MachineClocks:
    """Read all clocks; once more where the process was held up between two of them."""
    for _ in range(_TRIES):
        before_s, utc_s, after_s = _count_s(), time.time(), _count_s()
        if after_s - before_s <= _APART_S:
            break
    return MachineClocks(
        utc_s=utc_s,
        count_s=(before_s + after_s) / 2.0,
        boot=boot_id(),
        boottime_s=boottime_s(),
        kernel=_discipline_or_why(),
    )


def _count_s() -> float:
    return raw_s() + boottime_s() - time.clock_gettime(time.CLOCK_MONOTONIC)


def _discipline_or_why() -> Discipline | str:
    try:
        return discipline()
    except OSError as error:
        return error.strerror or str(error)
