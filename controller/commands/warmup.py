"""``surplusd warmup``: the kernels, compiled before a start waits for them."""

from __future__ import annotations

import argparse

from controller.commands import DONE, Verbs
from controller.terminal.telling import tell


def add(verbs: Verbs) -> None:
    """Add the verb."""
    verb = verbs.add_parser("warmup", help="compile the kernels into NUMBA_CACHE_DIR, so that no start waits for it")
    verb.set_defaults(carry_out=_carry_out)


def _carry_out(_: argparse.Namespace) -> int:
    import time

    from controller.terminal.progress import progress

    begun_s = time.perf_counter()
    with progress("compiling the kernels, a minute or more the first time"):
        import controller.core.step  # noqa: F401  every kernel has its signature, so importing compiles or loads it

    tell(f"kernels are ready after {time.perf_counter() - begun_s:.1f} s")
    return DONE
