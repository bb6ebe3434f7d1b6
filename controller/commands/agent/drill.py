"""``surplusd agent drill``: measures what a device does when it is told, and leaves it as it was found."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.terminal.telling import tell

_ABOUT = """The device goes to its most, through every mode of its model, to off and up again; where it has a relay, it loses its power
once. That takes some of its start-ups and up to an hour. The agent must not run meanwhile, and nobody else lead the device."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "drill", help="measure times and watts of a device, and leave it as it was found", description=_ABOUT
    )
    verb.add_argument("file", type=Path, help="the agent's file")
    verb.add_argument("device", help="the device's id")
    verb.add_argument("--yes", action="store_true", help="it may be switched on and off, at full power too")
    verb.add_argument(
        "--out", type=Path, metavar="FILE", help="where the evidence goes; default DEVICE.drill.yaml here"
    )
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.agent.drilled import drill_of, write_evidence
    from controller.agent.load import load_agent
    from controller.agent.owned import owned
    from controller.commands.signals import run_to_its_end
    from drivers.errors import ConfigError, DriverLoss

    file = load_agent(arguments.file)
    if not arguments.yes:
        raise ConfigError("found no --yes; a drill switches the device on and off, and takes it to full power")
    with owned(file):
        try:
            evidence = run_to_its_end(drill_of(file, arguments.device, tell=_tell))
        except DriverLoss as loss:
            raise ConfigError(f"{arguments.device}: {loss}") from loss
    out = arguments.out or Path(f"{arguments.device}.drill.yaml")
    tell(*write_evidence(out, evidence).splitlines())
    tell(f"# written to {out}")
    return NOT_GOOD if evidence["wrong"] else DONE


def _tell(line: str) -> None:
    """Say where the drill is; not where the evidence goes, which may be read by a program."""
    tell(f"{datetime.now().astimezone():%H:%M:%S} {line}", out=sys.stderr)
