"""The shipped unit, judged by systemd itself."""

from __future__ import annotations

import configparser
import subprocess
from pathlib import Path

import pytest

COMMAND = "/opt/surplusd/venv/bin/surplusd"


@pytest.fixture
def unit(deploy: Path, tmp_path: Path) -> Path:
    """The unit with a command that exists here, as `systemd-analyze` looks for it."""
    text = (deploy / "systemd" / "surplusd.service").read_text()
    assert text.count(f"={COMMAND} ") == 1
    path = tmp_path / "surplusd.service"
    path.write_text(text.replace(COMMAND, "/bin/true"))
    return path


def test_systemd_finds_nothing_wrong(unit: Path, installed):
    done = subprocess.run([installed("systemd-analyze"), "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_exposure_is_low(unit: Path, installed):
    program = installed("systemd-analyze")
    subprocess.run([program, "security", "--offline=yes", "--threshold=20", "--no-pager", unit], check=True)


def test_the_watchdog_fires_within_a_lease_of_the_demo(unit: Path):
    service = configparser.ConfigParser(strict=False, interpolation=None)
    service.optionxform = str  # type: ignore[assignment]
    service.read(unit)
    assert service["Service"]["Type"] == "notify"
    assert service["Service"]["NotifyAccess"] == "main"
    assert service["Service"]["Restart"] == "always"
    assert float(service["Service"]["WatchdogSec"].removesuffix("s")) <= 10


@pytest.mark.parametrize(
    "tempting",
    [
        "MemoryDenyWriteExecute=yes",  # numba: cannot allocate executable memory
        "ProtectClock=yes",  # adjtimex is refused, so that no order ever ends by its schedule
        "ProcSubset=pid",  # no process_* metrics
        "PrivateNetwork=yes",
    ],
)
def test_what_the_daemon_needs_is_not_taken_from_it(unit: Path, tempting: str):
    assert tempting not in unit.read_text().splitlines()


def test_the_daemon_may_ask_the_kernel_for_the_state_of_the_clock(unit: Path):
    filters = [line for line in unit.read_text().splitlines() if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=adjtimex clock_adjtime"  # after the groups that hold them are refused


def test_the_user_of_the_unit_is_the_one_that_is_made(deploy: Path, unit: Path):
    assert "User=surplusd\n" in unit.read_text()
    assert "\nu surplusd - " in (deploy / "systemd" / "surplusd.sysusers").read_text()


def test_systemd_finds_nothing_wrong_with_the_backup(deploy: Path, tmp_path: Path, installed):
    program, command = installed("systemd-analyze"), "/opt/surplusd/backup.sh"
    text = (deploy / "systemd/surplusd-backup.service").read_text()
    assert text.count(f"ExecStart={command}\n") == 1
    (tmp_path / "surplusd-backup.service").write_text(text.replace(command, "/bin/true"))
    timer = tmp_path / "surplusd-backup.timer"
    timer.write_text((deploy / "systemd/surplusd-backup.timer").read_text())
    done = subprocess.run([program, "verify", timer], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unit = tmp_path / "surplusd-backup.service"
    subprocess.run([program, "security", "--offline=yes", "--threshold=30", "--no-pager", unit], check=True)


AGENT_COMMAND = "/opt/surplusd/venv/bin/surplusd"


@pytest.fixture(params=["agent", "gpu-agent"])
def agent_unit(deploy: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The template for an agent, and that for one of GPUs in its own machine, as one of its instances."""
    text = (deploy / "systemd" / f"{request.param}@.service").read_text()
    assert text.count(f"={AGENT_COMMAND} ") == 1
    path = tmp_path / f"{request.param}@hall-a.service"
    path.write_text(text.replace(AGENT_COMMAND, "/bin/true"))
    return path


def test_systemd_finds_nothing_wrong_with_an_agent(agent_unit: Path, installed):
    program = installed("systemd-analyze")
    done = subprocess.run([program, "verify", agent_unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    subprocess.run([program, "security", "--offline=yes", "--threshold=20", "--no-pager", agent_unit], check=True)


def test_an_agent_that_hangs_is_killed_and_started_within_a_lease(agent_unit: Path):
    service = configparser.ConfigParser(strict=False, interpolation=None)
    service.optionxform = str  # type: ignore[assignment]
    service.read(agent_unit)
    assert (service["Service"]["Type"], service["Service"]["Restart"]) == ("notify", "always")
    assert service["Service"]["WatchdogSignal"] == "SIGKILL"
    assert float(service["Service"]["WatchdogSec"].removesuffix("s")) <= 5
    assert service["Unit"]["StartLimitIntervalSec"] == "0"


def test_the_agent_of_gpus_differs_from_any_other_by_what_limits_take_alone(deploy: Path):
    def lines(name: str) -> set[str]:
        text = (deploy / "systemd" / f"{name}@.service").read_text()
        return {line for line in text.splitlines() if line and not line.startswith("#")}

    agent, gpus = lines("agent"), lines("gpu-agent")
    assert agent - gpus == {
        "User=surplusd-agent",
        "Group=surplusd-agent",
        "PrivateDevices=yes",
        "PrivateUsers=yes",
        "CapabilityBoundingSet=",
        "MemoryHigh=96M",
        "MemoryMax=128M",
    }
    assert gpus - agent == {
        "User=root",
        "Group=root",
        "DevicePolicy=closed",
        "DeviceAllow=/dev/nvidiactl rw",
        "DeviceAllow=char-nvidia rw",
        "DeviceAllow=char-nvidia-caps rw",
        "DeviceAllow=char-nvidia-uvm rw",
        "CapabilityBoundingSet=CAP_SYS_ADMIN",
        "MemoryHigh=192M",
        "MemoryMax=256M",
    }
