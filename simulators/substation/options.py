"""Command line options of the simulated meters: every fault on the wire and every trap in what is shown."""

from __future__ import annotations

import argparse
import math
from typing import Any, Literal

from simulators.substation.encoder import SUNSPEC_BASE, SunspecChain
from simulators.substation.modbus_server import Faults, Habits
from simulators.substation.traps import Traps


def add_fault_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `faults_of` reads."""
    group = parser.add_argument_group("faults on the wire")
    group.add_argument("--exception", type=int, metavar="CODE", help="answer every request with this exception")
    group.add_argument("--mute", action="store_true", help="read requests, never answer")
    group.add_argument("--dead", choices=["exception", "silence"], help="not there: what the gateway does in the end")
    group.add_argument("--delay", type=float, default=0.0, metavar="S", help="before each answer; holds up the others")
    group.add_argument("--late", type=float, default=0.0, metavar="S", help="each answer is under way so long")
    group.add_argument("--unit-shift", type=int, default=0, metavar="N", help="added to the unit of each answer")
    group.add_argument("--transaction-shift", type=int, default=0, metavar="N", help="added to its transaction")
    group.add_argument("--crossed", action="store_true", help="answer each request with the answer to the one before")
    group.add_argument("--cut-to", type=int, metavar="BYTES", help="send so much of each answer")
    group.add_argument("--split", type=float, default=0.0, metavar="S", help="pause in the middle of each answer")
    group.add_argument("--extra", type=bytes.fromhex, default=b"", metavar="HEX", help="bytes after each answer")
    group.add_argument("--leading", type=bytes.fromhex, default=b"", metavar="HEX", help="bytes before each answer")
    group.add_argument("--number", type=int, metavar="N", help="in each answer instead of the transaction")
    group.add_argument("--checksum", choices=["counted", "uncounted"], help="behind each frame of Modbus TCP")
    group.add_argument("--refused", type=int, metavar="N", help="so many requests get the exception, the others not")
    group.add_argument("--spoilt", action="store_true", help="wrong checksum (RTU) or length (TCP)")


def faults_of(args: argparse.Namespace) -> Faults:
    """Return what the options ask for."""
    return Faults(
        exception=args.exception,
        mute=args.mute,
        dead=args.dead,
        delay_s=args.delay,
        late_s=args.late,
        unit_shift=args.unit_shift,
        transaction_shift=args.transaction_shift,
        crossed=args.crossed,
        cut_to=args.cut_to,
        split_s=args.split,
        extra=args.extra,
        leading=args.leading,
        number=args.number,
        checksum=args.checksum,
        refused=args.refused,
        spoilt=args.spoilt,
    )


def add_habit_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `habits_of` reads."""
    group = parser.add_argument_group("what the server does with connections and refusals")
    group.add_argument("--close-after", type=int, metavar="N", help="close each after so many answers")
    group.add_argument("--idle", type=float, metavar="S", help="close each after so long without a request")
    group.add_argument("--connections", type=int, metavar="N", help="have no more than so many at a time")
    group.add_argument("--another", choices=["closed", "left"], default="closed", help="what is done with one more")
    group.add_argument("--refusal", type=_refusal, default=2, metavar="CODE",
                       help="what refuses registers without a meaning: an exception, `silence`, or `close`")  # fmt: skip
    group.add_argument("--banner", type=bytes.fromhex, default=b"", metavar="HEX", help="greet each with these bytes")
    group.add_argument("--answers", choices=["tcp", "rtu"], help="frames of the answers (default: those of requests)")


def _refusal(text: str) -> int | Literal["close"] | None:
    if text == "close":
        return "close"
    return None if text == "silence" else int(text)


def habits_of(args: argparse.Namespace) -> Habits:
    """Return what the options ask for."""
    return Habits(
        close_after=args.close_after,
        idle_s=args.idle,
        connections=args.connections,
        another=args.another,
        banner=args.banner,
    )


def add_trap_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that `traps_of` reads."""
    group = parser.add_argument_group("traps in what is shown; NAME is a quantity such as active_power_w, in SI units")
    for name, what in (("factor", "multiply with"), ("limit", "show no more than"), ("resolution", "show in steps of")):
        group.add_argument(f"--{name}", type=_assignment, action="append", default=[], metavar="NAME=X", help=what)
    group.add_argument(
        "--scale-error", type=float, default=1.0, metavar="X", help="short for --factor active_power_w=X"
    )
    group.add_argument("--flip-sign", action="store_true", help="of the powers")
    group.add_argument("--swap-energies", action="store_true", help="import for export")
    group.add_argument("--counter", choices=["total", "partial", "l1"], default="total", help="shown as the total one")
    group.add_argument("--reset-every", type=float, default=math.inf, metavar="S", help="of the partial counters")
    group.add_argument("--rollover", type=float, default=math.inf, metavar="WH", help="where counters start over")
    group.add_argument(
        "--no-value", action="append", default=[], metavar="NAME", help="show the meter's marker; or all"
    )
    group.add_argument("--nan", action="append_const", dest="no_value", const="all", help="short for --no-value all")
    group.add_argument("--zero-for", type=float, default=0.0, metavar="S", help="show zeros at first; inf: for ever")
    group.add_argument("--rhythm", type=float, default=0.0, metavar="S", help="measure no more often than this")
    group.add_argument("--frozen", action="store_true", help="show the first measurement for ever")
    group.add_argument(
        "--address-shift", type=int, default=0, metavar="N", help="all registers stand so much further on"
    )
    group.add_argument(
        "--moved", type=_assignment, action="append", default=[], metavar="NAME=ADDRESS", help="this one"
    )
    group.add_argument("--swap-words", action="store_true", help="the other word order")
    group.add_argument("--swap-bytes", action="store_true", help="the other byte order")
    group.add_argument("--coarser", type=int, default=0, metavar="N", help="added to SunSpec scale factors")
    group.add_argument("--restless", action="store_true", help="scale factors change with every measurement")
    group.add_argument("--sunspec-base", type=int, default=SUNSPEC_BASE, metavar="ADDRESS", help="where SunS stands")
    group.add_argument("--sunspec-maker", default="", metavar="NAME", help="the maker in the common model")
    group.add_argument("--sunspec-meters", type=int, default=1, metavar="N", help="models of meters in the chain")
    group.add_argument("--sunspec-nth", type=int, default=1, metavar="N", help="which of them shows the values")
    group.add_argument(
        "--trap-on-signal", action="store_true", help="none at first; SIGUSR1 sets the traps, or clears them"
    )
    group.add_argument("--power-factor", choices=["iec", "ieee", "percent", "four_quadrant"], help="how it is written")


def traps_of(args: argparse.Namespace) -> Traps:
    """Return what the options ask for."""
    return Traps(
        address_shift=args.address_shift,
        moved={name: int(address) for name, address in args.moved},
        swap_words=args.swap_words,
        swap_bytes=args.swap_bytes,
        power_factor=args.power_factor,
        sunspec=SunspecChain(
            base=args.sunspec_base, maker=args.sunspec_maker, meters=args.sunspec_meters, nth=args.sunspec_nth
        ),
        factors=dict(args.factor) | {"active_power_w": args.scale_error * dict(args.factor).get("active_power_w", 1.0)},
        limits=dict(args.limit),
        resolution=dict(args.resolution),
        counter=args.counter,
        reset_every_s=args.reset_every,
        rollover_wh=args.rollover,
        flip_sign=args.flip_sign,
        swap_energies=args.swap_energies,
        no_value=frozenset(args.no_value),
        coarser=args.coarser,
        restless=args.restless,
        zero_for_s=args.zero_for,
        rhythm_s=args.rhythm,
        frozen=args.frozen,
    )


def _assignment(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, float(value)
