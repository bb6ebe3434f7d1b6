"""``python -m simulators.substation modbus|dlms|opcua|http|mqtt``: meters and contactors, or the SCADA, in a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from simulators.devicewire import DeviceWire
from simulators.process import announce_ready, split_address, until_signalled
from simulators.substation.contactor_unit import FORM, ContactorUnit, WiredContactor, parse_contactor, parse_relay
from simulators.substation.dlms_options import add_dlms_options
from simulators.substation.encoder import identity, read_data
from simulators.substation.gateway_options import add_gateway_options, gateway_of
from simulators.substation.http_gateway import serve_http
from simulators.substation.meter import SimulatedMeter
from simulators.substation.modbus_server import Faults, Unit, WaitingUnit, serve_gateway, serve_serial
from simulators.substation.mqtt_gateway import connected, send_forever
from simulators.substation.options import (
    add_fault_options,
    add_habit_options,
    add_trap_options,
    faults_of,
    habits_of,
    traps_of,
)
from simulators.substation.scada_options import add_scada_options, scada_of
from simulators.substation.traps import Traps
from simulators.worldlink import AsyncWorldClient

#: A contactor that does not answer within this time is not answered for.
CONTACTOR_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class MeterArgument:
    """One ``--meter``; `port` is the path of a pseudo terminal where it is no number."""

    node: str
    data: dict[str, Any]
    port: str
    unit: int


def main() -> int:
    """Serve until SIGTERM."""
    parser = _parser()
    args = parser.parse_args()
    if args.serve is _serve_modbus and not args.meter and not args.contactor:
        parser.error("found neither --meter nor --contactor, allowed is at least one")
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    asyncio.run(until_signalled(args.serve(args)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators.substation", description=__doc__)
    kinds = parser.add_subparsers(required=True)
    _add_modbus(kinds)
    opcua = kinds.add_parser("opcua", help="SCADA on OPC UA")
    opcua.set_defaults(serve=_serve_opcua)
    add_scada_options(opcua)
    add_dlms_options(kinds.add_parser("dlms", help="meters on DLMS/COSEM; those of one port share an HDLC line"))
    _add_gateways(kinds)
    for kind in kinds.choices.values():
        kind.add_argument("--world", type=split_address, required=True, metavar="HOST:PORT", help="the world link")
        kind.add_argument("--refresh", type=float, default=0.2, help="seconds between measurements")
    return parser


def _add_modbus(kinds: Any) -> None:
    modbus = kinds.add_parser(
        "modbus", help="meters and contactors on Modbus; those of one port are units behind one gateway"
    )
    modbus.set_defaults(serve=_serve_modbus)
    modbus.add_argument("--meter", type=_meter, action="append", default=[], metavar="NODE:PROFILE:PORT[:UNIT]",
                        help="PORT may be a path: RTU on a pseudo terminal, to which the path becomes a link")  # fmt: skip
    modbus.add_argument("--contactor", type=parse_contactor, action="append", default=[], metavar=FORM,
                        help="its coil, its auxiliary contact if any, and whether the coil is off while it is closed; "
                        "those of one port and unit are one unit")  # fmt: skip
    modbus.add_argument("--relay", type=parse_relay, dest="contactor", action="append", metavar=f"DEVICE{FORM[4:]}",
                        help="the same of the relay before a device")  # fmt: skip
    modbus.add_argument("--only", type=int, action="append", metavar="UNIT", help="faults and traps are of this unit")
    modbus.add_argument("--host", default="127.0.0.1", help="address to listen on")
    modbus.add_argument("--framing", choices=["tcp", "rtu"], default="tcp", help="rtu: RTU over TCP")
    modbus.add_argument("--certificate", type=Path, help=".pem; with it, Modbus over TLS is served")
    modbus.add_argument("--private-key", type=Path, help=".pem")
    modbus.add_argument(
        "--turn", type=float, default=0.0, metavar="S", help="what each request takes on the serial side"
    )
    modbus.add_argument("--gateway-timeout", type=float, default=1.0, metavar="S", help="spent on a dead unit")
    modbus.add_argument("--largest-block", type=int, metavar="N", help="of a request (default: the profile's)")
    modbus.add_argument("--unmapped", choices=["exception", "gaps", "zero"], default="gaps",
                        help="what registers without a meaning read as")  # fmt: skip
    modbus.add_argument("--alike", action="store_true", help="function codes 3 and 4 read the same registers")
    modbus.add_argument("--start-wh", type=float, default=1e6, metavar="WH", help="what the import counter starts at")
    modbus.add_argument("--full-scale", type=float, default=10e6, metavar="W", help="of the powers of a LIN3 meter")
    add_fault_options(modbus)
    add_habit_options(modbus)
    add_trap_options(modbus)


def _add_gateways(kinds: Any) -> None:
    """Add the verbs of gateways over HTTP and over MQTT."""
    http = kinds.add_parser("http", help="meters and gateways that answer HTTP with JSON, a port each")
    http.set_defaults(serve=_serve_http)
    http.add_argument("--host", default="127.0.0.1", help="address to listen on")
    mqtt = kinds.add_parser("mqtt", help="meters and gateways that send JSON to an MQTT broker, a topic each")
    mqtt.set_defaults(serve=_serve_mqtt)
    mqtt.add_argument("--broker", type=split_address, required=True, metavar="HOST:PORT")
    mqtt.add_argument("--every", type=float, default=1.0, metavar="S", help="between messages")
    for kind in (http, mqtt):
        add_gateway_options(kind)


def _meter(text: str) -> MeterArgument:
    node, profile, port, *unit = text.split(":")
    if not port.isdigit() and "/" not in port:
        raise argparse.ArgumentTypeError(f"found the port {port!r}, allowed is a number, or a path with a slash in it")
    try:
        data = read_data(profile)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"profile {profile!r} cannot be read: {error}") from error
    return MeterArgument(node, data, port, int(unit[0]) if unit else 1)


async def _serve_modbus(args: argparse.Namespace) -> None:
    world = AsyncWorldClient(*args.world)
    buses: defaultdict[str, dict[int, Unit | WaitingUnit]] = defaultdict(dict)
    async with AsyncExitStack() as serving, asyncio.TaskGroup() as group:
        for wanted in args.meter:
            meter, unit = _simulated(args, wanted)
            if args.trap_on_signal:
                _trap_on_signal(meter)
            _place(buses, wanted.port, wanted.unit, unit)
            group.create_task(meter.run(world.truth, args.refresh), name=f"meter of {wanted.node}")
        for (port, number), each in _contactors(args, DeviceWire(*args.world, timeout_s=CONTACTOR_S)).items():
            _place(buses, port, number, each)
        for port, units in buses.items():
            await _serve_bus(args, port, units, serving)
        announce_ready(f"meters and contactors at {args.host}")
        await asyncio.Event().wait()  # contactors alone have no task that would keep them serving


def _place(
    buses: Mapping[str, dict[int, Unit | WaitingUnit]], port: str, number: int, unit: Unit | WaitingUnit
) -> None:
    if buses[port].setdefault(number, unit) is not unit:
        raise SystemExit(f"found unit {number} at {port} twice, allowed is once")


def _contactors(args: argparse.Namespace, wire: DeviceWire) -> dict[tuple[str, int], ContactorUnit]:
    """Return the units that switch contactors, by port and unit."""
    there: defaultdict[tuple[str, int], list[WiredContactor]] = defaultdict(list)
    for wired in args.contactor:
        there[wired.port, wired.unit].append(wired)
    return {
        (port, unit): ContactorUnit(
            wired, wire, faults_of(args) if args.only is None or unit in args.only else Faults()
        )
        for (port, unit), wired in there.items()
    }


def _simulated(args: argparse.Namespace, wanted: MeterArgument) -> tuple[SimulatedMeter, Unit]:
    misled = args.only is None or wanted.unit in args.only
    meter = SimulatedMeter(
        node=wanted.node,
        data=wanted.data,
        traps=traps_of(args) if misled else Traps(),
        start_wh=args.start_wh,
        full_scale_w=args.full_scale,
    )
    unit = Unit(
        meter.shown,
        faults_of(args) if misled else Faults(),
        args.largest_block or wanted.data.get("largest_block", 125),
        args.unmapped,
        args.refusal,
        alone=identity(wanted.data),
        alike=args.alike,
    )
    return meter, unit


def _trap_on_signal(meter: SimulatedMeter) -> None:
    """Let SIGUSR1 change between no traps, which is how the meter begins, and those that it was given."""
    states = cycle((meter.traps, Traps()))
    meter.traps = Traps()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, lambda: setattr(meter, "traps", next(states)))


async def _serve_bus(
    args: argparse.Namespace, port: str, units: Mapping[int, Unit | WaitingUnit], serving: AsyncExitStack
) -> None:
    if port.isdigit():
        tls = _tls(args.certificate, args.private_key) if args.certificate else None
        await serve_gateway(
            *(args.host, int(port)),
            units=units,
            framing=args.framing,
            answers=args.answers,
            habits=habits_of(args),
            tls=tls,
            turn_s=args.turn,
            timeout_s=args.gateway_timeout,
        )
        return
    line = serve_serial(units=units, turn_s=args.turn, timeout_s=args.gateway_timeout)
    serving.enter_context(_linked(port, await serving.enter_async_context(line)))


@contextmanager
def _linked(path: str, device: str) -> Iterator[None]:
    """Make `path` a link to `device`; one that is left of an earlier run is replaced."""
    link = Path(path)
    if link.is_symlink():
        link.unlink()
    link.symlink_to(device)
    try:
        yield
    finally:
        link.unlink(missing_ok=True)


def _tls(certificate: Path, private_key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private_key)
    return context


async def _serve_opcua(args: argparse.Namespace) -> None:
    world = AsyncWorldClient(*args.world)
    started = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(scada_of(args).run(world.truth, args.refresh, started), name="scada")
        await started.wait()
        announce_ready(f"scada at {args.endpoint}")


async def _serve_http(args: argparse.Namespace) -> None:
    world = AsyncWorldClient(*args.world)
    async with asyncio.TaskGroup() as group:
        for wanted in args.meter:
            gateway = gateway_of(args, wanted)
            await serve_http(gateway, args.host, int(wanted.place))
            group.create_task(gateway.run(world.truth, args.refresh), name=f"gateway of {wanted.node}")
        announce_ready(f"gateways at {args.host}")


async def _serve_mqtt(args: argparse.Namespace) -> None:
    world, client = AsyncWorldClient(*args.world), connected(*args.broker)
    async with asyncio.TaskGroup() as group:
        for wanted in args.meter:
            gateway = gateway_of(args, wanted)
            group.create_task(gateway.run(world.truth, args.refresh), name=f"gateway of {wanted.node}")
            group.create_task(send_forever(gateway, client, wanted.place, args.every), name=f"sender of {wanted.node}")
        announce_ready(f"gateways at {args.broker[0]}")


if __name__ == "__main__":
    sys.exit(main())
