"""``python -m tests.verify.fuzz KIND --seed N`` replays one batch; without a kind, the whole campaign runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.verify.fuzz.campaign import KINDS, campaign


def main() -> int:
    """Replay the batch that is named, or run all; return 1 where one failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.fuzz", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=KINDS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--inputs", type=int)
    parser.add_argument("--out", type=Path, default=Path("build/verify"))
    arguments = parser.parse_args()
    if arguments.kind is None:
        arguments.out.mkdir(parents=True, exist_ok=True)
        return int("failed" in campaign(arguments.out, seed=arguments.seed).values())
    kind = KINDS[arguments.kind]
    print(kind.run(arguments.seed, arguments.inputs or kind.batch), "accepted")  # noqa: T201
    return 0


sys.exit(main())
