"""The page `tutorial.md`, and the part of `agent.md` for those without a miner, are typed into a shell and do what they say."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from typing import Final

import pytest

from simulators.fleet.__main__ import _parser
from tests.docs.guides import ROOT, blocks, with_words
from tests.docs.shell import Shell
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until

PAGE: Final = ROOT / "docs/tutorial.md"
#: Ports of the page, which a test may not take.
PORTS: Final = ("19000", "15020", "14840", "11883", "14001", "18420")
#: In place of what takes long or leaves the folder, and of what ends with 1 where this machine's clock is not synchronised.
INSTEAD: Final = {
    "surplusd warmup\n": "",
    "mkdir try && cd try\n": "",
    "surplusd status --site site.yaml\n": "surplusd status --site site.yaml || true\n",
}


def is_closed(port: str) -> bool:
    """Ask the relay itself."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/rpc/Switch.GetStatus?id=0", timeout=DEADLINE_S) as answer:
        return bool(json.load(answer)["output"])


def state_of(order: str, port: str, folder: Path) -> str:
    """Ask the daemon how an order stands."""
    token = (folder / "authority.token").read_text().strip()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/orders/{order}", headers={"Authorization": f"Bearer {token}"}
    )
    with urllib.request.urlopen(asked, timeout=DEADLINE_S) as answer:
        return str(json.load(answer)["state"])


@pytest.mark.timeout(300)
def test_from_nothing_to_a_led_relay(tmp_path: Path) -> None:
    ports = {each: str(free_port()) for each in PORTS}
    *steps, fleet = (with_words(block, INSTEAD | ports) for block in blocks(PAGE))
    relay, told, log = ports["14001"], "", tmp_path / "surplusd.log"
    with Shell(tmp_path) as shell:
        for block in steps:
            told += shell.type(block)
            if any(words in block for words in ("surplusd run site.yaml > ", "order release")):
                until(lambda: is_closed(relay), "the heater is on", tell=log.read_text)
            if any(words in block for words in ("order send", "kill -9")):
                until(lambda: not is_closed(relay), "the heater is off", tell=log.read_text)
            if "order send" in block:
                until(
                    lambda: state_of("first", ports["18420"], tmp_path) == "met",
                    "the meter shows it",
                    tell=log.read_text,
                )
    for words in (
        "family: shelly, host: 127.0.0.1", 'mac: "020172540BB1"', "nothing is missing on this machine", "NORMAL", '"output":true', '"output":false',
        "accepted: authority/first, pcc draws at most 1.0 kW", "met since", "proven: each record follows from the one before",
    ):  # fmt: skip
        assert words in told, f"{words}\n{told}"
    _parser().parse_args(re.sub(r"^python -m simulators.fleet ", "", fleet).split())


def test_an_agent_without_a_miner(tmp_path: Path) -> None:
    """All but the drill, which takes two minutes and has tests of its own; `run` gets its Ctrl-C after some seconds."""
    ports = {each: str(free_port()) for each in ("19000", "14001", "14002", "11883")}
    (block,) = (each for each in blocks(ROOT / "docs/agent.md") if "--serve" in each)
    (drill,) = re.findall(r"^surplusd agent drill .+\n", block, flags=re.MULTILINE)
    (run,) = re.findall(r"^surplusd agent run .+\n", block, flags=re.MULTILINE)
    started, rest = block.split(" &\n")
    instead = {
        drill: "",
        run: "timeout --signal=INT 5 surplusd agent run hall.yaml >run.log 2>&1 || true\n",
        "configs/": f"{ROOT}/configs/",
    }
    with Shell(tmp_path) as shell:
        shell.type(
            with_words(f"{started} >world.log &\nuntil grep -q ready world.log; do sleep 0.1; done\n", instead | ports)
        )
        told = shell.type(with_words(rest, instead | ports))
    for words in ("family: luxos", "family: vnish", "s19k-a-001", "s19xp-a-001: as it was found"):
        assert words in told, f"{words}\n{told}"
    assert "broker_lost" in (tmp_path / "try/run.log").read_text()
