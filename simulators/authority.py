"""The grid authority: sends a curtailment order over HTTP by itself, holds it, and releases it.

``python -m simulators.authority --world HOST:PORT --daemon URL ...`` waits for the judged
window, chooses the moment from the surplus that is to come, and tells the referee of everything it sends.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from drivers.errors import DriverLoss, Refused
from simulators.process import announce_ready, split_address
from simulators.worldlink import CurveSamples, WorldClient

#: The surplus is level from so long before the order until so long after it.
LEVEL_BEFORE_S: Final = 8.0
LEVEL_AFTER_S: Final = 14.0
#: What an order has to bind for, and how long it stands at most.
BINDING_S: Final = 32.0
HOLD_S: Final = 40.0
#: A site needs this long to come up before half of its power is worth cutting.
WARM_UP_S: Final = 15.0
#: On a long window the order is sent from here on.
PATIENCE_S: Final = 60.0
#: The least surplus, as a share of the present envelope, for which half of the site's power still binds.
STILL_BINDS: Final = 0.6
RETRY_S: Final = 1.0
ANSWER_S: Final = 5.0

#: Lets so many seconds pass.
Wait = Callable[[float], object]


def choose_moment(curve: CurveSamples, *, duration_s: float) -> float | None:
    """Return when to send the order, in s of the judged window; None where the curve has no such moment.

    It is the first level moment after 30 % of the window, or after `PATIENCE_S`; else the first after the warm-up.
    """
    warm = np.arange(WARM_UP_S, duration_s - BINDING_S + 1e-9, 0.5).tolist()
    preferred = [t_s for t_s in warm if t_s >= min(0.3 * duration_s, PATIENCE_S)]
    return next((t_s for t_s in preferred + warm if _fits(curve, t_s, duration_s)), None)


def _fits(curve: CurveSamples, sent_s: float, duration_s: float) -> bool:
    now_w = _between(curve, sent_s, sent_s)
    level = _between(curve, sent_s - LEVEL_BEFORE_S, sent_s + LEVEL_AFTER_S)
    held = _between(curve, sent_s, min(sent_s + HOLD_S, duration_s))
    enough = np.min(held) + curve.firm_w >= STILL_BINDS * (now_w[0] + curve.firm_w)
    return bool(np.all(level == now_w[0]) and enough)


def _between(curve: CurveSamples, from_s: float, until_s: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the samples that hold between two moments."""
    times = np.asarray(curve.t_s)
    first = max(int(np.searchsorted(times, from_s, side="right")) - 1, 0)
    last = int(np.searchsorted(times, until_s, side="right"))
    return np.asarray(curve.surplus_w[first : max(last, first + 1)])


class OrderDesk:
    """Sends orders to the daemon at `url`; what the daemon answers is logged as it is."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def limit(self, order_id: str, *, node: str, limit_w: float) -> str:
        """Order a limit and return the answer's body; DriverLoss while the daemon is away, Refused where it says no."""
        return self._post("/api/v1/orders", {"id": order_id, "node": node, "limit_w": limit_w})

    def release(self, order_id: str) -> str:
        """Release an order; returns and raises like `limit`."""
        return self._post(f"/api/v1/orders/{order_id}/release", None)

    def _post(self, path: str, body: dict[str, object] | None) -> str:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data=data, headers=headers, method="POST")  # noqa: S310  the launcher names the URL
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            text = f"HTTP {error.code}: {error.read().decode(errors='replace')}"
            raise (DriverLoss if error.code >= 500 else Refused)(text) from error
        except OSError as error:
            raise DriverLoss(f"the daemon at {self._url} does not answer: {error}") from error


def curtail(world: WorldClient, desk: OrderDesk, *, node: str, duration_s: float, wait: Wait) -> str:
    """Send the one order of a run, hold it, release it; returns in words what happened."""
    moment_s = choose_moment(world.curve(), duration_s=duration_s)
    if moment_s is None:
        return "no order: the surplus is never level for long enough"
    _wait_until(world, moment_s, wait)
    limit_w = round(world.truth().node_w[node] / 2.0)
    order_id = f"curtail-{moment_s:.0f}s"
    world.note_order(order_id, node=node, limit_w=limit_w)
    _say(f"order {order_id}: at most {limit_w} W on {node}")
    _say(_insist(lambda: desk.limit(order_id, node=node, limit_w=limit_w), wait))
    _wait_until(world, moment_s + HOLD_S, wait)
    world.note_order(order_id, node=node, limit_w=None)
    _say(_insist(lambda: desk.release(order_id), wait))
    return f"order {order_id} released"


def _wait_until(world: WorldClient, t_s: float, wait: Wait) -> None:
    while (left_s := t_s - world.truth().t_s) > 0.0:
        wait(min(left_s, 0.5))


def _insist(send: Callable[[], str], wait: Wait) -> str:
    """Send until the daemon answers; an order is idempotent, so that it may be sent again."""
    while True:
        try:
            return send()
        except DriverLoss as error:
            _say(str(error))
            wait(RETRY_S)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run one curtailment; exit status 1 where the daemon refuses it or the world is gone."""
    parser = argparse.ArgumentParser(prog="python -m simulators.authority", description=__doc__)
    parser.add_argument("--world", type=split_address, required=True, metavar="HOST:PORT")
    parser.add_argument("--daemon", required=True, metavar="URL")
    parser.add_argument("--token-file", type=Path, required=True)
    parser.add_argument("--node", required=True, help="node of the order")
    parser.add_argument("--duration", type=float, required=True, help="judged window in s")
    args = parser.parse_args()
    desk = OrderDesk(args.daemon, args.token_file.read_text(encoding="utf-8").strip())
    world = WorldClient(*args.world)
    announce_ready("authority")
    try:
        _say(curtail(world, desk, node=args.node, duration_s=args.duration, wait=threading.Event().wait))
    except (DriverLoss, Refused) as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
