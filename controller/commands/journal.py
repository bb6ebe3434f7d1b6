"""``surplusd journal``: what the journal of a site proves, and what it cannot."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import DONE, NOT_GOOD, Verbs
from controller.commands.records import add as add_records
from controller.terminal.telling import tell

if TYPE_CHECKING:
    from controller.daemon.journal.chain import Record
    from drivers.fleet.head import JournalHead
    from drivers.fleet.keys import PublicKey


def add(verbs: Verbs) -> None:
    """Add the family with its verbs."""
    family = verbs.add_parser("journal", help="the record of a site").add_subparsers(required=True, metavar="VERB")
    verb = family.add_parser("verify", help="say what the journal proves, and what it cannot; surplusd may be running")
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="HEAD",
        help="a head that left the machine: its text, or a file with it; may be repeated",
    )
    verb.add_argument(
        "--journal",
        type=Path,
        metavar="PATH",
        help="a copy of it, with the head of then beside it (default: the one of the site file)",
    )
    verb.set_defaults(carry_out=_carry_out)
    add_records(family)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.daemon.journal.beginning import HEAD, JOURNAL
    from controller.daemon.journal.chain import DAMAGE, read, verify
    from controller.site.load import load
    from drivers.errors import ConfigError
    from drivers.fleet.keys import CONTROLLER, load_public

    site_file = load(arguments.file)
    path = arguments.journal or site_file.state / JOURNAL
    key = load_public(site_file.mqtt.keys / f"{CONTROLLER}.pub")
    if not path.exists():
        raise ConfigError(f"{path}: there is no journal")
    try:
        verify(path)
        records = tuple(read(path))
    except DAMAGE as error:
        tell(f"{path}: damaged: {error}")
        return NOT_GOOD
    tell(*_shape(path, records))
    beside = path.absolute().with_name(HEAD)
    heads = [("the head beside it", str(beside)), *(("the head given", words) for words in arguments.against)]
    findings = [_held(who, words, records, key, site_file.site) for who, words in heads]
    tell(*(words for words, _ in findings))
    proven = max((seq for _, seq in findings if seq is not None), default=0)
    tell(*_limits(proven, len(records)))
    return DONE if all(seq is not None for _, seq in findings) else NOT_GOOD


def _shape(path: Path, records: tuple[Record, ...]) -> Iterator[str]:
    if not records:
        yield f"{path}: no records"
        return
    from controller.daemon.journal.journal import ID_CHARACTERS

    first, last = records[0], records[-1]
    yield f"{path}: journal {first.hash[:ID_CHARACTERS]}, records 1 to {last.seq}, {_when(first)} to {_when(last)}"
    yield "proven: each record follows from the one before; none between was changed, taken out or put in by itself"


def _when(record: Record) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(record.utc_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _held(who: str, words: str, records: tuple[Record, ...], key: PublicKey, site: str) -> tuple[str, int | None]:
    """Return what a head shows, and the record up to which it proves the journal, None where it does not."""
    from drivers.errors import Refused
    from drivers.fleet.head import open_head

    try:
        head = open_head(_token(words), key, site=site)
    except (OSError, UnicodeDecodeError, Refused) as error:
        return f"not proven: {who} cannot be used: {error}", None
    return _compared(who, head, records)


def _token(words: str) -> str:
    """Return the text of a head that is given by itself or by the name of a file; a head is no name, for it has no slash."""
    if "/" in words or Path(words).suffix in {".head", ".txt"}:
        return Path(words).read_text(encoding="ascii").strip()
    return words.strip()


def _compared(who: str, head: JournalHead, records: tuple[Record, ...]) -> tuple[str, int | None]:
    from controller.daemon.journal.journal import ID_CHARACTERS

    named = f"{who}, record {head.seq} of journal {head.journal}"
    if not records or records[0].hash[:ID_CHARACTERS] != head.journal:
        return f"not proven: {named}, is of another journal", None
    if head.seq > len(records):
        return f"not proven: {named}, is not in it: records are gone, or it is an older copy", None
    if records[head.seq - 1].hash != head.hash:
        return f"not proven: {named}, is another record than it has: it was rewritten", None
    return f"proven: {named}, stands in it: records 1 to {head.seq} are those of then", head.seq


def _limits(proven: int, length: int) -> Iterator[str]:
    if proven < length:
        yield f"not proven: that records {proven + 1} to {length} are all that followed, and are as they were written"
    yield (
        "never proven by this: that what a record says was so; and against whoever has the controller's key and this "
        "machine, anything after the newest head that somebody else has kept"
    )
