"""Every alert fires once on a real Prometheus, over the daemon's own metrics, and says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from controller.core.reasons import STATES
from tests.deploy.alerting import alerts, at_once, everything_wrong
from tests.deploy.prometheus import Poll, ask, prometheus

ROOT = Path(__file__).resolve().parents[2]
_WRONG = (
    "agent_deaf (hall-a), agent_silent (hall-a), clock_apart (pcc), contactor_defiant (feeder), contactor_lost (feeder), "
    "contactor_open (feeder), device_defiant (hall-a), device_lost (hall-a), devices_differ (hall-a), devices_shared (hall-a), link_lost (pcc), "
    "lock_unproven (feeder), locks_may_be_missing (pcc), meter_frozen (doubted), meter_unconfirmed (main), orders_may_be_missing (pcc), over_envelope (pcc), "
    "pools_changed (hall-a), reset_void (feeder), second_controller (hall-a), set_refused (hall-a), site_file_not_taken (pcc), site_stopped (pcc), "
    "step_defied (pcc)"
)
#: By alert, what it says of whom; what stands in brackets counts on and is not compared.
SAID = {
    "SurplusdAlive": ["alerting works"],
    "SurplusdDown": ["surplusd on down does not answer; the fleet goes to failsafe as its leases end"],
    "SurplusdRestarts": ["surplusd on restarts has started anew <N> times within half an hour"],
    "SurplusdTickStands": ["the newest decision is 8s old; the watchdog should have acted"],
    "SurplusdStepFailed": [
        "the control step failed within the last five minutes; every device goes to failsafe meanwhile"
    ],
    "SurplusdFailsafe": [f"the site is in FAILSAFE: {_WRONG}, docs/operations.md says what to do"],
    "SurplusdNotNormal": [f"the site has not been NORMAL for a minute: {_WRONG}, docs/operations.md says what to do"],
    "SurplusdOrderNotMet": ["the order for pcc has not been met for 1m 30s: 30kW are missing"],
    "SurplusdOrderPartial": ["the order for feeder is below what it draws with everything off, and it is down to that"],
    "SurplusdOrderUnseen": ["nobody can say whether the order for feeder is kept: no usable meter shows what it draws"],
    "SurplusdOrdersMayBeMissing": [
        "orders, or locks of people at work, may be missing: the journal is not what it was"
    ],
    "SurplusdMeterStale": ["main gives no usable value"],
    "SurplusdMeterDoubted": ["doubted is not believed: meter_frozen, docs/operations.md says what to do"],
    "SurplusdMeterUnconfirmed": [
        "a person has to say whether main is right: the meter that it disagreed with is silent"
    ],
    "SurplusdInfeasible": [
        f"{node} cannot be brought down to what it may draw: everything that obeys is off by then; switch off house load, or what does not obey"
        for node in ("feeder", "pcc")
    ],
    "SurplusdOverEnvelope": ["pcc draws 9kW more than it may, for longer than it may"],
    "SurplusdStepDefied": ["the meters of pcc agree that its devices did not do what their agents say"],
    "SurplusdNodeTripped": [
        "feeder is tripped: its contactor was told to open because it drew too much for too long; it stays so until somebody has found out why and resets it"
    ],
    "SurplusdContactorNotOpen": [
        "the contactor of feeder was told to open, and the node still draws power: open it by hand"
    ],
    "SurplusdContactorLost": ["the contactor of feeder cannot be told or read: the node could not be cut off now"],
    "SurplusdContactorOpen": ["the contactor of feeder is open, and no trip of surplusd is why"],
    "SurplusdResetVoid": ["the reset of feeder came to nothing: its contactor is not seen to be closed"],
    "SurplusdLockUnproven": [
        "people have locked something at feeder, and it is not proven to be off: nobody may work there"
    ],
    "SurplusdStopped": ["an operator has stopped the site 5h 33m 20s ago"],
    "SurplusdSecondController": [
        "another controller with the same key leads the agents of hall-a: find it and stop it"
    ],
    "SurplusdLinkDown": ["no link to the broker for longer than a lease: all devices are at failsafe or off by now"],
    "SurplusdAgentSilent": ["agent hall-a is silent: its devices may be drawing 7kW"],
    "SurplusdAgentDeaf": [
        "agent hall-a reports and takes no statement: its devices may be drawing 6kW, and go down as its lease ends, if it keeps the contract"
    ],
    "SurplusdAgentRefuses": ["agent hall-a does not do all that it is told, and says so"],
    "SurplusdDeviceDefiant": ["devices of agent hall-a give no proof that they came down: up to 1.7kW too much"],
    "SurplusdDeviceLost": ["devices of agent hall-a do not answer: they may be drawing 3.5kW"],
    "SurplusdPoolsChanged": [
        "devices of agent hall-a have other pools than before: somebody else may be paid for what they do"
    ],
    "SurplusdDevicesShared": ["something else than agent hall-a leads devices of it"],
    "SurplusdDevicesDiffer": ["what agent hall-a says of its devices is not what the site file says: devices_differ"],
    "SurplusdSiteFileNotTaken": ["the site file is not what runs"],
    "SurplusdJournalUnusable": ["orders are applied but not durable, and none can be released"],
    "SurplusdClockUntrusted": ["no order ends by the clock: clock_apart, docs/time.md says what to do"],
    "SurplusdWrongTokens": ["<N> requests within five minutes had no valid token: who asks?"],
}


def slug(heading):
    """Return the anchor that a heading of Markdown gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def fired(api):
    """Return by alert the annotations of those that fire."""
    found = {}
    for one in ask(f"{api}/api/v1/alerts", "alerts")["alerts"]:
        if one["state"] == "firing":
            found.setdefault(one["labels"]["alertname"], []).append(one["annotations"])
    return found


@pytest.fixture(scope="module")
def said(installed, tmp_path_factory):
    installed("prometheus")
    folder, found, poll = tmp_path_factory.mktemp("alerts"), {}, Poll(60.0)
    with everything_wrong(folder) as targets, prometheus(targets, at_once(folder)) as api:
        while set(found) != set(SAID) and poll.goes_on():
            found = fired(api)
    return found


def test_every_alert_fires_and_says_what_is_so(said):
    assert set(said) == set(SAID)
    for alert, wanted in SAID.items():
        texts = sorted(
            re.sub(r"\b\d+(?=( times| requests) within)|\b[\d.]+k?(?= requests)", "<N>", each["summary"])
            for each in said[alert]
        )
        assert texts == wanted


def test_every_alert_says_what_to_do_and_where_the_manual_has_more(said):
    pages = {path.name: path.read_text() for path in (ROOT / "docs").glob("*.md")}
    assert set(said) == set(alerts())
    for told in (each for all_of in said.values() for each in all_of):
        text = told["description"]
        assert len(text.split()) > 8
        assert not re.search(r"[{}<>]|no value|error", text.replace("failsafe", "")), text
        address, _, anchor = told["runbook_url"].partition("#")
        page = address.removeprefix("file:///opt/surplusd/docs/")
        headings = re.findall(r"^#+ (.+)$", pages[page], flags=re.MULTILINE)
        assert anchor in {slug(heading) for heading in headings}, anchor


def test_every_alert_has_one_of_three_severities_and_only_the_one_that_lives_has_none():
    severities = {name: rule["labels"]["severity"] for name, rule in alerts().items()}
    assert set(severities.values()) == {"critical", "warning", "none"}
    assert [name for name, severity in severities.items() if severity == "none"] == ["SurplusdAlive"]


def test_every_code_that_an_alert_looks_at_is_one():
    named = re.findall(r'code=~?"([\w|]+)"', " ".join(rule["expr"] for rule in alerts().values()))
    codes = {code for each in named for code in each.split("|")} - {"unauthorized", "too_many_tries"}
    assert len(codes) > 15
    assert codes <= {code.value for code in STATES}
