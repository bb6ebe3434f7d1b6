"""The parser of the command line: of a verb that is not there it says which one may be meant."""

from __future__ import annotations

import argparse
import difflib
from typing import Any, NoReturn


class VerbParser(argparse.ArgumentParser):
    """Parses a command line; the parsers of its verbs are of the same kind."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if not isinstance(action, argparse._SubParsersAction) or value in action.choices:  # noqa: SLF001  it has no public name
            super()._check_value(action, value)
            return
        self.no_verb(str(value), tuple(action.choices))

    def no_verb(self, word: str, verbs: tuple[str, ...]) -> NoReturn:
        """End with the status of a wrong command line, and name the verbs that may be meant, or all where none comes near."""
        near = difflib.get_close_matches(word, verbs, n=3, cutoff=0.6)
        meant = f"did you mean {' or '.join(near)}?" if near else f"the verbs are {', '.join(verbs)}"
        self.error(f"there is no verb {word!r}; {meant}")


def verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the verbs that a parser has, by name; empty where it is that of a verb that has none below it."""
    found = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))  # noqa: SLF001  as above
    return dict(next((action.choices for action in found), {}))


def options_of(parser: argparse.ArgumentParser) -> list[str]:
    """Return the long options of a verb."""
    return [option for action in parser._actions for option in action.option_strings if option.startswith("--")]  # noqa: SLF001  as above
