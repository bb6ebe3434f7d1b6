"""``surplusd run`` and what prepares its start."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from controller.commands import Verbs

# ruff: noqa: PLC0415, T201

if TYPE_CHECKING:
    from controller.daemon.service import Serve


def add(verbs: Verbs) -> None:
    """Add the verbs."""
    verb = verbs.add_parser("run", help="run a site until SIGTERM")
    verb.add_argument("file", type=Path, help="the site file")
    verb.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    verb.add_argument("--log-json", action="store_true", help="one JSON object a line")
    verb.set_defaults(carry_out=_run)
    verb = verbs.add_parser("warmup", help="compile the kernels into NUMBA_CACHE_DIR, so that no start waits for it")
    verb.set_defaults(carry_out=_warmup)


def _run(arguments: argparse.Namespace) -> int:
    from controller.daemon.start import run

    return run(arguments.file, import_serve=_import_serve, level=arguments.log_level, json_logs=arguments.log_json)


def _import_serve() -> Serve:
    from controller.api.app import create_app
    from controller.api.serve import serve

    return lambda service, host, port, listening: serve(create_app(service), host, port, listening)


def _warmup(_: argparse.Namespace) -> int:
    import time

    begun_s = time.perf_counter()
    import controller.core.step  # noqa: F401  every kernel has its signature, so importing compiles or loads it

    print(f"kernels are ready after {time.perf_counter() - begun_s:.1f} s")
    return 0
