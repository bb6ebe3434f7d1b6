"""A flood of orders by one issuer, while another sends limit 0: that is in force within a tick of its arrival, each time."""

from __future__ import annotations

import json
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
#: The other issuer's orders, evenly over the flood.
STOPS: Final = 8
#: Beyond one tick, what the tick itself may take on a busy machine.
TICK_TAKES_S: Final = 0.2
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
    logged, answers_s, sent_utc_s = log.stat().st_size, [], {}
    command = [sys.executable, "-m", "tests.verify.order_flood", port, str(token), str(lasts_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as flood:
        for k in range(STOPS):
            time.sleep(lasts_s / (STOPS + 2))
            sent_utc_s[f"stop-{k}"] = time.time()
            assert yard.order(f"stop-{k}", 0.0).body["durable"]
            answers_s.append(time.time() - sent_utc_s[f"stop-{k}"])
            time.sleep(2.5)
            yard.release(f"stop-{k}")
        said = flood.communicate()[0]
    arrived, in_force = _times(yard, RecordKind.ORDER), _times(yard, RecordKind.COMPLIANCE)
    late_s = {each: in_force[each] - arrived[each] for each in sent_utc_s if each in in_force}
    most_s = load(yard.setup.daemon_file).tick_s + TICK_TAKES_S
    wrong = [f"{order_id} was in force after {late:.2f} s" for order_id, late in late_s.items() if late > most_s]
    wrong += [f"{order_id} was never in force" for order_id in sent_utc_s.keys() - late_s.keys()]
    wrong += [f"an answer took {max(answers_s):.2f} s"] if max(answers_s) > ANSWER_S else []
    return {
        "flood": json.loads(said),
        "in_force_s": max(late_s.values(), default=None),
        "sent_to_in_force_s": max((in_force[each] - sent_utc_s[each] for each in late_s), default=None),
        "answer_s": max(answers_s),
        "log_bytes": log.stat().st_size - logged,
        "wrong": wrong,
    }


def _times(yard: Yard, kind: RecordKind) -> dict[str, float]:
    """Return when the first record of a kind was made of each order of the authority.

    Its acceptance is its arrival; the first tick that sees it in force says how it is kept.
    """
    found: dict[str, float] = {}
    for record in read(yard.folder / "state" / JOURNAL, [kind]):
        if record.body["issuer"] == "grid-authority":
            found.setdefault(record.body["id"], record.utc_s)
    return found
