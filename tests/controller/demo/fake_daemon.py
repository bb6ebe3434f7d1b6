"""A stand-in for the daemon: the HTTP that the launcher and the authority use, and setpoints straight to the world.

``fake_daemon.py SITE_FILE WORLD_HOST:PORT`` holds 90 % of the true envelope with the S21 alone.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

from drivers.errors import DriverLoss
from simulators.process import split_address
from simulators.worldlink import WorldClient
from tests.simulated_devices import command_all

METRICS = b"""surplusd_tick_duration_seconds_bucket{le="0.005"} 99
surplusd_tick_duration_seconds_bucket{le="+Inf"} 99
surplusd_device_setpoint_watts{device="s21-a-001",node="pdu-a1",agent="hall-a1"} 3500
"""


class Handler(BaseHTTPRequestHandler):
    token: str
    orders: dict[str, float]

    def do_GET(self) -> None:
        node = {"envelope_w": 1e5, "binding": "surplus"}
        status = {
            "mode": "normal",
            "reason": "",
            "site_w": 5e4,
            "nodes": {"pcc": node},
            "orders_in_force": [*self.orders],
        }
        bodies = {
            "/readyz": b"{}",
            "/metrics": METRICS,
            "/api/v1/status": json.dumps(status | {"devices": {}, "value_per_h": 3.6}).encode(),
        }
        self._answer(200, bodies[self.path])

    def do_POST(self) -> None:
        if self.headers["Authorization"] != f"Bearer {self.token}":
            self._answer(401, b"{}")
            return
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/release"):
            self.orders.clear()
        else:
            order = json.loads(body)
            self.orders[order["id"]] = order["limit_w"]
        self._answer(200, b'{"outcome": "accepted"}')

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def control(address: tuple[str, int], orders: dict[str, float]) -> None:
    world = WorldClient(*address)
    names = [f"s21-{hall}-{k:03d}" for hall in "ab" for k in range(1, 41)]
    pause = threading.Event()
    while not pause.wait(0.2):
        try:
            truth = world.truth()
            limit_w = min([truth.envelope_w, *orders.values()])
            each_w = (0.9 * limit_w - 50e3) / len(names)
            command_all(address, dict.fromkeys(names, each_w))
        except DriverLoss as error:
            sys.stdout.write(f"{error}\n")


def main() -> None:
    site = yaml.safe_load(Path(sys.argv[1]).read_text())
    tokens = {entry["role"]: Path(entry["token_file"]).read_text().strip() for entry in site["orders"]["tokens"]}
    Handler.token, Handler.orders = tokens["authority"], {}
    server = ThreadingHTTPServer(split_address(site["http"]["listen"]), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    control(split_address(sys.argv[2]), Handler.orders)


if __name__ == "__main__":
    main()
