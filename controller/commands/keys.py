"""``surplusd keys``: the keys that a site needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, Verbs
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("keys", help="make the keys that a site file needs and that are not there yet")
    verb.add_argument("file", type=Path, help="the site file")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.site.compile import compile_site
    from controller.site.load import load
    from drivers.errors import ConfigError
    from drivers.fleet.keys import CONTROLLER, make_keys

    site_file = load(arguments.file)
    try:
        made = make_keys(site_file.mqtt.keys, (CONTROLLER, *compile_site(site_file).agents))
    except OSError as error:
        raise ConfigError(f"mqtt.keys: {site_file.mqtt.keys}: {error.strerror}") from error
    told = f"made those of {', '.join(made)}" if made else "all were there, and stay as they are"
    tell(f"keys in {site_file.mqtt.keys}: {told}. Give every agent its AGENT.key and controller.pub, and nothing else")
    return DONE
