"""What watching the values of an OPC UA server costs, beside asyncua's own subscription and beside plain reading."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from drivers.meters.opcua.certificates import CertificatePair, make
from tests.bench.report import Row, Scale, show
from tests.drivers.meters.opcua.serving import make as make_server

#: What the issue asks: a thousand values at 1 Hz within this share of a core.
BUDGET_PERCENT = 15.0

_PUBLISH_S = 0.5
_COLUMNS = {
    "nodes": ",", "security": "", "moving": "", "core_percent": ",.1f", "values_s": ",.0f", "worst_age_s": ",.2f", "asyncua_percent": ",.1f",
    "reads_percent": ",.1f", "ratio": ",.1f", "memory_mb": ",.0f",
}  # fmt: skip


def run(scale: Scale) -> list[Row]:
    """Measure values that move every second, and values that stand still and are therefore read."""
    seconds = scale.pick(5, 15, 60)
    rows = []
    with TemporaryDirectory() as folder:
        make(CertificatePair(Path(folder) / "site.pem", Path(folder) / "site-key.pem"), "urn:bench:site")
        make_server(Path(folder), "server", days=(-1, 365))
        for nodes in (1_000,) if scale.quick else (100, 1_000):
            for keys in ("-", folder):
                for moving, period_s in (("every second", 1.0), ("never", 1e6)):
                    rows.append(_row(nodes, keys, moving, period_s, seconds))
    show("OPC UA: CPU of the client process, in percent of a core", _COLUMNS, rows)
    return rows


def _row(nodes: int, keys: str, moving: str, period_s: float, seconds: int) -> Row:
    with _serving(nodes, period_s, keys) as endpoint:
        figures = {kind: _client(kind, endpoint, keys, nodes, seconds) for kind in ("ours", "asyncua", "reads")}
    ours, bare, reads = figures["ours"], figures["asyncua"], figures["reads"]
    row: Row = {
        "nodes": nodes,
        "security": "none" if keys == "-" else "Basic256Sha256",
        "moving": moving,
        **ours,
        "asyncua_percent": bare["core_percent"],
    }
    row |= {"reads_percent": reads["core_percent"], "ratio": bare["core_percent"] / ours["core_percent"]}
    return row | {"within_budget": ours["core_percent"] <= BUDGET_PERCENT, "figures": figures}


@contextmanager
def _serving(nodes: int, period_s: float, keys: str) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.bench.opcua_server", str(nodes), str(period_s), keys]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.stdout.readline().strip()
        finally:
            server.kill()


def _client(kind: str, endpoint: str, keys: str, nodes: int, seconds: int) -> Row:
    command = [
        sys.executable,
        "-m",
        "tests.bench.opcua_client",
        kind,
        endpoint,
        keys,
        str(nodes),
        str(_PUBLISH_S),
        str(seconds),
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60 + 3 * seconds)
    figures: Row = json.loads(done.stdout)
    return figures
