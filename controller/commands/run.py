"""``surplusd run``: the daemon, with what serves it over HTTP."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import Verbs

if TYPE_CHECKING:
    from controller.daemon.service import Serve


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("run", help="run a site until SIGTERM")
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    verb.add_argument("--log-json", action="store_true", help="one JSON object a line")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.daemon.start import run

    return run(arguments.file, import_serve=_import_serve, level=arguments.log_level, json_logs=arguments.log_json)


def _import_serve() -> Serve:
    from controller.api.app import behind_door
    from controller.api.serve import serve

    return lambda service, host, port, listening: serve(*behind_door(service), host, port, listening)
