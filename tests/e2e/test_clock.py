"""A whole daemon on a machine whose kernel calls its clock synchronised: there an order ends by its time, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.synchronised import SYNCHRONISED
from tests.e2e.yard import Yard, until

#: From its end on, an order may bind for so long; it never ends before it.
LATE_S = 2.0


@pytest.fixture
def kernel(yard: Yard) -> Iterator[Path]:
    """The file by which the daemon's machine is synchronised; afterwards the daemon runs as it did."""
    yard.calm()
    argv = yard._argv["surplusd"]
    yard.kill("surplusd")
    said = yard.synchronise()
    yard.start("surplusd")
    yield said
    yard._argv["surplusd"] = argv
    yard.processes.children["surplusd"].stop()
    yard.start("surplusd")


def send(yard: Yard, order_id: str, in_s: float) -> Any:
    """Send an order that ends so soon, with the time of its sending; return the answer."""
    now = datetime.now(UTC)
    times = {"sent_at": now.isoformat(), "ends_at": (now + timedelta(seconds=in_s)).isoformat()}
    return yard.ask("/api/v1/orders", {"id": order_id, "limit_w": 30e3} | times).body


def shown(yard: Yard, order_id: str) -> Any:
    return yard.ask(f"/api/v1/orders/{order_id}").body


def codes(answer: dict[str, Any]) -> list[str]:
    return [reason["code"] for reason in answer["reasons"]]


@pytest.mark.slow  # a clock has to be steady for a minute before it is trusted
def test_by_a_clock_that_is_synchronised_and_vouched_for_an_order_ends_in_time_and_by_no_other(
    yard: Yard, kernel: Path
) -> None:
    send(yard, "vouches", 0.5)
    until(lambda: yard.ask("/api/v1/clock").body["trusted"], "the clock is trusted")
    assert codes(send(yard, "ends", 4.0)) == []
    until(lambda: shown(yard, "ends")["state"] == "ended", "it ends by the clock")
    order = shown(yard, "ends")
    late = datetime.fromisoformat(order["ended_at"]) - datetime.fromisoformat(order["ends_at"])
    assert (order["ending"], order["ended_by"]) == ("expired", "schedule")
    assert 0.0 <= late.total_seconds() <= LATE_S

    kernel.write_text("not any more")
    until(lambda: not yard.ask("/api/v1/clock").body["trusted"], "it is not trusted any more")
    assert codes(send(yard, "stays", 1.0)) == ["order_end_waits"]
    until(lambda: "order_end_past" in codes(shown(yard, "stays")), "its end has passed by the clock")
    assert shown(yard, "stays")["state"] != "ended"
    assert "order:grid-authority/stays" in yard.binding()
    kernel.write_text(SYNCHRONISED)
    until(lambda: shown(yard, "stays")["state"] == "ended", "it ends once the clock is trusted again")
