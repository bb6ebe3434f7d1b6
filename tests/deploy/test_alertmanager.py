"""The shipped file of Alertmanager: what its own tool says of it, and who is told what by a real one."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from datetime import UTC, datetime

import pytest
import yaml

from tests.deploy.alerting import alerts
from tests.deploy.alertmanager import FILE, alertmanager
from tests.deploy.prometheus import Poll
from tests.waiting import DEADLINE_S

PAGER, DEAD_MAN = "/pager/surplusd", "/dead-man/surplusd"
#: What fires: alert and site.
FIRING = (
    ("SurplusdAlive", "north"),
    ("SurplusdOrderNotMet", "north"),
    ("SurplusdFailsafe", "north"),
    ("SurplusdNotNormal", "north"),
    ("SurplusdNotNormal", "east"),
    ("SurplusdDown", "south"),
    ("SurplusdAgentSilent", "south"),
)


def fire(address):
    """Tell the Alertmanager what fires, as Prometheus does, with the texts of the rules as they are."""
    known, now = alerts(), datetime.now(UTC).isoformat()
    body = [
        {
            "labels": {"alertname": name, "instance": site, **known[name]["labels"]},
            "annotations": known[name]["annotations"],
            "startsAt": now,
        }
        for name, site in FIRING
    ]
    request = urllib.request.Request(
        f"http://{address}/api/v2/alerts", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    urllib.request.urlopen(request, timeout=DEADLINE_S).close()


@pytest.fixture(scope="module")
def inbox(installed, tmp_path_factory):
    program, poll = installed("prometheus-alertmanager"), Poll(DEADLINE_S)
    with alertmanager(program, tmp_path_factory.mktemp("alertmanager")) as box:
        fire(box.address)
        while poll.goes_on() and not (len(box.mails) >= 3 and len(box.calls) == 2 and len(box.called(PAGER)) >= 3):
            pass
    return box


def test_its_own_tool_takes_the_file(installed):
    installed("prometheus-alertmanager")
    subprocess.run([installed("amtool"), "check-config", FILE], check=True, capture_output=True)


def test_what_cannot_wait_is_called_and_nothing_else(inbox):
    assert inbox.called(PAGER) == {"SurplusdOrderNotMet", "SurplusdFailsafe", "SurplusdDown"}


def test_mail_has_everything_but_what_follows_from_something_worse(inbox):
    text = "\n".join(inbox.mails)
    for name in ("SurplusdOrderNotMet", "SurplusdFailsafe", "SurplusdDown"):
        told = alerts()[name]["annotations"]
        assert told["description"] in text
        assert told["runbook_url"] in text
    assert text.count(alerts()["SurplusdNotNormal"]["annotations"]["description"]) == 1, (
        "of the site that is not in FAILSAFE"
    )
    assert alerts()["SurplusdAgentSilent"]["annotations"]["description"] not in text, (
        "where nothing answers, nothing is known"
    )
    assert alerts()["SurplusdAlive"]["annotations"]["description"] not in text
    assert "surplusd: firing, 2 of critical, north" in inbox.subjects


def test_the_dead_man_hears_of_nothing_but_that_we_live(inbox):
    assert inbox.called(DEAD_MAN) == {"SurplusdAlive"}


def test_the_dead_man_is_called_again_and_again_and_sooner_than_he_raises_the_alarm():
    (route,) = (each for each in yaml.safe_load(FILE.read_text())["route"]["routes"] if each["receiver"] == "dead-man")
    assert route["matchers"] == ["alertname = SurplusdAlive"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("0s", "30s", "1m")
    assert alerts()["SurplusdAlive"]["expr"] == "vector(1)"
