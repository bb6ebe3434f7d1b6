"""``surplusd issuer``: an issuer of orders that is gone for good."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import DONE, Verbs
from controller.terminal.telling import tell

if TYPE_CHECKING:
    from controller.core.site import Site
    from controller.daemon.access import Token
    from controller.daemon.journal.journal import Journal
    from controller.daemon.orders.book import OrderBook
    from controller.site.model import SiteFile


def add(verbs: Verbs) -> None:
    """Add the family with its one verb."""
    family = verbs.add_parser("issuer", help="who gives orders to a site").add_subparsers(required=True, metavar="VERB")
    verb = family.add_parser(
        "retire",
        help="end an issuer that is gone for good, with its orders; surplusd must not be running",
        description="Another authority has to agree by its token; where there is none left, two operators by theirs.",
    )
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument("issuer", metavar="ID", help="its name, as the orders have it")
    verb.add_argument("--reason", required=True, help="why it will never speak again; it goes on record")
    verb.add_argument(
        "--token-file",
        type=Path,
        action="append",
        required=True,
        metavar="PATH",
        help="of whoever agrees; may be repeated",
    )
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    import time

    from controller.commands.owners import owner_of, owning
    from controller.daemon.journal.beginning import JOURNAL
    from controller.daemon.journal.journal import Journal
    from controller.daemon.journal.storage import Chain
    from controller.daemon.tokens import make_tokens
    from controller.site.compile import compile_site
    from controller.site.load import load
    from controller.texts.english import text
    from drivers.errors import ConfigError

    site_file = load(arguments.file)
    site, path = compile_site(site_file), site_file.state / JOURNAL
    tokens = make_tokens(site_file.orders.tokens)
    if not path.exists():
        raise ConfigError(f"{path}: there is no journal")
    with owning(owner_of(site_file.state), site_file.state):
        # It begins no epoch, so that it has no head of its own: the next start holds the journal against the one that stands there.
        journal = Journal(Chain(path))
        try:
            book, by = _agreed(journal, site, tokens, arguments)
            ended = book.retire(arguments.issuer, by, arguments.reason, time.time())
        finally:
            journal.close()
    _tell(site_file, arguments.issuer, by, ended)
    if book.unsure is not None:
        tell(text(book.unsure))
    return DONE


def _agreed(
    journal: Journal, site: Site, tokens: Sequence[Token], arguments: argparse.Namespace
) -> tuple[OrderBook, tuple[str, ...]]:
    """Return the book and who has agreed; ConfigError where that is too few, or there is no such issuer."""
    from controller.daemon.access import Role
    from controller.daemon.orders.book import OrderBook
    from drivers.errors import ConfigError

    named = frozenset(token.name for token in tokens if token.role is Role.AUTHORITY)
    book = OrderBook(journal, site, named)
    if arguments.issuer not in book.issuers:
        allowed = ", ".join(sorted(book.issuers)) or "none"
        raise ConfigError(f"ID: there is no issuer {arguments.issuer}, allowed is one of: {allowed}")
    return book, _who_agrees(arguments.token_file, tokens, book.issuers & named - {arguments.issuer})


def _who_agrees(files: Sequence[Path], tokens: Sequence[Token], others: frozenset[str]) -> tuple[str, ...]:
    """Return who has agreed by a token: one of the other authorities, or two operators where there are none."""
    import hashlib

    from controller.daemon.access import Role
    from controller.daemon.secret import read_secret
    from drivers.errors import ConfigError

    shown = {hashlib.sha256(read_secret(file).encode()).hexdigest() for file in files}
    holders = [token for token in tokens if token.sha256.lower() in shown]
    if others:
        agreed = sorted({token.name for token in holders if token.role is Role.AUTHORITY} & others)
        wanted, least = f"a token of {' or '.join(sorted(others))}", 1
    else:
        agreed = sorted({token.name for token in holders if token.role is Role.OPERATOR})
        wanted, least = "tokens of two operators, for there is no other authority", 2
    if len(agreed) < least:
        raise ConfigError(f"--token-file: {wanted} is needed; nothing was changed")
    return tuple(agreed)


def _tell(site_file: SiteFile, issuer: str, by: Sequence[str], ended: Sequence[str]) -> None:
    orders = f"its orders end with it: {', '.join(ended)}" if ended else "it has no orders in force"
    tell(f"{issuer} is retired at {site_file.site}, as {' and '.join(by)} agreed; {orders}")
    tell("take it out of the site file, then start surplusd")
