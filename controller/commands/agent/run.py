"""``surplusd agent run``: leads the devices that a file names, as the controller tells it."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import Verbs


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("run", help="lead the devices of an agent's file until SIGTERM")
    verb.add_argument("file", type=Path, help="the agent's file")
    verb.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    verb.add_argument("--log-json", action="store_true", help="one JSON object a line")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.agent.start import run

    return run(arguments.file, level=arguments.log_level, json_logs=arguments.log_json)
