"""The whole demo: what a real Prometheus gets from it while it runs, and what the world says of it in the end."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.prometheus import assert_every_panel_returns_series
from tests.e2e.demos import WHOLE, Demo, running
from tests.ports import free_port

pytestmark = pytest.mark.timeout(400)

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards").iterdir())


@dataclass(frozen=True, kw_only=True)
class Served:
    demo: Demo
    port: int


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A demo that has all of which a panel tells: a contactor, too, which nothing opens."""
    port = free_port()
    with running(tmp_path_factory.mktemp("whole"), *WHOLE, "--contactor=feeder-b", f"--port={port}") as demo:
        yield Served(demo=demo, port=port)


def test_every_panel_of_the_dashboards_gets_series_from_the_running_demo(whole: Served) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed")
    # What is not known is absent: how far the wall clock is off, where nobody has vouched for it, as on a machine without NTP.
    # Orders are shown from the one of the demo on. And so is absent what does not happen here: nothing is refused, and nothing is to be said of the agent.
    # Nothing of the demo is rated in A or kVA, and its tariff bills no demand.
    absent = frozenset({"Wall clock", "Refused a second", "What is to be said of $agent"} | {"What $node carries"})
    absent |= {"What $node may draw for what it carries", "Demand that is billed", "What the demand costs"}
    assert_every_panel_returns_series(f"127.0.0.1:{whole.port}", DASHBOARDS, seconds=300.0, absent=absent)


def test_the_site_follows_surplus_and_order_without_a_second_of_violation(whole: Served) -> None:
    status, outcome = whole.demo.ended(), whole.demo.outcome()
    referee = outcome.referee
    assert (status, outcome.passed, referee.reasons) == (0, True, ()), whole.demo.text()
    assert referee.seconds >= 75.0
    assert referee.violation_s == 0.0
    assert set(referee.node_violation_s.values()) == {0.0}
    assert referee.utilisation is not None
    assert referee.utilisation >= 0.9
    (order,) = referee.orders
    assert order.limit_w == pytest.approx(order.before_w / 2, rel=0.05)
    assert order.binding_s >= 30.0
    assert order.response_s is not None
    assert order.response_s <= 12.0
    assert outcome.daemon.mode == "normal"
    assert outcome.daemon.site_w == pytest.approx(outcome.site_w, rel=0.2)
    assert outcome.events == ()
    assert len(re.findall(r"^open http://127\.0\.0\.1:\d+/metrics", whole.demo.text(), re.MULTILINE)) == 1
