"""The verb ``demo``: options, and the run from the first process to the verdict."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from controller.demo.contactors import HELP as CONTACTOR_HELP
from controller.demo.contactors import parse_contactor
from controller.demo.earnings import Books, Earnings, OpenBooks, earnings, value_of
from controller.demo.envelope_use import parts_wh
from controller.demo.faults import HELP as FAULT_HELP
from controller.demo.faults import FaultSchedule, Struck, agents_struck, parse_fault, strike
from controller.demo.outcome import DemoOutcome, figures_of, summary
from controller.demo.own_protocols import HELP as FLEET_HELP
from controller.demo.own_protocols import parse_fleet, spoken, wanted_fleet
from controller.demo.processes import DemoProcesses, processes_of
from controller.demo.screen import open_screen
from controller.demo.setup import SCADA_VARIABLES, TRIP_AFTER_S, DemoOptions, DemoSetup, Raw, prepare
from controller.demo.trips import TripReport, TripWatch
from controller.demo.watch import Moment, Watch, course_of
from drivers.errors import ConfigError, DriverLoss, Refused
from drivers.quantities import QuantityError, QuantityKind, parse_quantity
from simulators import curve as surplus
from simulators.authority import choose_moment
from simulators.choice import choose
from simulators.process import split_address
from simulators.world.report import RefereeReport
from simulators.world.site import read_site
from simulators.worldlink import CurveSamples, WorldClient

LOOK_S: Final = 0.5
#: Without `--for`: the window that a recording has to fill, and the end of the built-in model.
OPEN_REPLAY_S: Final = 180.0
OPEN_MODEL_S: Final = 86400.0
#: Looks that are kept for the view and the picture: three hours.
MOST_MOMENTS: Final = 21600


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the verb."""
    parser.add_argument(
        "--for", dest="for_s", type=_seconds, metavar="TIME", help="end so long after readiness, e.g. 60s"
    )
    parser.add_argument("--seed", type=int, default=1, help="fixes the world (default: %(default)s)")
    parser.add_argument("--model", choices=sorted(SCADA_VARIABLES), help="surplus model, default that of the site")
    parser.add_argument("--port", type=int, help="port of the daemon's HTTP (default: a free one)")
    parser.add_argument(
        "--broker", type=split_address, metavar="HOST:PORT", help="use this broker, not the embedded one"
    )
    parser.add_argument("--protocol", choices=("5", "3.1.1"), help="MQTT version, default that of the site")
    parser.add_argument("--restart", type=_seconds, default="20s", metavar="TIME",
                        help="start a part that fell again after so long (default: %(default)s)")  # fmt: skip
    parser.add_argument("--fault", dest="faults", type=parse_fault, action="append", default=[], metavar="FAULT",
                        help=FAULT_HELP)  # fmt: skip
    parser.add_argument("--relays", metavar="WHO", help="devices with a relay before them, chosen as by --fault")
    parser.add_argument("--contactor", dest="contactors", type=parse_contactor, action="append", default=[],
                        metavar="NODE[:modbus|:agent]", help=CONTACTOR_HELP)  # fmt: skip
    parser.add_argument("--trip-after", type=_seconds, default=TRIP_AFTER_S, metavar="TIME",
                        help="how long a node with a contactor may draw too much (default: %(default)g s)")  # fmt: skip
    parser.add_argument("--fleet", type=parse_fleet, metavar="FAMILY=COUNT,…", help=FLEET_HELP)
    parser.add_argument("--agents-apart", action="store_true",
                        help="run every agent in a process of its own, not only those with faults")  # fmt: skip
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the run as a picture")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep site file, keys, journal and logs there")
    surplus.add_arguments(parser)


def run(
    args: argparse.Namespace, spoil: Callable[[Raw], None] | None = None, open_books: OpenBooks | None = None
) -> int:
    """Run the demo; return 0 where the referee passes it, 1 where it does not or a part does not start.

    `spoil` changes the site file that the daemon alone reads, so that a wrong one can be shown to fail.
    `open_books` reads from the site file what the summary's earnings are counted by; without it there are none.
    """
    try:
        _refuse_missing_extras(args)
        with _folder(args.keep) as folder, _sigterm_as_ctrl_c():
            options = DemoOptions(
                model=args.model,
                broker=args.broker,
                protocol=args.protocol,
                http_port=args.port,
                contactors=tuple(args.contactors),
                trip_after_s=args.trip_after,
                spoil=spoil,
                fleet=wanted_fleet(args),
                relays=partial(choose, args.relays, seed=args.seed) if args.relays else lambda _devices: (),
            )
            site_text = files("configs").joinpath("demo.yaml").read_text(encoding="utf-8")
            setup = prepare(folder, site_text, options)
            return _play(setup, args, open_books(setup.site_file) if open_books else None)
    except (ConfigError, DriverLoss, Refused) as error:
        sys.stderr.write(f"surplusd demo: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("surplusd demo: ended before it was ready\n")
    return 1


def _play(setup: DemoSetup, args: argparse.Namespace, books: Books | None = None) -> int:
    duration_s = args.for_s or (OPEN_MODEL_S if args.surplus_csv is None else OPEN_REPLAY_S)
    label, moment_s = _preview(setup, args, duration_s)
    struck = _struck(setup, args)
    orders = int(args.for_s is not None and moment_s is not None)
    world = WorldClient(*setup.world, timeout_s=10.0)
    apart = frozenset(setup.agents) if args.agents_apart else agents_struck(struck)
    children = processes_of(setup, args, duration_s=duration_s, orders=orders, broker=args.broker is None, apart=apart)
    processes = DemoProcesses(setup, world, children, restart_s=args.restart)
    worth = partial(value_of, books.site.devices) if books else None
    watch = Watch(world, setup.url, setup.token_file("viewer").read_text(encoding="utf-8").strip(), worth)
    try:
        _say(f"starting {', '.join(processes.children)}; files in {setup.folder}")
        if setup.own:
            speak = ", ".join(f"{count} {family}" for family, count in spoken(setup.own).items())
            _say(f"by their own protocols: {speak}")
        _say(
            "the first start after an update compiles the kernels: a minute, several on a busy machine; `surplusd warmup` does that alone"
        )
        processes.open(_say)
        world.ready()
        _say(
            f"running {', '.join(f'{name} ({child.pid})' for name, child in processes.children.items())}; surplus: {label}"
        )
        _say(
            f"in a second terminal: surplusd status --site {setup.site_file} (or top); in a browser {setup.url}/, "
            f"signed in with the text in {setup.token_file('operator')}"
        )
        _say(f"open {setup.url}/metrics, or {_curl(setup)}")
        faults = FaultSchedule(struck, world, processes)
        trips = TripWatch(processes.events)
        moments = _watch(processes, faults, trips, watch, setup.root, args.for_s)
        report, p99_s = world.result(), watch.tick_p99_s()
        earned = _earned(books, moments, setup.root) if books else None
        outcome = _outcome(setup, args, report, label, moments, p99_s, processes.events, earned, trips.reports())
    finally:
        world.close()
        processes.close()
    return _present(outcome, args, moments)


def _preview(setup: DemoSetup, args: argparse.Namespace, duration_s: float) -> tuple[str, float | None]:
    """Return the curve's label and when its order comes, before anything is started; ConfigError for a bad curve."""
    site = read_site(setup.site_file)
    curve = surplus.from_arguments(args, fleet_w=site.fleet_w, duration_s=duration_s, seed=args.seed)
    samples = CurveSamples(t_s=curve.t_s.tolist(), surplus_w=curve.surplus_w.tolist(), firm_w=site.firm_w)
    moment_s = choose_moment(samples, duration_s=duration_s)
    if moment_s is None:
        _say("no order in this run: it is too short, or its surplus is never level for long enough")
    return curve.label, moment_s


def _struck(setup: DemoSetup, args: argparse.Namespace) -> tuple[Struck, ...]:
    """Return whom the faults come over, before anything is started; ConfigError for nobody, and for relays of nobody."""
    site = read_site(setup.site_file)
    devices = [device.id for device in site.devices]
    if args.relays:
        choose(args.relays, devices, args.seed)  # by the world, too
    return strike(
        args.faults,
        devices=devices,
        agents=setup.agents,
        contactors=site.contactors,
        end_s=args.for_s,
        seed=args.seed,
    )


def _watch(
    processes: DemoProcesses,
    faults: FaultSchedule,
    trips: TripWatch,
    watch: Watch,
    root: str,
    for_s: float | None,
) -> list[Moment]:
    """Show the demo until its end or Ctrl-C; return what was seen, of a very long run the last hours."""
    moments = [watch.look()]
    pause = threading.Event()
    try:
        with open_screen(root) as show:
            while for_s is None or moments[-1].truth.t_s < for_s:
                faults.advance(moments[-1].truth.t_s)
                processes.tend()
                trips.see(moments[-1])
                show(moments, processes.events)
                pause.wait(LOOK_S)
                moments.append(watch.look())
                del moments[:-MOST_MOMENTS]
    except KeyboardInterrupt:
        _say("ending")
    return moments


def _earned(books: Books, moments: Sequence[Moment], root: str) -> Earnings:
    return earnings(books, course_of(moments, root, float(books.site.tree.house_w[0])))


def _outcome(
    setup: DemoSetup,
    args: argparse.Namespace,
    report: RefereeReport,
    label: str,
    moments: Sequence[Moment],
    p99_s: float | None,
    events: Sequence[str],
    earned: Earnings | None,
    trips: tuple[TripReport, ...],
) -> DemoOutcome:
    last = moments[-1]
    return DemoOutcome(
        passed=report.passed,
        seed=args.seed,
        surplus=label,
        model=setup.model,
        referee=report,
        site_w=last.truth.site_w,
        envelope_w=last.truth.envelope_w,
        daemon=figures_of(last.daemon, setup.root, p99_s),
        events=tuple(events),
        earnings=earned,
        trips=trips,
        protocols=spoken(setup.own),
        parts_wh=parts_wh(moments, setup.root),
    )


def _present(outcome: DemoOutcome, args: argparse.Namespace, moments: Sequence[Moment]) -> int:
    _say(summary(outcome))
    if args.json is not None:
        outcome.write(args.json)
    if args.plot is not None:
        from controller.demo.picture import draw  # noqa: PLC0415  matplotlib is an extra

        draw(args.plot, moments, outcome.referee, f"surplusd demo, {outcome.surplus}")
    return 0 if outcome.passed else 1


def _curl(setup: DemoSetup) -> str:
    return f'curl -H "Authorization: Bearer $(cat {setup.token_file("viewer")})" {setup.url}/api/v1/status'


def _refuse_missing_extras(args: argparse.Namespace) -> None:
    wanted = (("amqtt", "demo", args.broker is None), ("matplotlib", "plot", args.plot is not None))
    missing = [(name, extra) for name, extra, needed in wanted if needed and find_spec(name) is None]
    if missing:
        names = " and ".join(name for name, _ in missing)
        extras = ",".join(dict.fromkeys(extra for _, extra in missing))
        raise ConfigError(f"{names} is not installed: pip install 'surplusd[{extras}]'")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="surplusd-demo-") as folder:
        yield Path(folder)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _seconds(text: str) -> float:
    try:
        seconds = parse_quantity(text, QuantityKind.TIME)
    except QuantityError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if seconds <= 0.0:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is a time above zero")
    return seconds


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
