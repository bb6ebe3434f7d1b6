"""``surplusd completion``: what a shell completes the verbs and their options by."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from controller.commands import DONE, Verbs
from controller.commands.verb_parser import options_of, verbs_of
from controller.terminal.telling import tell

_ABOUT = """For bash, in ~/.bashrc: source <(surplusd completion bash). For zsh, in ~/.zshrc, behind compinit: source <(surplusd completion zsh).
For all users: surplusd completion bash > /etc/bash_completion.d/surplusd."""
_ZSH = "autoload -U +X bashcompinit && bashcompinit\n"
#: What was typed before the word under the cursor, without options, chooses the words; where there are none, files are completed.
_SCRIPT = """_surplusd() {{
  local word path="" words
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in
{paths}
    esac
  done
  case "$path" in
{words}
  esac
  if [[ "${{COMP_WORDS[COMP_CWORD]}}" == -* || "$words" != -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
  fi
}}
complete -o default -F _surplusd surplusd
"""


def add(verbs: Verbs, parser: argparse.ArgumentParser) -> None:
    """Add the verb; `parser`: the one whose verbs are completed."""
    verb = verbs.add_parser("completion", help="print what a shell completes verbs and options by", description=_ABOUT)
    verb.add_argument("shell", choices=("bash", "zsh"))
    verb.set_defaults(carry_out=lambda arguments: _carry_out(arguments, parser))


def _carry_out(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    known = list(_paths("", parser))
    paths = "\n".join(f'      "{path}") path="{path}" ;;' for path, _ in known if path)
    words = "\n".join(f'    "{path}") words="{" ".join(words)}" ;;' for path, words in known)
    script = (_ZSH if arguments.shell == "zsh" else "") + _SCRIPT.format(paths=paths, words=words)
    tell(*script.splitlines())
    return DONE


def _paths(path: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """Yield every sequence of verbs, each with a space before it, with what may follow it."""
    below = verbs_of(parser)
    yield path, [*below, *options_of(parser)]
    for name, verb in below.items():
        yield from _paths(f"{path} {name}", verb)
