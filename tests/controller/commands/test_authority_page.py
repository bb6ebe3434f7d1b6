"""The page `authority.md` is true: every call and every command on it is made, in its sequence, and answered as it shows."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import httpx

from controller.api.errors import _STATUS
from controller.cli import main
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.daemon.orders import history, room
from controller.daemon.orders.request import OrderRequest
from controller.daemon.orders.standing import OrderState
from tests.controller.api.conftest import server_at
from tests.controller.north import make_decision

PAGE = (Path(__file__).parents[3] / "docs/authority.md").read_text()
TIME = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z(?=,)")


def examples() -> list[tuple[str, str]]:
    """Return the blocks of the page: calls of HTTP, their answers, and what a shell shows."""
    return re.findall(r"^```(http|json|console)\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def call(http: httpx.Client, block: str) -> dict:
    first, _, body = block.partition("\n")
    method, path = first.split()
    answer = http.request(method, path, content=body).json()
    if "error" in answer:
        return {"error": answer["error"] | {"order": "ORDER"}}
    return answer | {"head": "HEAD"}


def commands(block: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ surplusd "):
            found.append((line.removeprefix("$ surplusd "), []))
        else:
            found[-1][1].append(line)
    return found


def test_every_example_of_the_page_is_answered_as_it_shows(tmp_path, capsys):
    with server_at(tmp_path / "journal.db") as running, running.client() as http:
        (tmp_path / "token").write_text("authority-secret")
        where, made = ["--url", running.url, "--token-file", str(tmp_path / "token")], 0
        answer: dict = {}
        for kind, block in examples():
            if kind == "http":
                answer = call(http, block)
            elif kind == "json":
                assert json.loads(block) == answer
                made += 1
            for words, shown in commands(block) if kind == "console" else ():
                _stands(running, not_met="show" in words)
                main([*shlex.split(words), *where])
                said = capsys.readouterr()
                assert [TIME.sub("TIME", line) for line in said.out.splitlines()] == [
                    TIME.sub("TIME", line) for line in shown
                ], said
                made += 1
        assert made >= 11


def _stands(running, *, not_met: bool) -> None:
    """Have the newest tick say that the first order is not met, or nothing of how orders are kept."""
    now = OrderNow(
        id="authority/2026-11-21-a", node=0, limit_w=40e3, final_w=40e3, since_s=940.0, power_w=80e3, achievable_w=2100.0,
        compliance=Compliance.NOT_MET, revision=1,
    )  # fmt: skip
    silent = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
    running.world.decision = replace(make_decision(), orders=(now,), warnings=(silent,)) if not_met else make_decision()


def test_the_page_has_every_field_state_and_word_of_a_refusal_and_the_numbers_are_true():
    rows = set(re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE))
    assert set(OrderRequest.model_fields) <= rows
    assert {state.value for state in OrderState} <= rows
    for cause, status in _STATUS.items():
        assert re.search(rf"^\| {status.value} \| `{cause.value}`", PAGE, flags=re.MULTILINE), cause
    assert f"{room.BINDING_EACH} orders that bind and {room.SCHEDULED_EACH} that are scheduled" in PAGE
    assert f"the newest {history.MOST}" in PAGE
    for code in ("order_of_another", "order_conflict", "order_ended", "order_revision", "order_ambiguous", "too_many_orders",
                 "too_many_scheduled", "order_without_power", "order_ramp_too_slow", "order_taken_lower"):  # fmt: skip
        assert f"`{code}`" in PAGE
        assert Code(code)
