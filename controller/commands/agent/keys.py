"""``surplusd agent keys``: the key pair of an agent, made where it stays."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, Verbs
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "keys", help="make the agent's own key, if there is none; the private one never leaves here"
    )
    verb.add_argument("file", type=Path, help="the agent's file")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.agent.load import load_agent
    from drivers.errors import ConfigError
    from drivers.fleet.keys import CONTROLLER, make_keys

    file = load_agent(arguments.file)
    keys = file.mqtt.keys
    try:
        make_keys(keys, (file.agent,))
    except OSError as error:
        raise ConfigError(f"mqtt.keys: {keys}: {error.strerror}") from error
    tell(f"give {keys / file.agent}.pub to the controller; {keys / file.agent}.key stays here")
    if not (keys / f"{CONTROLLER}.pub").is_file():
        tell(f"still missing: {keys / CONTROLLER}.pub, which the controller has")
    return DONE
