"""The page `tutorial.md` is true: its blocks are typed into one shell, in their sequence, and each does what the page says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Final, Self

import pytest

from simulators.fleet.__main__ import _parser
from tests.docs.guides import ROOT, blocks, with_words
from tests.ports import free_port
from tests.waiting import DEADLINE_S, until

PAGE: Final = ROOT / "docs/tutorial.md"
#: Ports of the page, which a test may not take.
PORTS: Final = ("19000", "15020", "14840", "11883", "14001", "18420")
#: In place of what takes long, or leaves the folder.
INSTEAD: Final = {"surplusd warmup\n": "", "mkdir try && cd try\n": ""}


class Shell:
    """One shell, into which blocks are typed one after the other."""

    def __init__(self, folder: Path) -> None:
        self._errors = (folder / "errors").open("w+")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._bash = subprocess.Popen(
            ["bash", "-euo", "pipefail"], cwd=folder, env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, start_new_session=True,
        )  # fmt: skip

    def type(self, block: str) -> str:
        """Type a block; return what it has printed. AssertionError where a command of it fails."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{block}\nprintf '\\n-- typed\\n'\n")
        self._bash.stdin.flush()
        said: list[str] = []
        for line in self._bash.stdout:
            if line == "-- typed\n":
                return "".join(said)
            said.append(line)
        self._errors.seek(0)
        raise AssertionError(f"{block}\n{''.join(said)}\n{self._errors.read()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End it with all that it has started."""
        os.killpg(self._bash.pid, signal.SIGKILL)
        self._bash.communicate(timeout=DEADLINE_S)
        self._errors.close()


def is_closed(port: str) -> bool:
    """Ask the relay itself."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/rpc/Switch.GetStatus?id=0", timeout=DEADLINE_S) as answer:
        return bool(json.load(answer)["output"])


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
    for words in (
        'shelly, host: 127.0.0.1, mac: "02:01:72:54:0b:b1"', "nothing is missing on this machine", "NORMAL", '"output": true', '"output": false',
        "accepted: authority/first, pcc draws at most 1.0 kW", "met since", "proven: each record follows from the one before",
    ):  # fmt: skip
        assert words in told, f"{words}\n{told}"
    _parser().parse_args(re.sub(r"^python -m simulators.fleet ", "", fleet).split())
