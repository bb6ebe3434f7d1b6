"""``surplusd agent verify``: plays the controller against an agent, and says what it does wrong."""

from __future__ import annotations

import argparse
from pathlib import Path

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.terminal.telling import tell

_ABOUT = """The agent has to run, on a bench: its devices are switched on and off, and afterwards it obeys only controllers of a
later epoch. So give it keys of its own for this, and an empty disk before it is led. No daemon may lead it meanwhile."""


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "verify", help="play the controller against an agent and say what it does wrong", description=_ABOUT
    )
    verb.add_argument("file", type=Path, help="the site file: broker, keys and settle time are taken from it")
    verb.add_argument("agent", help="the agent's id")
    verb.add_argument(
        "--kill", type=int, metavar="PID", help="at the end kill this process, the agent, and look for its will"
    )
    verb.add_argument("--only", default="", metavar="WORDS", help="try only the checks whose name has these words")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.agent.bench import Bench
    from controller.commands.agent.checks import run_checks
    from controller.daemon.fleet.broker import make_link
    from controller.site.compile import compile_site
    from controller.site.load import load
    from drivers.errors import ConfigError
    from drivers.fleet.keys import CONTROLLER, load_private, load_public

    site_file, agent = load(arguments.file), arguments.agent
    agents = compile_site(site_file).agents
    if agent not in agents:
        raise ConfigError(f"agent: found {agent!r}; allowed are {', '.join(agents)}")
    keys, settle_ms = site_file.mqtt.keys, round(1000 * site_file.grid.settle_s)
    bench = Bench(
        site=site_file.site,
        agent=agent,
        make_link=make_link(site_file.mqtt, f"surplusd.{site_file.site}.verify"),
        key=load_private(keys / f"{CONTROLLER}.key"),
        agent_key=load_public(keys / f"{agent}.pub"),
    )
    failed = 0
    with bench:
        for outcome in run_checks(bench, settle_ms=settle_ms, kill=arguments.kill, only=arguments.only):
            failed += not outcome.passed
            tell(outcome.line)
    tell(f"{failed} of the checks failed" if failed else "all checks passed")
    return NOT_GOOD if failed else DONE
