"""``surplusd top``: a site in the terminal, drawn anew as it goes."""

from __future__ import annotations

import argparse
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from controller.commands import DONE, Verbs, seconds
from controller.commands.asking import READERS, add_options, client
from controller.terminal.telling import tell_json

if TYPE_CHECKING:
    from controller.commands.daemon_client import DaemonClient
    from controller.commands.site_panel import SiteLook
    from controller.terminal.panel import Panel
    from drivers.errors import ConfigError

    Show: TypeAlias = Callable[[Panel, dict[str, Any]], None]

_ABOUT = """Until Ctrl-C. Where the output is no terminal, the whole is printed at each look, one below the other."""
#: Looks that the course goes back.
_KEPT: Final = 120


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("top", help="watch the site in the terminal", description=_ABOUT)
    verb.add_argument("--every", type=seconds, default=1.0, metavar="TIME", help="between two looks (default: 1 s)")
    verb.add_argument("--looks", type=int, metavar="N", help="end after so many looks")
    add_options(verb, *READERS)
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(arguments: argparse.Namespace) -> int:
    from controller.commands.site_panel import SiteLook

    daemon = client(arguments, *READERS)
    # Where nobody answers at first, the address or the token is wrong.
    SiteLook.of(daemon)
    try:
        with ExitStack() as stack:
            show = _show(stack, as_json=arguments.json)
            _watch(islice(_looks(daemon, arguments.every), arguments.looks), show, daemon.place)
    except KeyboardInterrupt:
        pass  # that is how it ends
    return DONE


def _looks(daemon: DaemonClient, every_s: float) -> Iterator[SiteLook | ConfigError]:
    """Yield what the daemon says of the site, or why it does not answer."""
    from controller.commands.site_panel import SiteLook
    from drivers.errors import ConfigError

    pause = threading.Event()
    while True:
        try:
            yield SiteLook.of(daemon)
        except ConfigError as error:
            yield error
        pause.wait(every_s)


def _watch(looks: Iterator[SiteLook | ConfigError], show: Show, place: str) -> None:
    from controller.commands.site_panel import SiteLook, panel_of

    envelope_w, site_w = deque[float](maxlen=_KEPT), deque[float](maxlen=_KEPT)
    for look in looks:
        if not isinstance(look, SiteLook):
            show(_silent(place, str(look)), {"error": str(look)})
            continue
        node = next(iter(look.status["nodes"].values()), {"envelope_w": None})
        for kept, watts in ((envelope_w, node["envelope_w"]), (site_w, look.status["site_w"])):
            kept.append(watts if isinstance(watts, float | int) else 0.0)
        show(panel_of(look, (("envelope", [*envelope_w]), ("site", [*site_w]))), look.status)


def _show(stack: ExitStack, *, as_json: bool) -> Show:
    """Return what shows a look: as a line of JSON, below the one before, or in its place."""
    from controller.terminal.screen import screen, show

    if as_json:
        return lambda _, status: tell_json(status, on_one_line=True)
    if not sys.stdout.isatty():
        return lambda panel, _: show(panel, below=1)
    terminal = stack.enter_context(screen())
    return lambda panel, _: terminal.show(panel)


def _silent(place: str, why: str) -> Panel:
    from controller.terminal.panel import Fact, Panel, Style

    return Panel(title=f"site at {place}", facts=[Fact(name="state", words=f"NO ANSWER: {why}", look=Style.BAD)])
