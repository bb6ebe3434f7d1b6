"""A flood of orders by one issuer, while another sends limit 0: that is in force within a tick of being sent, each time."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from controller.daemon.journal.beginning import JOURNAL
from controller.daemon.journal.chain import read
from controller.daemon.journal.journal import RecordKind
from controller.site.load import load
from tests.brokers import mosquitto_broker
from tests.e2e.yard import PLENTY, Yard, options

LASTS_S: Final = 30.0
#: The other issuer's orders begin so long after the flood, and follow one another by so much, with a while in force each.
BEGINS_S: Final = 1.0
EACH_S: Final = 1.0
HOLDS_S: Final = 0.5
ANSWER_S: Final = 1.0


def withstood(out: Path, lasts_s: float = LASTS_S) -> dict[str, str]:
    """Flood a site of processes, with what was seen in ``OUT/orders.json``."""
    with tempfile.TemporaryDirectory() as name, mosquitto_broker(Path(name)) as broker:
        yard = Yard(Path(name), broker, options(PLENTY))
        try:
            yard.processes.open()
            yard.full_power()
            seen = _flooded(yard, lasts_s)
        finally:
            yard.close()
    (out / "orders.json").write_text(json.dumps(seen, indent=2) + "\n")
    print(json.dumps(seen))  # noqa: T201
    return {"orders": "failed" if seen["wrong"] else "passed"}


def _flooded(yard: Yard, lasts_s: float) -> dict[str, Any]:
    port, token = yard.setup.url.rpartition(":")[2], yard.setup.token_file("operator")
    log = yard.folder / "surplusd.log"
    logged = log.stat().st_size
    command = [sys.executable, "-m", "tests.verify.order_flood", port, str(token), str(lasts_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
        time.sleep(BEGINS_S)
        sent_utc_s, answers_s = _stops(yard, time.monotonic() + lasts_s - 2 * BEGINS_S)
        said = flood.communicate()[0]
    accepted, in_force = _times(yard, RecordKind.ORDER), _times(yard, RecordKind.COMPLIANCE)
    late_s = {each: in_force[each] - sent_s for each, sent_s in sent_utc_s.items() if each in in_force}
    tick_s = load(yard.setup.daemon_file).tick_s
    wrong = [f"{order_id} was in force after {late:.2f} s" for order_id, late in late_s.items() if late > tick_s]
    wrong += [f"{order_id} was never in force" for order_id in sent_utc_s.keys() - late_s.keys()]
    wrong += [f"an answer took {max(answers_s):.2f} s"] if max(answers_s) > ANSWER_S else []
    return {
        "flood": json.loads(said),
        "tick_s": tick_s,
        "stops": len(sent_utc_s),
        "sent_to_accepted_s": _spread([accepted[each] - sent_s for each, sent_s in sent_utc_s.items()]),
        "sent_to_in_force_s": _spread(list(late_s.values())),
        "answer_s": _spread(answers_s),
        "log_bytes": log.stat().st_size - logged,
        "wrong": wrong,
    }


def _stops(yard: Yard, until_s: float) -> tuple[dict[str, float], list[float]]:
    """Send limit 0 again and again; return when each was sent, and how long its answer took."""
    sent_utc_s, answers_s = dict[str, float](), list[float]()
    while time.monotonic() < until_s:
        order_id = f"stop-{len(sent_utc_s)}"
        sent_utc_s[order_id] = time.time()
        assert yard.order(order_id, 0.0).body["durable"]
        answers_s.append(time.time() - sent_utc_s[order_id])
        time.sleep(HOLDS_S)
        yard.release(order_id)
        time.sleep(EACH_S - HOLDS_S)
    return sent_utc_s, answers_s


def _spread(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 3), "most": round(max(seconds), 3)} if seconds else {}


def _times(yard: Yard, kind: RecordKind) -> dict[str, float]:
    """Return when the first record of a kind was made of each order of the authority.

    The first tick that sees it in force says how it is kept.
    """
    found: dict[str, float] = {}
    for record in read(yard.folder / "state" / JOURNAL, [kind]):
        if record.body["issuer"] == "grid-authority":
            found.setdefault(record.body["id"], record.utc_s)
    return found
