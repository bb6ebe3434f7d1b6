"""The processes of a load: the broker, the light agents, the daemon, and what keeps the machine busy beside them."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final

from controller.bench.load_site import HOST, HOUSE_W, LoadSite
from drivers.errors import ConfigError, DriverLoss

_PR_SET_PDEATHSIG: Final = 1
_libc = ctypes.CDLL(None, use_errno=True)
#: What the broker allows, as `deploy/mosquitto/mosquitto.conf` has it.
_BROKER: Final = """listener {port} {host}
allow_anonymous true
max_queued_messages 50000
max_inflight_messages 200
set_tcp_nodelay true
max_packet_size 1100000
max_keepalive 30
log_type error
"""
_BUSY: Final = "while True: sum(range(100_000))"


class LoadProcess:
    """One process; its output goes to a log in the folder, but for a `talks` one, whose output is read."""

    def __init__(self, name: str, site: LoadSite, argv: Sequence[str], *, talks: bool = False) -> None:
        """Start it."""
        with (site.folder / f"{name}.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own modules, and the broker
                list(argv),
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE if talks else log,
                stderr=log,
                process_group=0,
                preexec_fn=_end_with_the_harness,  # noqa: PLW1509  the harness has no threads when it forks
            )
        self.name, self.pid, self._log = name, self._process.pid, site.folder / f"{name}.log"

    def read_line(self) -> str:
        """Return the next line that it prints; DriverLoss where it has ended."""
        if self._process.stdout is not None and (line := self._process.stdout.readline()):
            return line.decode()
        raise DriverLoss(f"{self.name} ended: {self.tail()}")

    def ask(self) -> Mapping[str, float]:
        """Return the figures that it answers with."""
        if self._process.stdin is not None:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
        figures: Mapping[str, float] = json.loads(self.read_line())
        return figures

    def check(self) -> None:
        """Raise DriverLoss where it has ended."""
        if (status := self._process.poll()) is not None:
            raise DriverLoss(f"{self.name} ended with status {status}: {self.tail()}")

    def tail(self) -> str:
        """Return the last lines of its log."""
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(15.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def start_broker(site: LoadSite) -> LoadProcess:
    """Return a mosquitto that listens; raises ConfigError where there is none on this machine."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise ConfigError("found no mosquitto on this machine; the load needs the broker that a site has")
    path = site.folder / "mosquitto.conf"
    path.write_text(_BROKER.format(port=site.broker_port, host=HOST), encoding="utf-8")
    part = LoadProcess("mosquitto", site, [program, "-c", str(path)])
    time.sleep(0.3)
    part.check()
    return part


def start_agents(site: LoadSite) -> LoadProcess:
    """Return the light agents, once they are there."""
    options = [
        "--site-file", str(site.file), "--broker", f"{HOST}:{site.broker_port}", "--meter-port", str(site.meter_port),
        "--keys", str(site.keys), "--house", str(HOUSE_W), "--surplus", str(site.surplus_w),
    ]  # fmt: skip
    part = LoadProcess("agents", site, [sys.executable, "-m", "simulators.light", *options], talks=True)
    part.read_line()
    return part


def start_daemon(site: LoadSite) -> LoadProcess:
    """Return the daemon as it starts."""
    return LoadProcess("surplusd", site, [sys.executable, "-m", "controller.cli", "run", str(site.file)])


def make_journal(site: LoadSite) -> None:
    """Make the daemon's journal, and the kernels, so that no start is of another kind; raises DriverLoss where that cannot be."""
    for words in (["warmup"], ["init", "--without-fleet", str(site.file)]):
        command = [sys.executable, "-m", "controller.cli", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode:
            raise DriverLoss(f"surplusd {words[0]} failed: {done.stderr.strip()}")


def keep_busy(site: LoadSite, count: int) -> list[LoadProcess]:
    """Return so many processes that do nothing but take the processors."""
    return [LoadProcess(f"busy{k}", site, [sys.executable, "-c", _BUSY]) for k in range(count)]


def _end_with_the_harness() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
