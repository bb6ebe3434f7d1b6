"""The verbs ``surplusd meter …`` and their options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import DONE, Verbs, seconds, watts

# ruff: noqa: PLC0415

if TYPE_CHECKING:
    from controller.commands.meter.meter_line import Address

_DEFAULT_SITE = Path("/etc/surplusd/site.yaml")


def add(verbs: Verbs) -> None:
    """Add the verb and those below it."""
    meter = verbs.add_parser("meter", help="find out what a meter is, watch it, describe a new one")
    below = meter.add_subparsers(required=True, metavar="VERB")
    _add_probe(below)
    _add_watch(below)
    _add_new(below)
    _add_test(below)
    _add_profiles(below)


def _add_probe(verbs: Verbs) -> None:
    verb = verbs.add_parser("probe", help="say which profile fits the meter at HOST; reads only, and slowly")
    verb.add_argument(
        "host", metavar="HOST", help="address of the meter or its gateway; the device for --transport rtu"
    )
    _add_address(verb)
    verb.add_argument("--pause", type=seconds, default=0.1, metavar="TIME", help="between requests (default: 100 ms)")
    verb.add_argument("--profile", action="append", metavar="FILE", help="try this profile file, too")
    verb.add_argument(
        "--patient", action="store_true", help="go on although nothing answers: some are silent on errors"
    )
    verb.add_argument("--all", action="store_true", help="list the profiles that do not fit, and why")
    verb.add_argument("--capture", type=Path, metavar="FILE", help="write down what was asked and answered")
    verb.set_defaults(carry_out=_probe)


def _add_watch(verbs: Verbs) -> None:
    verb = verbs.add_parser("watch", help="show what a meter of the site file shows, until Ctrl-C")
    verb.add_argument("name", metavar="NAME", help="the meter's id in the site file, or `surplus`")
    verb.add_argument("--file", type=Path, default=_DEFAULT_SITE, help="the site file (default: %(default)s)")
    verb.add_argument("--for", dest="for_s", type=seconds, metavar="TIME", help="end after so long")
    verb.add_argument("--capture", type=Path, metavar="FILE", help="first write down what it answers to one reading")
    verb.set_defaults(carry_out=_watch)


def _add_new(verbs: Verbs) -> None:
    verb = verbs.add_parser(
        "new",
        help="write the profile of a meter that is not known yet, and test it",
        description="Write a profile FILE where none stands, then test it on the meter or on a capture. Without "
        "--register the questions are asked on the terminal.",
        epilog="REGISTER is QUANTITY=FC:ADDRESS:TYPE:UNIT[:SCALE], as in active_power_w=3:3059:float32:kW; the address "
        "counts from 0.",
    )
    verb.add_argument("file", type=Path, metavar="FILE", help="the profile to write, such as my_meter.yaml")
    verb.add_argument("--vendor", help="who makes the meter")
    verb.add_argument("--model", help="what its type plate says")
    verb.add_argument("--source", help="where the registers stand: manual, edition, page")
    verb.add_argument("--word-order", choices=("big", "little"), help="big: most significant word first (default)")
    verb.add_argument("--register", action="append", metavar="REGISTER", help="where a quantity stands; once for each")
    verb.add_argument(
        "--like", metavar="PROFILE", help="take the registers of this profile that --register does not give"
    )
    _add_meter_or_capture(verb)
    verb.set_defaults(carry_out=_new)


def _add_test(verbs: Verbs) -> None:
    verb = verbs.add_parser("test", help="read a meter, or a capture of one, by a profile and say what looks wrong")
    verb.add_argument("profile", metavar="PROFILE", help="a bundled profile, or the path of a profile file")
    _add_meter_or_capture(verb)
    verb.set_defaults(carry_out=_test)


def _add_profiles(verbs: Verbs) -> None:
    verb = verbs.add_parser("profiles", help="list the meters that are known")
    verb.add_argument("words", nargs="*", metavar="WORD", help="only those whose id, maker or model has all the words")
    verb.set_defaults(carry_out=_profiles)


def _add_meter_or_capture(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--host", help="the meter to test it on; the device for --transport rtu")
    verb.add_argument(
        "--capture",
        type=Path,
        metavar="FILE",
        help="with --host: write what was asked and answered; without: test on it",
    )
    verb.add_argument(
        "--rating", type=watts, metavar="POWER", help="the most that the meter can measure, as in '1.2 MW'"
    )
    verb.add_argument("--full-scale", type=watts, metavar="POWER", help="of a meter whose numbers are shares of it")
    verb.set_defaults(wrong=verb.error)
    _add_address(verb)


def _add_address(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--port", type=_within(1, 65535), default=None, help="TCP port (default: 502, TLS 802)")
    verb.add_argument("--unit", type=_within(0, 255), default=1, help="unit id (default: %(default)s)")
    verb.add_argument("--transport", choices=("tcp", "rtu_over_tcp", "rtu", "tls"), default="tcp")
    verb.add_argument("--timeout", type=seconds, default=1.0, metavar="TIME", help="for an answer (default: 1 s)")
    verb.add_argument("--baud", type=_within(300, 921_600), default=9600, help="of rtu (default: %(default)s)")
    verb.add_argument("--parity", choices=("none", "even", "odd"), default="none", help="of rtu (default: %(default)s)")
    verb.add_argument("--stop-bits", type=_within(1, 2), default=1, help="of rtu (default: %(default)s)")
    verb.add_argument("--ca", type=Path, metavar="FILE", help="of tls: certificate that signed the meter's (PEM)")
    verb.add_argument("--certificate", type=Path, metavar="FILE", help="of tls: our certificate (PEM)")
    verb.add_argument("--private-key", type=Path, metavar="FILE", help="of tls: its key (PEM)")


def _within(low: int, high: int) -> type[int]:
    def integer(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"found {text!r}, allowed is {low} to {high}")
        return int(text)

    return integer  # type: ignore[return-value]  # argparse takes any callable


def _address(arguments: argparse.Namespace) -> Address:
    from controller.commands.meter.meter_line import Address
    from drivers.errors import ConfigError
    from drivers.meters.modbus import Place, Serial, Tls

    transport = arguments.transport
    if (transport == "tls") is not bool(arguments.ca):
        raise ConfigError(f"--ca: found {arguments.ca or 'none'} with --transport {transport}, allowed is one with tls")
    serial = None
    if transport == "rtu":
        serial = Serial(
            device=arguments.host, baud=arguments.baud, parity=arguments.parity, stop_bits=arguments.stop_bits
        )
    tls = (
        Tls(ca=arguments.ca, certificate=arguments.certificate, private_key=arguments.private_key)
        if arguments.ca
        else None
    )
    port = arguments.port or (802 if transport == "tls" else 502)
    place = Place(transport=transport, host=arguments.host, port=port, serial=serial, tls=tls)
    return Address(place=place, unit=arguments.unit, timeout_s=arguments.timeout)


def _probe(arguments: argparse.Namespace) -> int:
    from controller.commands.meter.verdict import Wishes, run

    wishes = Wishes(
        pause_s=arguments.pause,
        own=arguments.profile or (),
        show_all=arguments.all,
        capture=arguments.capture,
        patient=arguments.patient,
    )
    return run(_address(arguments), wishes)


def _watch(arguments: argparse.Namespace) -> int:
    from controller.commands.meter.live_view import run

    return run(arguments.name, arguments.file, arguments.for_s, arguments.capture)


def _new(arguments: argparse.Namespace) -> int:
    import sys

    from controller.commands.meter.profile_writer import Wishes, ask, write

    wishes = Wishes(
        vendor=arguments.vendor,
        model=arguments.model,
        source=arguments.source,
        word_order=arguments.word_order,
        registers=arguments.register or (),
        like=arguments.like,
    )
    if not (wishes.registers or wishes.like):
        if not sys.stdin.isatty():
            arguments.wrong(
                "found neither --register nor --like, allowed is at least one of them, or a terminal to ask on"
            )
        wishes = ask(input, wishes)
    profile = write(arguments.file, wishes)
    print(f"{arguments.file}: profile {profile.id}, {len(profile.registers)} quantities")  # noqa: T201
    if not (arguments.host or arguments.capture):
        print(f"test it: surplusd meter test {arguments.file} --host HOST")  # noqa: T201
        return DONE
    return _test_with(arguments, str(arguments.file))


def _test(arguments: argparse.Namespace) -> int:
    if not (arguments.host or arguments.capture):
        arguments.wrong("found neither --host nor --capture, allowed is at least one of them")
    return _test_with(arguments, arguments.profile)


def _test_with(arguments: argparse.Namespace, profile: str) -> int:
    from controller.commands.meter.profile_trial import run
    from drivers.meters.profiles import bind, load_profile

    bound = bind(load_profile(profile), arguments.full_scale)
    return run(bound, _address(arguments) if arguments.host else None, arguments.capture, arguments.rating)


def _profiles(arguments: argparse.Namespace) -> int:
    from controller.commands.meter.listing import run

    return run(arguments.words)
