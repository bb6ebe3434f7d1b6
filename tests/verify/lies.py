"""Meters that lie for a while, over real sockets: what was learnt from them must not lift the site above its contract."""

from __future__ import annotations

import itertools
import os
import signal
import tempfile
from pathlib import Path
from typing import Final

import yaml

from tests.brokers import amqtt_broker
from tests.e2e.yard import PLENTY, SITE, Yard, options

CONTRACT_W: Final = 52_000.0
#: What the meter cannot see, and the control not prevent (invariant I1).
TOLERANCE: Final = 0.01
METERS: Final = ("main", "check")
LIES: Final = {"a third": "--scale-error=0.3333", "three times": "--scale-error=3", "sign": "--flip-sign"}
LASTS_S: Final = 25.0
#: What the house load is learnt in, and what jobs need to use what their caps leave them.
BEFORE_S: Final = 30.0
AFTER_S: Final = 100.0


def site_text() -> str:
    """Return the small site with a contract that binds, and with three nodes whose setpoints are only caps."""
    raw = yaml.safe_load(SITE.read_text(encoding="utf-8"))
    raw["grid"] |= {"contract": f"{CONTRACT_W:.0f} W", "failsafe": "20 kW"}
    for group in raw["fleet"]["groups"]:
        group["failsafe"] = "off"  # a word of the site file, which YAML has read as false
    raw["nodes"][2]["limit"] = "40 kW"
    (gpu,) = raw["fleet"]["devices"]
    raw["fleet"]["devices"] = [gpu | {"id": f"gpu-{k}"} for k in range(3)]
    return yaml.safe_dump(raw, sort_keys=False)


def above_contract_s(lie: str) -> float:
    """Return for how long the site really drew more than its contract, in a run in which both its meters tell this lie."""
    with tempfile.TemporaryDirectory() as name, amqtt_broker() as broker:
        yard = Yard(Path(name), broker, options(PLENTY), site_text())
        try:
            yard.processes.open()
            for meter in METERS:
                yard.restart(meter, "--trap-on-signal", LIES[lie])
            yard.wait_mode("normal")
            samples = yard.watch_for(BEFORE_S)
            _turn(yard)
            samples += yard.watch_for(LASTS_S)
            _turn(yard)
            samples += yard.watch_for(AFTER_S)
        finally:
            yard.close()
    pairs = itertools.pairwise(samples)
    return sum(late.at_s - early.at_s for early, late in pairs if late.site_w > (1.0 + TOLERANCE) * CONTRACT_W)


def _turn(yard: Yard) -> None:
    """Let both meters begin to lie, or stop it."""
    for meter in METERS:
        pid = yard.processes.children[meter].pid
        assert pid is not None
        os.kill(pid, signal.SIGUSR1)


def report(out: Path) -> dict[str, str]:
    """Tell every lie once, with the seconds above the contract in ``OUT/lies.txt``."""
    seconds = {lie: above_contract_s(lie) for lie in LIES}
    (out / "lies.txt").write_text(
        "".join(f"{lie}: {above_s:.1f} s above the contract\n" for lie, above_s in seconds.items())
    )
    return {lie: "failed" if above_s else "passed" for lie, above_s in seconds.items()}
