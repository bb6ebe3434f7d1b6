"""``surplusd init``: the journal of a site, made once, by a person who knows that there is none or that it is lost."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import DONE, Verbs, seconds
from controller.terminal.telling import tell

if TYPE_CHECKING:
    from controller.commands.witnesses import FleetHeads
    from controller.daemon.journal.head_file import HeadFile
    from controller.site.model import SiteFile
    from drivers.fleet.head import JournalHead


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("init", help="make the journal of a site that has none; surplusd itself never does")
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument(
        "--within", type=seconds, default=3.0, metavar="TIME", help="how long the agents are heard (default: 3 s)"
    )
    verb.add_argument(
        "--without-fleet", action="store_true", help="do not ask the agents for heads of a journal that was here before"
    )
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    import time

    from controller.commands.owners import owner_of, owning
    from controller.commands.witnesses import FleetHeads, heads_of_fleet
    from controller.daemon.journal.beginning import HEAD, JOURNAL, begin, left_behind
    from controller.daemon.journal.head_file import HeadFile
    from controller.daemon.journal.repair import is_there
    from controller.daemon.journal.storage import hold
    from controller.site.compile import compile_site
    from controller.site.load import load
    from drivers.errors import ConfigError
    from drivers.fleet.keys import CONTROLLER, load_private

    site_file = load(arguments.file)
    site, state = compile_site(site_file), site_file.state
    private = site_file.mqtt.keys / f"{CONTROLLER}.key"
    key = load_private(private)
    path, head_file = state / JOURNAL, HeadFile(state / HEAD, site=site.id, key=key)
    try:
        with owning(owner_of(state if state.exists() else private), state):
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            with hold(path):
                if is_there(path):
                    raise ConfigError(f"{path}: there is a journal; nothing is to be made, and nothing was changed")
                asked = FleetHeads() if arguments.without_fleet else heads_of_fleet(site_file, site, arguments.within)
                ends = _ended(head_file, asked)
                doubt = left_behind(path, head_file)
                head = begin(path, head_file, ends=tuple(ends.values()), utc_s=time.time(), doubt=doubt)
                clock = _anchor(state)
    except OSError as error:
        raise ConfigError(f"state: {state}: {error.strerror}") from error
    _tell(site_file, path, head, ends, asked, doubt)
    tell(clock)
    return DONE


def _anchor(state: Path) -> str:
    """Vouch for the wall clock where the kernel does and nobody has before; return in words what became of it."""
    from controller.daemon.clock.anchor import vouched
    from controller.daemon.clock.anchor_file import ANCHOR, AnchorFile
    from controller.daemon.clock.trust import of_kernel
    from controller.texts.english import text
    from drivers.errors import Refused
    from drivers.machine_clocks import read_clocks

    file, clocks = AnchorFile(state / ANCHOR), read_clocks()
    try:
        if file.read() is not None:
            return "what was known of the wall clock stays as it was"
    except Refused as refusal:
        return f"{refusal}; no order ends by the clock until `surplusd clock confirm`"
    if (doubt := of_kernel("", clocks.kernel)) is not None:
        return f"{text(doubt)}; no order ends by the clock until it is, and `surplusd clock confirm` has vouched for it"
    file.write(vouched(clocks, clocks.utc_s, "surplusd init"))
    return "the wall clock is synchronised, and taken for right from now on"


def _ended(head_file: HeadFile, asked: FleetHeads) -> dict[str, JournalHead]:
    """Return the heads of former journals by who has them."""
    from drivers.errors import Refused

    ends = dict(asked.heads)
    try:
        ends[str(head_file)] = head_file.read()
    except Refused:
        return ends
    return ends


def _tell(
    site_file: SiteFile,
    path: Path,
    head: JournalHead,
    ends: dict[str, JournalHead],
    asked: FleetHeads,
    doubt: str | None,
) -> None:
    tell(f"{path}: journal {head.journal} of site {site_file.site}, epoch {head.epoch}")
    for who, former in sorted(ends.items()):
        tell(f"it follows journal {former.journal}, record {former.seq}, epoch {former.epoch}, which {who} has")
    if asked.unasked:
        tell(f"what agents know of a journal before is not all known: {asked.unasked}")
    if doubt is not None:
        tell(doubt)
    if ends or doubt is not None:
        tell("orders of before may be in force and are not in it: the site stays in FAILSAFE until they are stated")
