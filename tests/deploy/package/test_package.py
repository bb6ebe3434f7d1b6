"""The Debian package on a fresh Debian 12 that runs systemd: installed, set up by the manual, upgraded, downgraded, taken away.

The tests are the chapters of one life of one machine, in this order.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.package.machine import Machine, booted
from tests.waiting import until

ROOT = Path(__file__).resolve().parents[3]
MOST_BYTES = 110_000_000
PYTHON = "/opt/surplusd/venv/bin/python"
KEPT = ("/etc/surplusd/site.yaml", "/etc/surplusd/keys/controller.key", "/var/lib/surplusd/journal.db")
#: What prints, twice a second, what the site draws, and at the word `end` what the referee saw.
WATCH = f"""exec {PYTHON} -c '
import select, sys
from simulators.worldlink import WorldClient
world = WorldClient("127.0.0.1", 19000, timeout_s=10.0)
world.ready()
while not select.select([sys.stdin], [], [], 0.5)[0]:
    print(world.truth().site_w, flush=True)
print(world.result().violation_s, flush=True)
'"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]


def build(tree: Path, out: Path, version: str) -> Path:
    command = [sys.executable, "deploy/package/build.py", "--out", str(out), "--version", version]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this commit."""
    return build(ROOT, tmp_path_factory.mktemp("package"), "1.0.2")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the commit before; of this one where a clone has no more of the history."""
    folder = tmp_path_factory.mktemp("before")
    tree = folder / "tree"
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(tree)], check=True)
    history = subprocess.run(
        ["git", "rev-list", "--max-count=2", "HEAD"], cwd=tree, capture_output=True, text=True, check=True
    )
    subprocess.run(["git", "checkout", "--quiet", history.stdout.split()[-1]], cwd=tree, check=True)
    return build(tree, folder, "1.0.1")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    if os.geteuid() != 0:
        pytest.skip("only root may install a Debian")
    for program in ("mmdebstrap", "systemd-nspawn"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    with booted(tmp_path_factory.mktemp("machine")) as found:
        yield found


def install(machine: Machine, package: Path) -> str:
    shutil.copy(package, machine.root / "root" / package.name)
    return machine.run(f"dpkg -i /root/{package.name}")


def written(heading: str) -> list[str]:
    """Return the blocks of the shell in a section of the manual."""
    page = (ROOT / "docs/install.md").read_text()
    (section,) = re.findall(rf"^## {heading}$(.+?)^## ", page, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.+?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def test_it_is_small_enough_and_holds_no_path_of_the_building_machine(package: Path) -> None:
    assert package.stat().st_size <= MOST_BYTES
    names = subprocess.run(["dpkg-deb", "--contents", package], capture_output=True, text=True, check=True).stdout
    assert "./usr/lib/systemd/system/surplusd.service" in names
    assert "./opt/surplusd/docs/install.md" in names
    assert " root/root " in names
    assert "direct_url.json" not in names
    assert str(ROOT) not in names


def test_it_installs_on_a_fresh_debian(machine: Machine, before: Path) -> None:
    said = install(machine, before)
    assert "kernels are ready" in said
    assert "next: write /etc/surplusd/site.yaml" in said
    found = machine.run("stat -c '%U:%G %a %n' /etc/surplusd /etc/surplusd/keys /var/lib/surplusd /etc/surplusd-agent")
    assert found.splitlines() == [
        "root:surplusd 750 /etc/surplusd",
        "surplusd:surplusd 700 /etc/surplusd/keys",
        "surplusd:surplusd 700 /var/lib/surplusd",
        "surplusd-agent:surplusd-agent 700 /etc/surplusd-agent",
    ]
    machine.run(
        "dpkg --verify surplusd && surplusd check --help && test -n \"$(find /var/cache/surplusd -name '*.nbc')\""
    )


def test_a_site_is_set_up_and_led_by_the_manual(machine: Machine) -> None:
    """On the simulators that are in the package, over a real mosquitto."""
    demo = (ROOT / "configs/demo.yaml").read_text().replace("state: state ", "state: /var/lib/surplusd ")
    (machine.root / "etc/surplusd/site.yaml").write_text(demo)
    machine.run(
        "cd /etc/surplusd; for who in authority operator viewer; do (umask 077; tr -dc a-f0-9 </dev/urandom | head -c 64 >$who.token);"
        " chown surplusd: $who.token; done; surplusd keys site.yaml; chown -R surplusd: keys"
    )
    simulators(machine)
    for block in written("surplusd under systemd"):
        for line in re.sub(r"\s+#.*", "", block).splitlines():
            if line.startswith(("apt ", "journalctl ")):
                continue
            machine.run(line.replace("surplusd init ", "surplusd init --without-fleet "))
    until(lambda: led(machine), "the site is led", tell=machine.status)
    assert "active (running)" in machine.run("systemctl status --no-pager surplusd")


def test_a_backup_is_made_by_its_unit_and_every_night_once_somebody_says_so(machine: Machine) -> None:
    assert machine.run("systemctl is-enabled surplusd-backup.timer", fails=True).strip() == "disabled"
    machine.run("systemctl start surplusd-backup")
    assert "stands in it: records 1 to" in machine.run("journalctl --no-pager -u surplusd-backup")
    found = machine.run("stat -c '%U %a %n' /var/backups/surplusd/*/*").splitlines()
    assert [line.rpartition("/")[2] for line in found] == ["etc.tar.gz", "journal.db", "journal.head"]
    assert all(line.split()[1] == "600" for line in found), found
    machine.run("systemctl enable --now surplusd-backup.timer")
    assert "surplusd-backup.service" in machine.run("systemctl list-timers --no-pager")


def simulators(machine: Machine) -> None:
    """Start the other ends of every wire, as units, so that they run on."""
    machine.run(
        "printf 'listener 11883 127.0.0.1\\nallow_anonymous true\\n' >/etc/mosquitto/conf.d/demo.conf; systemctl restart mosquitto"
    )
    world = "--world 127.0.0.1:19000"
    site = "--site-file /etc/surplusd/site.yaml"
    meters = (
        "--meter pcc:schneider_pm5xxx:15020 --meter pcc:carlo_gavazzi_em24:15021 --meter feeder-b:janitza_umg96rm:15022"
    )
    for name, words in {
        "world": f"simulators.world {site} --listen 127.0.0.1:19000 --duration 3600 --orders 0 --scale '300 %'",
        "meters": f"simulators.substation modbus {meters} {world}",
        "surplus": f"simulators.substation opcua --endpoint opc.tcp://127.0.0.1:14840/ {world}",
        "fleet": f"simulators.fleet {site} {world} --broker 127.0.0.1:11883 --keys /etc/surplusd/keys --state /root/agents",
    }.items():
        machine.run(f"systemd-run --quiet --unit=sim-{name} --property=Restart=always {PYTHON} -m {words}")


def test_another_version_takes_over_and_no_device_falls(machine: Machine, package: Path, before: Path) -> None:
    """Up and down again, while the whole fleet runs."""
    steady_w = until(lambda: settled(machine), "the site draws all that it may", deadline_s=400.0, tell=machine.status)
    watch = machine.start(WATCH)
    for version in (package, before):
        was = started(machine)
        said = install(machine, version)
        assert "see above" not in said, said
        assert started(machine) != was
        until(lambda: led(machine), "the site is led again", tell=machine.status)
    seen, _ = watch.communicate("end\n", timeout=60)
    *drawn_w, violation_s = map(float, seen.splitlines())
    assert len(drawn_w) > 20
    assert min(drawn_w) > 0.97 * steady_w
    assert violation_s == 0.0


def started(machine: Machine) -> str:
    return machine.run("systemctl show --property=ExecMainStartTimestampMonotonic surplusd")


def led(machine: Machine) -> bool:
    now = machine.status()
    return now is not None and now["mode"] == "normal"


def settled(machine: Machine) -> float | None:
    """Return the power of the site once every device runs, and all of it is what was planned."""
    now: Any = machine.status()
    if not now or now["mode"] != "normal" or now["devices"]["running"] != sum(now["devices"].values()):
        return None
    site_w: float = now["site_w"]
    return site_w if site_w > 0.95 * now["nodes"]["pcc"]["planned_w"] else None


def test_a_mistake_in_the_site_file_is_told_and_neither_fails_the_installation_nor_ends_the_daemon(
    machine: Machine, package: Path
) -> None:
    path = machine.root / "etc/surplusd/site.yaml"
    right = path.read_text()
    path.write_text(right.replace("tick: 500 ms", "tick: 500"))
    was = started(machine)
    said = install(machine, package)
    assert "site.yaml:6" in said
    assert "After mending: surplusd check --here /etc/surplusd/site.yaml" in said
    assert started(machine) == was
    until(lambda: led(machine), "the daemon runs on", tell=machine.status)
    path.write_text(right)


def test_taken_away_it_leaves_what_is_peoples_and_the_evidence(machine: Machine) -> None:
    machine.run("dpkg --remove surplusd")
    machine.run("test ! -e /opt/surplusd/venv; test ! -e /usr/bin/surplusd")
    machine.run("systemctl is-active surplusd", fails=True)
    assert "the journal is evidence" in machine.run("dpkg --purge surplusd")
    machine.run(" && ".join(f"test -e {path}" for path in KEPT) + " && test ! -e /var/cache/surplusd")
