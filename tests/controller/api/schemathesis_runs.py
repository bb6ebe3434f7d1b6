"""Runs schemathesis, in a process of its own, over the document of the real HTTP interface of a small site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from tests.controller.api.conftest import server_at
from tests.controller.api.schemathesis_values import LOCK

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[2]
#: Seconds that one answer may take; nothing is said of how fast it is.
_ANSWER_S: Final = "60"
PROXIES: Final = frozenset({"127.0.0.1"})


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a run has found.

    `said`: its report in words; `cases`: how many requests it made, of which for each of so many `operations` at least one;
    `left_out`: operations that it did not try, for their answer has no end.
    """

    passed: bool
    said: str
    cases: int
    operations: int
    left_out: tuple[str, ...]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each operation of a document by its name, as in "GET /healthz"."""
    for path, methods in document["paths"].items():
        yield from ((f"{method.upper()} {path}", operation) for method, operation in methods.items())


def streams(document: dict[str, Any]) -> tuple[str, ...]:
    """Return the operations whose answer has no end, so that nobody can wait for it."""
    return tuple(
        name
        for name, operation in operations(document)
        if any("text/event-stream" in answer.get("content", {}) for answer in operation["responses"].values())
    )


def run_over_document(folder: Path, *options: str, role: str = "") -> Seen:
    """Run schemathesis with these options; `role`: that of every token, else each operation gets one that it is for."""
    with server_at(folder / "journal.db", proxies=PROXIES) as running:
        with running.client() as http:
            document = http.get("/api/openapi.json").json()
            for name in ("kept-1", "kept-2"):
                assert http.post("/api/v1/orders", json={"id": name, "limit_w": 40e3}).status_code == httpx.codes.OK
        with running.client("operator") as http:
            assert http.post("/api/v1/locks", json=LOCK | {"reason": "a fan"}).status_code == httpx.codes.OK
        left_out, report = streams(document), folder / "report.json"
        command = [
            sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()",
            "--config-file", str(_HERE / "schemathesis.toml"),
            "run", f"{running.url}/api/openapi.json", "--seed", "1", "--no-color", "--generation-deterministic",
            "--suppress-health-check", "all", "--request-timeout", _ANSWER_S,
            "--report-json-path", str(report), *(f"--exclude-name={name}" for name in left_out), *options,
        ]  # fmt: skip
        environment = os.environ | {
            "PYTHONPATH": str(_ROOT), "SCHEMATHESIS_HOOKS": "tests.controller.api.schemathesis_hooks", "SCHEMA_ROLE": role
        }  # fmt: skip
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert report.exists(), done.stdout
    counted = json.loads(report.read_text())
    # Were a token wrong that should be right, all would be refused, just as the document has it.
    barred = not role and counted["warnings"]["missing_auth"]
    return Seen(
        passed=done.returncode == 0 and counted["complete"] and not barred,
        said=done.stdout,
        cases=counted["test_cases"]["generated"],
        operations=counted["operations"]["tested"],
        left_out=left_out,
    )
