"""What `authority.md` says of the stream of events is so: its example happens, and its tables have every event and every field."""

import json
import re
from pathlib import Path

import numpy as np

from controller.api import door, followers, visitor
from controller.core.reasons import Code, Reason
from controller.daemon.events.event import EventName
from controller.daemon.events.feed import KEPT, MOST_RECORDS
from controller.daemon.events.recorded import _NAMES, _TOLD
from controller.daemon.journal.journal import RecordKind
from tests.controller.api.stream import Stream

PAGE = (Path(__file__).parents[3] / "docs/authority.md").read_text()
SECTION = PAGE.partition("## What happens, as it happens")[2].partition("\n## ")[0]
TIME = re.compile(r"20\d\d-\d\d-\d\dT[\d:.]+Z")
SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})


def test_the_example_of_the_page_happens_as_it_shows(running):
    running.journal.append(RecordKind.START, {"epoch": 1})
    running.tick()
    shown = re.search(r"^```events\n(.*?)^```$", SECTION, flags=re.DOTALL | re.MULTILINE)[1]
    with Stream(running.url) as stream, running.client() as http:
        assert stream.answer()[0] == 200
        lines = stream.lines()
        told = [next(lines) for _ in range(5)]
        http.post("/api/v1/orders", json={"id": "2026-11-22-a", "limit_w": 40000})
        running.tick(binding=("order:authority/2026-11-22-a", "rating:feeder"), envelope_w=np.array([40e3, np.inf]))
        running.tick(warnings=(SILENT,))
        http.post("/api/v1/orders/2026-11-22-a/release")
        told += [next(lines) for _ in range(4 * 4)]
    assert [same(line) for line in told] == [same(line) for line in shown.splitlines()]


def same(line):
    """Return a line without what is another one each time."""
    name, _, value = line.partition(": ")
    if name == "id":
        return "id"
    if name != "data":
        return line
    data = json.loads(TIME.sub("TIME", value))
    return data | ({"status": "", "head": ""} if "status" in data else {})


def test_the_tables_have_every_event_every_word_and_every_field():
    rows = [row for row in SECTION.splitlines() if row.startswith("| `")]
    words = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    for name in EventName:
        assert any(row.startswith(f"| `{name.value}`") for row in rows), name
    for told in _TOLD.values():
        mine = " ".join(row for row in rows if row.startswith(f"| `{told.name.value}`"))
        for word in (*((told.what,) if told.what else ()), *(_NAMES.get(field, field) for field in told.fields)):
            assert f"`{word}`" in mine, (told, word)
    assert {*followers.StateBody.model_fields, *followers.Missed, *followers.Why} <= words
    assert {
        "node",
        "binding",
        "before",
        "envelope_w",
        "position",
        "proven_open",
        "unproven",
        "usable",
        "failure",
    } <= words


def test_its_numbers_are_true():
    for words in (
        f"{door.FOLLOWERS_EACH} streams of one token at most, and {door.FOLLOWERS} in all",
        f"the newest {KEPT} events",
        f"more than {KEPT} events, or {MOST_RECORDS} records",
        f"After {followers.HEARTBEAT_S:g} s of silence",
        f"nothing for {visitor.STALLED_S:g} s is cut off",
        f"retry: {followers.RETRY_MS}",
    ):
        assert words in SECTION.replace("\n", " "), words
