"""``surplusd check``: what is wrong with a site file, and with what it reads."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from controller.commands import DONE, NOT_GOOD, Verbs, seconds
from controller.terminal.telling import tell

if TYPE_CHECKING:
    from controller.commands.meter.source import Source
    from controller.core.reasons import Reason
    from controller.core.site import Site
    from controller.site.model import SiteFile

#: The broker sends what it keeps at once.
_INVENTORIES_S: Final = 3.0


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("check", help="check a site file and report every mistake at once")
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument(
        "--live",
        action="store_true",
        help="then read every meter, the surplus and what the agents have once, and say what looks wrong",
    )
    verb.add_argument(
        "--here",
        action="store_true",
        help="also look, as the user who asks, for what the daemon would lack on this machine: keys, certificates and "
        "their days, secrets, folders, the port; a clock that is not trusted is a warning, for the daemon would run",
    )
    verb.add_argument("--within", type=seconds, default=10.0, metavar="TIME", help="deadline of --live (default: 10 s)")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.site.compile import compile_site
    from controller.site.entries import read_entries, shown_quantities
    from controller.site.load import load

    site_file = load(arguments.file)
    site = compile_site(site_file)
    for _, entry in read_entries(site_file):
        shown_quantities(entry)  # for a profile that cannot be used
    counts = f"{len(site.tree.ids)} nodes, {len(site.meters.ids)} meters, {len(site.devices.ids)} devices"
    tell(f"{arguments.file}: site {site.id} is good: {counts}, {len(site.agents)} agents")
    tell(*_carrying(site_file, site))
    lacking = _lacking(site_file, site) if arguments.here else DONE
    return max(lacking, _look(site_file, site, arguments.within) if arguments.live else DONE)


def _carrying(site_file: SiteFile, site: Site) -> Iterator[str]:
    """Yield a line for each node that may carry so many A or VA: what that is in W, and what follows its meter."""
    from controller.core.limits.carrying import phase_quantities
    from controller.site.entries import shown_quantities
    from drivers.quantities import format_power

    shown = {meter.id: shown_quantities(meter) for meter in site_file.meters}
    for each in site.carries:
        needed = set(phase_quantities(each.phases))
        showing = [site.meters.ids[k] for k in each.meters if needed <= shown[site.meters.ids[k]]]
        follows = (
            f"it follows {', '.join(showing)}"
            if showing
            else "that counts always, for no meter of it shows volts and amperes of each phase"
        )
        yield f"{site.tree.ids[each.node]} may carry {each.most:g} {each.unit}: {format_power(each.worst_w)} at the worst that is declared; {follows}"


def _lacking(site_file: SiteFile, site: Site) -> int:
    """Print what the daemon would lack on this machine, and what it would run without; the status says whether it lacks anything."""
    from controller.commands.here import findings, warnings
    from controller.commands.meter.layout import note

    found, warned = tuple(findings(site_file, site)), tuple(warnings(site_file))
    for words in (*found, *(f"warning: {words}" for words in warned)):
        tell(*note("!", words, indent=0))
    if not found:
        tell(f"nothing is missing on this machine{': the daemon would run, with the warnings above' if warned else ''}")
    return NOT_GOOD if found else DONE


def _look(site_file: SiteFile, site: Site, within_s: float) -> int:
    """Read all sources and inventories once and print what they show; the status says whether all is well."""
    from controller.commands.inventories import look_at_fleet
    from controller.commands.meter.layout import fold, note
    from controller.commands.meter.line_times import too_slow
    from controller.commands.meter.site_sources import Judge, read_once
    from controller.commands.meter.source_table import report
    from controller.commands.signals import run_until_signal
    from controller.texts.english import text
    from drivers.clock import boottime_s

    judge = Judge(site)
    seen = run_until_signal(read_once(site_file, judge, within_s))
    told = report(seen, boottime_s())
    tell(*told.lines)
    late = tuple(too_slow(site_file, seen))
    for words in late:
        tell(*note("!", words, indent=0))
    judged = judge.hear()
    fleet = look_at_fleet(site_file, site, min(within_s, _INVENTORIES_S))
    for words in (*fleet.findings, *([f"the fleet was not asked: {fleet.unasked}"] if fleet.unasked else [])):
        tell(*note("!", words, indent=0))
    under_a_source = {reason for reasons in judged.reasons.values() for reason in reasons}
    apart = [reason for reason in judged.doubts.doubts if reason not in under_a_source]
    for reason in apart:
        tell(*note("!", text(reason) + _turned(reason, site_file, seen), indent=0))
    if not told.bad and not late and not apart and not fleet.findings:
        tell("all were read, and nothing looks wrong")
        return DONE
    if told.bad:
        tell("meter-not-read.md of the manual goes from what is said of a meter to the line that mends it")
        tell(*fold(f"look at: {', '.join(told.bad)}"))
    return NOT_GOOD


def _turned(reason: Reason, site_file: SiteFile, seen: Mapping[str, Source]) -> str:
    """Return which meters of a node that shows too little show power out of the site: there `sign` is most likely wrong."""
    from controller.core.reasons import Code
    from drivers.meters.profiles import REQUIRED

    here = [meter.id for meter in site_file.meters if meter.node == reason.subject]
    names = [name for name in here if seen[name].plain.get(REQUIRED, 0.0) < 0.0]
    if reason.code is not Code.METERS_SHORT or not names:
        return ""
    return f"; power out of the site is what {' and '.join(names)} shows: is `sign` right?"
