"""In every panel good is not red and bad not green, as Grafana's own library colours them."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest

from controller.core.reasons import STATES as HELD
from controller.core.reasons import Code
from controller.texts.catalogue import remedy
from controller.texts.phrases import Language
from tests.deploy.grafana_data import draw

DASHBOARDS = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
GOOD, DOUBT, BAD, NEUTRAL = "green", "orange", "red", "blue"
DIM = "#8e8e8e"
CONTACT = {1: GOOD, 0: BAD}
NONE_IS_WELL = {0: GOOD, 0.4: GOOD, 1: BAD, 3500: BAD}
OLD = {0.5: GOOD, 2.9: GOOD, 3: DOUBT, 5: BAD, 1e4: BAD}
LEASE = {0: BAD, 4: BAD, 6: DOUBT, 29: GOOD}
MODE = {1: GOOD, 2: NEUTRAL, 3: DOUBT, 4: BAD}
STATES = {0: DIM, 1: NEUTRAL, 2: GOOD, 3: "yellow", 4: BAD, 5: DOUBT, 6: DOUBT}

#: By dashboard and panel what each value means; of a table by column.
VALUES = {
    "surplusd": {
        "Mode": MODE,
        "Mode over time": MODE,
        "Over the limit by": NONE_IS_WELL,
        "Orders": {0: NEUTRAL, 1: GOOD, 2: DOUBT, 3: DOUBT, 4: BAD},
        "Missing to the order": NONE_IS_WELL,
        "Agents silent": {0: GOOD, 1: BAD, 100: BAD},
        "Oldest reports of agents": OLD,
        "May draw unled": NONE_IS_WELL,
        "Orders on the disk": {0: BAD, 1: GOOD},
        "What binds $node": {1: NEUTRAL},
        "Quality of the readings": {0: GOOD, 1: DOUBT, 2: BAD},
        "Orders end by the clock": {0: BAD, 1: GOOD},
        "Nodes": {
            "over by": NONE_IS_WELL,
            "can be kept": {0: GOOD, 1: BAD},
            "tripped": {0: GOOD, 1: BAD},
            "contactor": {0: NEUTRAL, 1: NEUTRAL},
        },
    },
    "surplusd-fleet": {
        "Contact": CONTACT,
        "Age of its report": OLD,
        "Lease left": LEASE,
        "Silent: may draw": NONE_IS_WELL,
        "Deaf: may draw": NONE_IS_WELL,
        "Lost: may draw": NONE_IS_WELL,
        "Above what was told": NONE_IS_WELL,
        "State": STATES,
        "Agents": {"contact": CONTACT, "report": OLD, "lease left": LEASE, "lost": {0: GOOD, 1: BAD}},
        "Devices of $agent": {"state": STATES},
    },
}
#: By dashboard and panel what each line means.
LINES = {
    "surplusd": {
        "Orders in force": {"met": GOOD, "partial": DOUBT, "unseen": DOUBT, "not met": BAD},
        "Where each watt of the envelope of $node goes": {"used": NEUTRAL, "above": BAD, "unheard": DOUBT},
        "Devices by state": {"running": GOOD, "starting": NEUTRAL, "off": DIM, "unknown": DOUBT, "lost": BAD},
    },
    "surplusd-fleet": {"Its devices by state": {"running": GOOD, "off": DIM, "unknown": DOUBT, "lost": BAD}},
}


def panels(uid):
    content = json.loads((DASHBOARDS / f"{uid}.json").read_text())
    return {panel["title"]: panel for panel in content["panels"] if panel["type"] != "row"}


def coloured(panel):
    """Whether a value has a colour there that a person sees."""
    if panel["type"] == "table":
        properties = [each["id"] for one in panel["fieldConfig"]["overrides"] for each in one["properties"]]
        return "custom.cellOptions" in properties
    if panel["type"] == "stat":
        return panel["options"]["colorMode"] != "none"
    return panel["type"] in {"bargauge", "state-timeline", "gauge"}


def column_letters(panel):
    """Return by column of a table the letter of its query."""
    (organize,) = (each for each in panel["transformations"] if each["id"] == "organize")
    renamed = organize["options"]["renameByName"]
    return {name: value.removeprefix("Value #") for value, name in renamed.items()}


def answers_of(panel, wanted):
    """Return answers in which all of the values stand beside each other: what is coloured by its neighbours comes to light."""
    if panel["type"] != "table":
        return {"A": [({"agent": f"a{k}", "limit": f"l{k}"}, [(1.0, value)]) for k, value in enumerate(wanted)]}
    letters = column_letters(panel)
    return {
        letters[name]: [({"node": f"n{k}"}, [(1.0, value)]) for k, value in enumerate(values)]
        for name, values in wanted.items()
    }


@pytest.mark.parametrize("uid", VALUES)
def test_what_each_coloured_value_means_is_written_down(uid):
    assert {title for title, panel in panels(uid).items() if coloured(panel)} == set(VALUES[uid])
    for title, wanted in VALUES[uid].items():
        panel = panels(uid)[title]
        if panel["type"] == "table":
            painted = {
                one["matcher"]["options"]
                for one in panel["fieldConfig"]["overrides"]
                if any(each["id"] == "custom.cellOptions" for each in one["properties"])
            }
            assert painted == set(wanted), title


@pytest.mark.parametrize("uid", VALUES)
def test_every_value_has_the_colour_of_what_it_means(uid):
    known = panels(uid)
    drawn = draw([(known[title], answers_of(known[title], wanted)) for title, wanted in VALUES[uid].items()])
    for (title, wanted), columns in zip(VALUES[uid].items(), drawn, strict=True):
        by_column = wanted if known[title]["type"] == "table" else {None: wanted}
        for name, meanings in by_column.items():
            looks = [look for column in columns if name in {None, column.name} for look in column.looks]
            got = {look.value: look.colour for look in looks if look.value is not None}
            assert got == meanings, f"{title} {name or ''}"


def lines_of(target, wanted):
    """Return a line of a target; where a label is its name, one for each of the names."""
    label = re.fullmatch(r"{{(\w+)}}", target["legendFormat"])
    return [({label[1]: name} if label else {}, [(1.0, 1.0)]) for name in (wanted if label else [""])]


@pytest.mark.parametrize("uid", LINES)
def test_every_line_has_the_colour_of_what_it_means(uid):
    known = panels(uid)
    asked = [
        (known[title], {target["refId"]: lines_of(target, wanted) for target in known[title]["targets"]})
        for title, wanted in LINES[uid].items()
    ]
    for (title, wanted), columns in zip(LINES[uid].items(), draw(asked), strict=True):
        got = {column.name: column.colour for column in columns}
        assert {name: got[name] for name in wanted} == wanted, title


def test_every_mode_and_every_state_is_told_in_words():
    known = panels("surplusd")
    (columns,) = draw([(known["Mode"], answers_of(known["Mode"], MODE))])
    assert [look.text for column in columns for look in column.looks] == ["NORMAL", "INIT", "HOLD", "FAILSAFE"]
    known = panels("surplusd-fleet")
    (columns,) = draw([(known["State"], answers_of(known["State"], STATES))])
    texts = [look.text for column in columns for look in column.looks]
    assert texts == ["off", "starting", "running", "stopping", "LOST", "not known", "resting"]


def test_a_panel_that_says_nothing_of_colours_paints_the_healthy_red_and_failsafe_green():
    """The library shows what these tests are for: a panel that is left to Grafana's own habits."""
    bare = copy.deepcopy(panels("surplusd")["Quality of the readings"])
    bare["fieldConfig"] = {"defaults": {}, "overrides": []}
    mode = copy.deepcopy(panels("surplusd")["Mode"])
    mode["fieldConfig"] = {"defaults": {}, "overrides": []}
    (contact, shown) = draw([(bare, answers_of(bare, [1, 0])), (mode, answers_of(mode, [4]))])
    assert [column.looks[0].colour for column in contact] == ["red", "green"], "1: in contact, 0: silent"
    assert shown[0].looks[0].colour == "green"


@pytest.mark.parametrize(
    ("uid", "title"), [("surplusd", "Reasons that hold now"), ("surplusd-fleet", "What is to be said of $agent")]
)
def test_every_reason_that_holds_stands_there_with_what_to_do(uid, title):
    reasons = [({"code": code, "do": code, "subject": "pcc"}, [(1.0, 75.0)]) for code in sorted(HELD)]
    (columns,) = draw([(panels(uid)[title], {"A": reasons})])
    names = [column.name for column in columns]
    assert names == ["code", *(["subject"] if uid == "surplusd" else []), "for", "what to do"]
    does = [look.text for look in columns[-1].looks]
    assert does == [remedy(Code(code), Language.ENGLISH).replace("`", "") for code in sorted(HELD)]
    assert all(does)
