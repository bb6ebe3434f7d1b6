"""``surplusd journal show`` and ``journal export``: the records of a running daemon, from any machine."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from controller.commands import DONE, Verbs
from controller.commands.asking import READERS, add_options, client
from controller.terminal.telling import tell, tell_json

if TYPE_CHECKING:
    from controller.commands.daemon_client import DaemonClient

_PATH: Final = "/api/v1/journal"
_AT_ONCE: Final = 1000
_EXPORT: Final = """All records, one JSON object a line, the oldest first, each with its hash and that of the one before: what `journal verify` proves of the file can be
proven of this copy. Give the newest number that you have to --after, and only what is new comes."""


def add(family: Verbs) -> None:
    """Add both verbs to their family."""
    show = family.add_parser(
        "show", help="print the newest records", description="The newest records, the oldest first."
    )
    show.add_argument("--last", type=int, default=20, metavar="N", help="so many (default: %(default)s)")
    show.add_argument(
        "--kind", action="append", default=[], metavar="KIND", help="of these kinds alone; may be repeated"
    )
    add_options(show, *READERS)
    show.set_defaults(carry_out=_show)
    export = family.add_parser("export", help="print all records as JSON lines, with their hashes", description=_EXPORT)
    export.add_argument("--after", type=int, default=0, metavar="SEQ", help="those behind this record (default: all)")
    add_options(export, *READERS)
    export.set_defaults(carry_out=_export)


def _show(arguments: argparse.Namespace) -> int:
    daemon, last = client(arguments, *READERS), max(1, arguments.last)
    newest = _page(daemon, 0, 1)["newest"]
    if arguments.kind:
        records = [record for record in _records(daemon, 0) if record["kind"] in arguments.kind][-last:]
    else:
        records = list(_records(daemon, max(0, newest - last)))[-last:]
    if arguments.json:
        tell_json({"records": records})
    else:
        tell(*(_line(record) for record in records))
    return DONE


def _export(arguments: argparse.Namespace) -> int:
    for record in _records(client(arguments, *READERS), arguments.after):
        tell_json(record, on_one_line=True)
    return DONE


def _records(daemon: DaemonClient, after: int) -> Iterator[dict[str, Any]]:
    while records := _page(daemon, after, _AT_ONCE)["records"]:
        yield from records
        after = records[-1]["seq"]


def _page(daemon: DaemonClient, after: int, limit: int) -> dict[str, Any]:
    return daemon.ask("GET", f"{_PATH}?{urlencode({'after': after, 'limit': limit})}")


def _line(record: dict[str, Any]) -> str:
    told = (f"{name}={_short(value)}" for name, value in record["body"].items() if value not in (None, "", []))
    return f"{record['seq']:>6}  {record['at'][:19]}Z  {record['kind']:<14} {' '.join(told)}"


def _short(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(each, dict) and "code" in each for each in value):
        return ",".join(str(each["code"]) for each in value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
