"""``surplusd meter test``: a meter, or a capture of one, read by a profile."""

from __future__ import annotations

import argparse
from typing import Final

from controller.commands import Verbs
from controller.commands.meter.dlms_options import TRANSPORTS, add_dlms, dlms_of
from controller.commands.meter.message_options import add_message_options, is_message_address, reach_of
from controller.commands.meter.options import add_keys, add_meter_or_capture, add_password, address_of, is_opcua

#: What reaches a meter over each way, in words of the command line.
_REACHED: Final = {
    "modbus": "--host HOST[:PORT], with no other transport than those of Modbus",
    "dlms": f"--transport {', '.join(TRANSPORTS[:-1])} or {TRANSPORTS[-1]}",
    "http": "--host http://HOST",
    "mqtt": "--host mqtt://BROKER/TOPIC",
}


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("test", help="read a meter, or a capture of one, by a profile and say what looks wrong")
    verb.add_argument(
        "profile",
        metavar="PROFILE",
        help="a bundled profile, the path of a profile file, or a node of an OPC UA server",
    )
    add_meter_or_capture(verb)
    add_keys(verb)
    add_dlms(verb)
    add_message_options(verb)
    add_password(verb)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    if not (arguments.host or arguments.capture):
        arguments.wrong("found neither --host nor --capture, allowed is at least one of them")
    if is_opcua(arguments):
        from controller.commands.meter import opcua_trial

        return opcua_trial.run(arguments.profile, arguments.host, arguments.keys or "", arguments.rating)
    _refuse_other_way(arguments)
    if arguments.transport in TRANSPORTS:
        from controller.commands.meter.dlms_probe import try_dlms

        return try_dlms(dlms_of(arguments), arguments.profile, arguments.rating)
    if is_message_address(arguments.host):
        from controller.commands.meter.message_verdict import test

        return test(reach_of(arguments, arguments.host), arguments.profile, arguments.rating)
    return try_profile(arguments, arguments.profile)


def _refuse_other_way(arguments: argparse.Namespace) -> None:
    """Refuse a bundled profile of another protocol than the one that is to be spoken, by its own name."""
    from drivers.errors import CommandLineWrong
    from drivers.meters.ways import ways_of

    spoken = {"modbus"}
    if arguments.transport in TRANSPORTS:
        spoken = {"dlms"}
    elif is_message_address(arguments.host):
        spoken = {"http", "mqtt"}
    ways = ways_of(arguments.profile)
    if ways and not spoken.intersection(ways):
        raise CommandLineWrong(f"{arguments.profile} is read over {ways[0]}: allowed is {_REACHED[ways[0]]}")


def try_profile(arguments: argparse.Namespace, profile: str) -> int:
    """Read the meter or the capture that the options name by `profile`, print what it shows, return the exit status."""
    from dataclasses import replace

    from controller.commands.meter.profile_reading import meter_of
    from controller.commands.meter.profile_trial import run
    from drivers.meters.profiles import bind, load_profile

    bound = bind(load_profile(profile), arguments.full_scale)
    meter = replace(meter_of(bound), model=arguments.sunspec_model, nth=arguments.nth)
    return run(meter, address_of(arguments) if arguments.host else None, arguments.capture, arguments.rating)
