"""A site file that somebody edits: a crash does not pick it up, a reload takes it over, and no watt dips that need not."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.yard import MET_S, Yard, until

#: Less than the hall draws.
LOWER = "20 kW"


@pytest.fixture(scope="module")
def edited(yard: Yard) -> Iterator[Yard]:
    """The yard; afterwards its files are as they were, and it runs by them."""
    viewer = yard.setup.token_file("viewer")
    site, token = yard.setup.daemon_file.read_text(), viewer.read_text()
    yard.calm(drawing=True)
    yield yard
    yard.setup.daemon_file.write_text(site)
    viewer.write_text(token)
    yard.renew()


def limit_hall(raw: Any) -> None:
    next(node for node in raw["nodes"] if node["id"] == "hall")["limit"] = LOWER


def test_a_half_edited_file_is_not_picked_up_by_a_crash_and_waits_for_a_reload_that_finds_it_whole(
    edited: Yard,
) -> None:
    undo = edited.reconfigure(lambda raw: raw["grid"].update(contract="8"))
    edited.restart("surplusd")
    status = edited.wait_mode("normal")
    assert "grid.contract" in status["site_file_doubt"]
    refused = edited.ask("/api/v1/reload", {}, role="operator")
    assert (refused.code, refused.body["error"]["reason"]) == (422, "site_file_wrong")
    undo()
    assert edited.ask("/api/v1/reload", {}, role="operator").body == {"taken": [], "waiting": []}
    assert edited.status()["site_file_doubt"] == ""


def test_a_limit_and_a_token_count_from_the_reload_on_and_a_raised_one_is_no_dip(edited: Yard) -> None:
    undo, old = edited.reconfigure(limit_hall), edited.setup.token_file("viewer").read_text()
    edited.setup.token_file("viewer").write_text(secrets.token_hex(32))
    answer = edited.ask("/api/v1/reload", {}, role="operator")
    assert answer.body == {"taken": ["nodes.hall.limit", "orders.tokens.viewer"], "waiting": []}
    assert edited.status()["mode"] == "normal", "asked with the new token"
    new = edited.setup.token_file("viewer").read_text()
    edited.setup.token_file("viewer").write_text(old)
    assert edited.ask("/api/v1/status", role="viewer").code == 401
    edited.setup.token_file("viewer").write_text(new)
    edited.watch(lambda _: edited.world.truth().node_w["hall"] <= 20.5e3, "the hall is limited", MET_S)
    before = edited.look()
    undo()
    pid = edited.processes.children["surplusd"].pid
    edited.processes.children["surplusd"].signal(signal.SIGHUP)
    samples = edited.watch(lambda sample: sample.site_w > 1.3 * before.site_w, "the site rises again")
    assert edited.processes.children["surplusd"].pid == pid
    assert min(sum(sample.applied_w.values()) for sample in samples) >= sum(before.applied_w.values())
    until(lambda: edited.status()["mode"] == "normal", "normal mode", tell=edited.tell)


def test_an_order_waits_for_no_tick_of_the_period(edited: Yard) -> None:
    """The last test of the yard as it is edited, which then runs by its own file again."""
    edited.reconfigure(lambda raw: (raw.update(tick="10 s"), raw["fleet"].update(lease="60 s")))
    edited.renew()
    until(lambda: (edited.status()["tick_age_s"] or 10.0) < 2.0, "a tick, and none for a long while", 30.0)
    edited.order("at-once", 0.0)
    until(lambda: edited.ask("/api/v1/orders/at-once").body["compliance"], "it is in force", 5.0)
    edited.release("at-once")
