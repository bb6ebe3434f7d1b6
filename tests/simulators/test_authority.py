from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from drivers.errors import DriverLoss, Refused
from simulators.authority import BINDING_S, HOLD_S, OrderDesk, choose_moment, curtail
from simulators.curve import modelled
from simulators.worldlink import CurveSamples, Truth
from tests.waiting import DEADLINE_S


def samples(*pairs: tuple[float, float]) -> CurveSamples:
    return CurveSamples(t_s=[t for t, _ in pairs], surplus_w=[w for _, w in pairs], firm_w=60e3)


@pytest.mark.parametrize(
    ("curve", "duration_s", "moment_s"),
    [
        (samples((0, 5e5)), 180, 54.0),  # level all along: after 30 %
        (samples((0, 5e5)), 3600, 60.0),  # but not later than a minute
        (samples((0, 5e5), (40, 4e5), (50, 5e5)), 180, 58.0),  # level for 8 s before
        (samples((0, 5e5), (60, 4e5)), 180, 68.0),  # and for 14 s after
        (samples((0, 5e5), (30, 4e5), (31, 3e5)), 64, 15.0),  # a short window: after the warm-up
        (samples((0, 5e5)), 46, None),  # no time to bind for 30 s
        (samples(*((10 * k, 5e5 + k) for k in range(18))), 180, None),  # never level
        (samples((0, 8e5), (70, 1e5)), 180, 78.0),  # half of the power would not bind for long enough before 70 s
    ],
)
def test_the_moment_is_level_and_the_order_keeps_binding(
    curve: CurveSamples, duration_s: float, moment_s: float | None
) -> None:
    assert choose_moment(curve, duration_s=duration_s) == moment_s


@pytest.mark.parametrize("duration_s", [60.0, 90.0, 180.0])
def test_the_model_has_a_moment_whatever_its_seed(duration_s: float) -> None:
    for seed in range(30):
        curve = modelled(seed=seed, duration_s=duration_s, peak_w=790e3)
        known = CurveSamples(t_s=curve.t_s.tolist(), surplus_w=curve.surplus_w.tolist(), firm_w=60e3)
        moment_s = choose_moment(known, duration_s=duration_s)
        assert moment_s is not None
        assert moment_s + BINDING_S <= duration_s
        assert len({curve.at(moment_s + t) for t in (-8.0, -4.0, 0.0, 7.0, 14.0)}) == 1


class Daemon(BaseHTTPRequestHandler):
    answers: ClassVar[list[int]]
    seen: ClassVar[list[tuple[str, str, object]]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.path, self.headers["Authorization"], json.loads(body) if body else None))
        self.send_response(self.answers.pop(0))
        self.end_headers()
        self.wfile.write(b'{"outcome": "accepted"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def daemon() -> Iterator[str]:
    Daemon.answers, Daemon.seen = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Daemon)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(DEADLINE_S)
    server.server_close()


class FakeWorld:
    """Level surplus; its time passes as the authority waits."""

    def __init__(self) -> None:
        self.t_s = 0.0
        self.notes: list[tuple[float, str, str, float | None]] = []

    def curve(self) -> CurveSamples:
        return samples((0, 5e5))

    def truth(self) -> Truth:
        return Truth(
            t_s=self.t_s,
            ready=True,
            site_w=500e3,
            node_w={"pcc": 500e3},
            surplus_w=5e5,
            export_w=0.0,
            feeder_load_w=0.0,
            frequency_hz=50.0,
            devices_by_state={},
            envelope_w=560e3,
            binding="surplus",
        )

    def note_order(self, order_id: str, *, node: str, limit_w: float | None) -> None:
        self.notes.append((self.t_s, order_id, node, limit_w))

    def wait(self, seconds: float) -> None:
        self.t_s += seconds


def test_half_of_the_power_is_ordered_held_and_released_and_the_referee_knows(daemon: str) -> None:
    world = FakeWorld()
    Daemon.answers = [503, 200, 200]  # a daemon that is away at first gets the same order again
    curtail(world, OrderDesk(daemon, "secret"), node="pcc", duration_s=180.0, wait=world.wait)  # type: ignore[arg-type]
    order = {"id": "curtail-54s", "node": "pcc", "limit_w": 250e3}
    assert Daemon.seen == [
        ("/api/v1/orders", "Bearer secret", order),
        ("/api/v1/orders", "Bearer secret", order),
        ("/api/v1/orders/curtail-54s/release", "Bearer secret", None),
    ]
    assert world.notes == [(54.0, "curtail-54s", "pcc", 250e3), (54.0 + HOLD_S, "curtail-54s", "pcc", None)]


def test_a_refused_order_is_not_repeated(daemon: str) -> None:
    Daemon.answers = [422]
    with pytest.raises(Refused, match="HTTP 422"):
        OrderDesk(daemon, "secret").limit("o", node="pcc", limit_w=-1.0)


def test_a_daemon_that_is_away_is_a_loss() -> None:
    with pytest.raises(DriverLoss, match="does not answer"):
        OrderDesk("http://127.0.0.1:9", "secret").release("o")


def test_the_process_ends_with_the_reason_when_the_world_is_gone(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    command = ["--world", "127.0.0.1:9", "--daemon", "http://127.0.0.1:9", "--node", "pcc", "--duration", "60"]
    done = subprocess.run(
        [sys.executable, "-m", "simulators.authority", *command, "--token-file", str(token)],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 1
    assert "ready authority" in done.stdout
    assert "the world at 127.0.0.1:9 does not answer" in done.stdout
