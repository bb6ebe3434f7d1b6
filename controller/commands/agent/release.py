"""``surplusd agent release``: hands devices back as they were found before they were led."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.terminal.telling import tell

_ABOUT = """Mode, limit, sleep and what moves by itself are set as they were when the agent first heard of the device. That may be
full power: take the devices out of the site file first. The agent must not run meanwhile."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("release", help="hand devices back as they were found", description=_ABOUT)
    verb.add_argument("file", type=Path, help="the agent's file")
    verb.add_argument("device", nargs="*", help="these only; else all that were led")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    import asyncio

    from controller.agent.handing_back import hand_back
    from controller.agent.load import load_agent
    from controller.agent.owned import owned

    file = load_agent(arguments.file)
    with owned(file):
        outcomes = asyncio.run(hand_back(file, arguments.device))
    for device, why in outcomes.items():
        tell(f"{device}: {f'NOT as it was found: {why}' if why else 'as it was found'}")
    if not outcomes:
        tell("no device was led")
    return NOT_GOOD if any(outcomes.values()) else DONE
