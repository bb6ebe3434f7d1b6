"""A fresh Debian 12 in a container that runs systemd, with a network of its own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import until

#: Besides the essential packages: what the package wants and recommends.
_PACKAGES = "python3,systemd,systemd-sysv,mosquitto,openssl,init-system-helpers,sqlite3"
#: To download and unpack Debian, on a slow line.
_PATIENCE_S = 900.0
_ASK = """
from urllib.request import Request, urlopen
token = open("/etc/surplusd/viewer.token").read()
request = Request("http://127.0.0.1:18420/api/v1/status", headers={"Authorization": f"Bearer {token}"})
print(urlopen(request, timeout=30).read().decode())
"""


class Machine:
    """The machine as somebody who is logged in as root sees it."""

    def __init__(self, root: Path, init: int) -> None:
        self.root = root
        self._enter = [
            "nsenter",
            "--target",
            str(init),
            "--mount",
            "--uts",
            "--ipc",
            "--net",
            "--pid",
            "--root",
            "--wd",
        ]

    def run(self, command: str, *, fails: bool = False) -> str:
        """Run a line of the shell to its end; return what it said. AssertionError where it fails, or does not where it must."""
        done = subprocess.run(self._shell(command), capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        said = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, f"{command}\nexit status {done.returncode}\n{said}"
        return said

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a line of the shell, to be written to and read."""
        return subprocess.Popen(self._shell(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def status(self) -> Any:
        """Return what the daemon says of itself; None while it does not answer."""
        done = subprocess.run(
            self._shell(f"python3 -c '{_ASK}'"), capture_output=True, text=True, timeout=60, check=False
        )
        return json.loads(done.stdout) if done.returncode == 0 else None

    def _shell(self, command: str) -> list[str]:
        return [*self._enter, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "sh", "-euc", command]


@contextmanager
def booted(folder: Path) -> Iterator[Machine]:
    """Install Debian 12 into the folder, boot it, and halt it at the end."""
    root = folder / "debian"
    install = ("mmdebstrap", "--quiet", "--variant=apt", f"--include={_PACKAGES}", "bookworm", str(root))
    subprocess.run(install, check=True, timeout=_PATIENCE_S, capture_output=True)
    # There is no machine registry and no unit of systemd's where the host is none of its machines.
    command = ["systemd-nspawn", "--quiet", "--boot", "--directory", str(root), "--private-network"]
    with (folder / "console.log").open("w") as console:
        boot = [*command, "--register=no", "--keep-unit", "--console=pipe"]
        process = subprocess.Popen(boot, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        try:
            init = until(lambda: _first_process(process.pid), "the first process of the container")
            machine = Machine(root, init)
            until(lambda: _is_up(machine), "systemd is up", tell=lambda: _state(machine))
            yield machine
        finally:
            process.terminate()  # halts the container in order
            process.wait(timeout=60)
            shutil.rmtree(root, ignore_errors=True)


def _first_process(pid: int) -> int | None:
    """Return the child that is number 1 in a PID namespace of its own."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        numbers = re.search(r"^NSpid:(.+)$", Path(f"/proc/{child}/status").read_text(), flags=re.MULTILINE)
        if numbers and numbers[1].split()[1:] == ["1"]:
            return int(child)
    return None


def _is_up(machine: Machine) -> bool:
    return _state(machine).stdout.strip() in {"running", "degraded"}


def _state(machine: Machine) -> subprocess.CompletedProcess[str]:
    return subprocess.run(machine._shell("systemctl is-system-running"), capture_output=True, text=True, check=False)
