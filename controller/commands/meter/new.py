"""``surplusd meter new``: the profile of a meter that is not known yet."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, Verbs
from controller.commands.meter.options import add_meter_or_capture
from controller.commands.meter.test import try_profile
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
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
    add_meter_or_capture(verb)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    import sys

    from controller.commands.meter.profile_writer import ProfileOptions, ask, write

    options = ProfileOptions(
        vendor=arguments.vendor,
        model=arguments.model,
        source=arguments.source,
        word_order=arguments.word_order,
        registers=arguments.register or (),
        like=arguments.like,
    )
    if not (options.registers or options.like):
        if not sys.stdin.isatty():
            arguments.wrong(
                "found neither --register nor --like, allowed is at least one of them, or a terminal to ask on"
            )
        options = ask(input, options)
    profile = write(arguments.file, options)
    tell(f"{arguments.file}: profile {profile.id}, {len(profile.registers)} quantities")
    if not (arguments.host or arguments.capture):
        tell(f"test it: surplusd meter test {arguments.file} --host HOST")
        return DONE
    return try_profile(arguments, str(arguments.file))
