"""``surplusd meter probe``: which profile fits a meter."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import Verbs, seconds
from controller.commands.meter.dlms_options import TRANSPORTS, add_dlms, dlms_of
from controller.commands.meter.message_options import add_message_options, is_message_address, reach_of
from controller.commands.meter.options import add_address, add_keys, add_password, address_of, is_opcua


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "probe", help="say which profile fits the meter at HOST, or what an OPC UA server has; reads only"
    )
    verb.add_argument(
        "host",
        metavar="HOST[:PORT]",
        help="address of the meter or its gateway; the device for --transport rtu and hdlc; opc.tcp://HOST:PORT/ of an OPC UA server; "
        "http://HOST or mqtt://BROKER/TOPIC of one that sends JSON",
    )
    add_address(verb)
    add_keys(verb)
    add_dlms(verb)
    add_message_options(verb)
    add_password(verb)
    verb.add_argument("--pause", type=seconds, default=0.1, metavar="TIME", help="between requests (default: 100 ms)")
    verb.add_argument("--profile", action="append", metavar="FILE", help="try this profile file, too")
    verb.add_argument(
        "--patient", action="store_true", help="go on although nothing answers: some are silent on errors"
    )
    verb.add_argument("--all", action="store_true", help="list the profiles that do not fit, and why")
    verb.add_argument("--capture", type=Path, metavar="FILE", help="write down what was asked and answered")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    if is_opcua(arguments):
        from controller.commands.meter import opcua_probe

        return opcua_probe.run(arguments.host, arguments.keys or "")
    if arguments.transport in TRANSPORTS:
        from controller.commands.meter.dlms_probe import probe_dlms

        return probe_dlms(dlms_of(arguments), arguments.profile or ())
    if is_message_address(arguments.host):
        from controller.commands.meter.message_verdict import probe

        return probe(reach_of(arguments, arguments.host), arguments.profile or (), show_all=arguments.all)
    from controller.commands.meter.verdict import ProbeOptions, run

    options = ProbeOptions(
        pause_s=arguments.pause,
        own=arguments.profile or (),
        show_all=arguments.all,
        capture=arguments.capture,
        patient=arguments.patient,
    )
    return run(address_of(arguments), options)
