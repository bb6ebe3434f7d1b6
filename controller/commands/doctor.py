"""``surplusd doctor``: what is wrong with a site, here and at the running daemon, and what to do about each."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.asking import READERS, add_options, client, site_file_of
from controller.terminal.telling import tell_json

if TYPE_CHECKING:
    from controller.commands.daemon_client import DaemonClient

_ABOUT = """Looks at the site file and all that it names on this machine (keys, certificates and their days, secrets, folders, the disk), as the user who
asks; then asks the daemon for its clock, journal, broker, meters and agents. With --url it asks that daemon alone. Exit status 0: nothing is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: where it was found, in words, and what to do."""

    about: str
    words: str
    remedy: str


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser(
        "doctor", help="say what is wrong here and at the daemon, and what to do", description=_ABOUT
    )
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.terminal.panel import Note, Panel
    from controller.terminal.screen import show

    at_daemon, answers = _of_daemon(arguments)
    found = [*(() if arguments.url else _of_machine(arguments, answers=answers)), *at_daemon]
    if arguments.json:
        tell_json({"findings": [asdict(each) for each in found]})
    else:
        title = f"{len(found)} found" if found else "nothing is wrong"
        notes = [Note(words=f"{each.about}: {each.words}", remedy=each.remedy) for each in found]
        show(Panel(title=title, facts=(), notes=notes))
    return NOT_GOOD if found else DONE


def _of_machine(arguments: argparse.Namespace, *, answers: bool) -> Iterator[Finding]:
    """Yield what the site file and this machine lack; a daemon that answers has the port, and knows more of the clock."""
    from controller.commands.here import findings, warnings
    from controller.site.compile import compile_site
    from drivers.errors import ConfigError

    try:
        site_file = site_file_of(arguments)
        site = compile_site(site_file)
    except ConfigError as error:
        yield from (Finding("site file", line, "correct it; `surplusd check FILE`") for line in str(error).splitlines())
        return
    for words in findings(site_file, site):
        if not (answers and words.startswith("http.listen")):
            yield Finding("this machine", words, "")
    if not answers:
        yield from (Finding("this machine", words, "") for words in warnings(site_file))


def _of_daemon(arguments: argparse.Namespace) -> tuple[list[Finding], bool]:
    """Return what the daemon says, and whether it answers at all."""
    from controller.commands.following import follow
    from controller.commands.site_panel import whole_status
    from drivers.errors import ConfigError

    try:
        daemon: DaemonClient = client(arguments, *READERS)
        events = follow(daemon)
        state = next(events).data
        events.close()
        whole_status(state.get("status", {}), daemon)
    except ConfigError as error:
        return [Finding("daemon", str(error), "`systemctl status surplusd`, `journalctl -u surplusd`")], False
    return list(_told(state)), True


def _told(state: dict[str, Any]) -> Iterator[Finding]:
    from controller.commands.site_panel import JOURNAL_REMEDY
    from controller.core.reasons import Code
    from controller.texts.catalogue import remedy
    from controller.texts.phrases import Language

    status, known = state["status"], set(Code)
    if status["journal_failure"]:
        yield Finding("journal", f"it cannot be written: {status['journal_failure']}", JOURNAL_REMEDY)
    sources = [("meters", each["reasons"]) for each in status["meters"].values()]
    sources += [("agents", each["reasons"]) for each in status["agents"].values()]
    lists = [("site", status["reasons"]), ("site", status["warnings"]), ("clock", status["utc_reasons"])]
    lists += [("site file", status["site_file_reasons"]), *sources]
    seen: set[tuple[str, str]] = set()
    for about, reasons in lists:
        for reason in reasons:
            key = reason["code"], reason["subject"]
            if key not in seen:
                seen.add(key)
                does = remedy(Code(reason["code"]), Language.ENGLISH) if reason["code"] in known else ""
                yield Finding(about, reason["text"], does)
