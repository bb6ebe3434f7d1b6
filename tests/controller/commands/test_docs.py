"""The page `add-a-meter.md` is true: every command in it is run, against meters on real sockets, and says what it shows."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import groupby
from pathlib import Path

from simulators.substation.encoder import encode
from simulators.substation.modbus_server import Unit
from tests.controller.commands.substation import SOUND, Substation, site_file, unit
from tests.waiting import DEADLINE_S

PAGE = Path(__file__).parents[3] / "docs/add-a-meter.md"

#: The meter that no profile describes, as its maker built it.
ACME = {
    "word_order": "little",
    "registers": {
        "voltage_l1_n_v": {"fc": 3, "address": 1200, "type": "float32", "unit": "V"},
        "current_l1_a": {"fc": 3, "address": 1206, "type": "float32", "unit": "A"},
        "active_power_w": {"fc": 3, "address": 1210, "type": "float32", "unit": "kW"},
        "frequency_hz": {"fc": 3, "address": 1230, "type": "float32", "unit": "Hz"},
        "energy_import_wh": {"fc": 3, "address": 1300, "type": "int32", "scale": 0.1, "unit": "kWh"},
    },
}


def shown(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)


def steps() -> list[tuple[str, list[str]]]:
    """Every command of the page with the lines that it shows as its output."""
    found: list[tuple[str, list[str]]] = []
    for line in "".join(shown("console")).replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


def like_the_page(text: str, ports: dict[str, int]) -> list[list[str]]:
    """The words of each line, with the page's addresses, and without what differs from run to run."""
    for host, port in ports.items():
        text = text.replace(f"127.0.0.1:{port}", f"{host}:502").replace(
            f"host: 127.0.0.1, port: {port}", f"host: {host}, port: 502"
        )
    text = re.sub(r"\d+\.\d s\b", "AGE", text)
    text = re.sub(r"\d+ (requests|other profiles)", r"SOME \1", text)
    text = re.sub(r"\d\d:\d\d:\d\d|\d{4}-\d\d-\d\d|\+\d{4}$", "TIME", text, flags=re.MULTILINE)
    text = re.sub(r"^\d+\.\d{3} fc", "SECONDS fc", text, flags=re.MULTILINE)
    return [line.split() for line, _ in groupby(text.splitlines())]  # how often a meter was polled is luck


def test_every_command_of_the_page_does_what_the_page_shows(substation: Substation, tmp_path: Path) -> None:
    image = encode(ACME, SOUND)
    ports = {
        "10.0.0.5": substation.serve(unit("schneider_pm5xxx")),
        "10.0.0.6": substation.serve(Unit(lambda: image, unmapped="exception")),
    }
    (meters,) = shown("yaml")
    modbus = (
        re.search(r"modbus: (\{.*\})", meters)[1]
        .replace("10.0.0.5", "127.0.0.1")
        .replace("502", str(ports["10.0.0.5"]))
    )
    site_file(tmp_path, {"pcc-main": modbus}, modbus)
    assert len(steps()) > 8
    for command, expected in steps():
        words = shlex.split(command)
        for host, port in ports.items():
            if host in words:
                words[words.index(host) : words.index(host) + 1] = ["127.0.0.1", "--port", str(port)]
        if words[0] == "surplusd":
            words[:1] = [sys.executable, "-m", "controller.cli"]
        done = subprocess.run(
            words, cwd=tmp_path, env={"PYTHONPATH": str(PAGE.parents[1]), "PATH": "/usr/bin:/bin", "COLUMNS": "100"},
            capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
        assert done.stderr == "", command
        assert like_the_page(done.stdout, ports) == like_the_page("\n".join(expected), ports), (
            f"{command}\n{done.stdout}"
        )
