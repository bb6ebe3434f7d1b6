"""One command, ``surplusd``, with its verbs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from drivers.errors import ConfigError, JournalUnusable


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out one verb and return its exit status: 0 done, 1 refused with the reason on standard error."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser(with_demo=words[:1] == ["demo"]).parse_args(words)
    try:
        return int(arguments.carry_out(arguments))
    except (ConfigError, JournalUnusable) as error:
        print(error, file=sys.stderr)  # noqa: T201  the command line speaks to a person
        return 1


# Each verb imports what it needs when it runs: `check` must not pay for the demo, nor `run` for anything but the start.
# ruff: noqa: PLC0415


def _parser(*, with_demo: bool) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="surplusd", description=__doc__)
    parser.add_argument("--version", action="version", version=f"surplusd {version('surplusd')}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_run(verbs)
    _add_check(verbs)
    _add_keys(verbs)
    _add_schema(verbs)
    _add_warmup(verbs)
    verb = verbs.add_parser("demo", help="run a whole simulated site on this machine")
    if with_demo:
        _fill_demo(verb)
    return parser


type_of_verbs = argparse._SubParsersAction  # noqa: SLF001  argparse has no public name for what it returns


def _add_run(verbs: type_of_verbs[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("run", help="run a site until SIGTERM")
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    verb.add_argument("--log-json", action="store_true", help="one JSON object a line")
    verb.set_defaults(carry_out=_run)


def _run(arguments: argparse.Namespace) -> int:
    from controller.daemon import run

    return run(arguments.file, level=arguments.log_level, json_logs=arguments.log_json)


def _add_check(verbs: type_of_verbs[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("check", help="check a site file and report every mistake at once")
    verb.add_argument("file", type=Path, help="the site file")
    verb.set_defaults(carry_out=_check)


def _check(arguments: argparse.Namespace) -> int:
    from controller.runtime.config.compile import compile_site
    from controller.runtime.config.load import load
    from drivers.meters.profiles import load_profile

    site_file = load(arguments.file)
    site = compile_site(site_file)
    for modbus in (site_file.surplus.modbus, *(meter.modbus for meter in site_file.meters)):
        if modbus is not None:
            load_profile(str(modbus.profile))
    counts = f"{len(site.tree.ids)} nodes, {len(site.meters.ids)} meters, {len(site.devices.ids)} devices"
    print(f"{arguments.file}: site {site.id} is good: {counts}, {len(site.agents)} agents")  # noqa: T201
    return 0


def _add_keys(verbs: type_of_verbs[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("keys", help="make the keys that a site file needs and that are not there yet")
    verb.add_argument("file", type=Path, help="the site file")
    verb.set_defaults(carry_out=_keys)


def _keys(arguments: argparse.Namespace) -> int:
    from controller.runtime.config.compile import compile_site
    from controller.runtime.config.load import load
    from drivers.fleet.keys import CONTROLLER, make_keys

    site_file = load(arguments.file)
    try:
        make_keys(site_file.mqtt.keys, (CONTROLLER, *compile_site(site_file).agents))
    except OSError as error:
        raise ConfigError(f"mqtt.keys: {site_file.mqtt.keys}: {error.strerror}") from error
    print(f"keys in {site_file.mqtt.keys}; give every agent its AGENT.key and controller.pub, and nothing else")  # noqa: T201
    return 0


def _add_schema(verbs: type_of_verbs[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("schema", help="print the JSON schema of site files, for editors")
    verb.set_defaults(carry_out=_schema)


def _schema(_: argparse.Namespace) -> int:
    from controller.runtime.config.schema import schema

    print(json.dumps(schema(), indent=2))  # noqa: T201
    return 0


def _add_warmup(verbs: type_of_verbs[argparse.ArgumentParser]) -> None:
    verb = verbs.add_parser("warmup", help="compile the kernels into NUMBA_CACHE_DIR, so that no start waits for it")
    verb.set_defaults(carry_out=_warmup)


def _warmup(_: argparse.Namespace) -> int:
    import time

    begun_s = time.perf_counter()
    import controller.core.step  # noqa: F401  every kernel has its signature, so importing compiles or loads it

    print(f"kernels are ready after {time.perf_counter() - begun_s:.1f} s")  # noqa: T201
    return 0


def _fill_demo(verb: argparse.ArgumentParser) -> None:
    # The simulators are slow to import, and no other verb needs them.
    from controller.campaign.demo.main import add_arguments

    add_arguments(verb)
    verb.set_defaults(carry_out=_demo)


def _demo(arguments: argparse.Namespace) -> int:
    from controller.campaign.demo.main import run
    from controller.campaign.earnings import Books
    from controller.runtime.config.compile import compile_site
    from controller.runtime.config.load import load

    def open_books(path: Path) -> Books:
        site_file = load(path)
        return Books(site=compile_site(site_file), currency=site_file.economics.tariff.currency)

    return run(arguments, open_books=open_books)


if __name__ == "__main__":
    sys.exit(main())
