"""``surplusd meter test``: a meter, or a capture of one, read by a profile."""

from __future__ import annotations

import argparse

from controller.commands import Verbs
from controller.commands.meter.dlms_options import TRANSPORTS, add_dlms, dlms_of
from controller.commands.meter.message_options import add_message_options, is_message_address, reach_of
from controller.commands.meter.options import add_keys, add_meter_or_capture, add_password, address_of, is_opcua


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
    if arguments.transport in TRANSPORTS:
        from controller.commands.meter.dlms_probe import try_dlms

        return try_dlms(dlms_of(arguments), arguments.profile, arguments.rating)
    if is_message_address(arguments.host):
        from controller.commands.meter.message_verdict import test

        return test(reach_of(arguments, arguments.host), arguments.profile, arguments.rating)
    return try_profile(arguments, arguments.profile)


def try_profile(arguments: argparse.Namespace, profile: str) -> int:
    """Read the meter or the capture that the options name by `profile`, print what it shows, return the exit status."""
    from dataclasses import replace

    from controller.commands.meter.profile_reading import meter_of
    from controller.commands.meter.profile_trial import run
    from drivers.meters.profiles import bind, load_profile

    bound = bind(load_profile(profile), arguments.full_scale)
    meter = replace(meter_of(bound), model=arguments.sunspec_model, nth=arguments.nth)
    return run(meter, address_of(arguments) if arguments.host else None, arguments.capture, arguments.rating)
