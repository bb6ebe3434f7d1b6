"""`make verify`: demos on every surplus, thorough properties, mutants, fuzzing, a server that dies, agents and devices that defy, pictures of five states, simulated miners read by others, meters on DLMS/COSEM with others at the other end, the cost of real protocols, clocks, the document of the interface."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.verify.allocator import walked
from tests.verify.caps.report import capped
from tests.verify.clocks import ends_in_time
from tests.verify.controllers import live_and_leave
from tests.verify.dlms import report as dlms_read
from tests.verify.door import withstood
from tests.verify.fuzz.campaign import campaign
from tests.verify.journal import report as orders_kept
from tests.verify.lies import report as lies_told
from tests.verify.opcua import report
from tests.verify.orders import withstood as orders_withstood
from tests.verify.polling import report as polled
from tests.verify.protocols import report as protocols_cost
from tests.verify.readers import report as readers_read
from tests.verify.scenes import scenes_played
from tests.verify.schema import conforms
from tests.verify.states import states_shown

RECORDINGS = Path(__file__).parents[3] / "shared/data/liander_substations_15min"


def demo(out: Path, name: str, *options: str) -> bool:
    """Run the demo for 180 s, its result in ``OUT/NAME.json``; return whether the referee passed it."""
    command = [sys.executable, "-m", "controller.cli", "demo", "--for", "180s", "--json", str(out / f"{name}.json")]
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, check=False)
    (out / f"{name}.log").write_text(done.stdout)
    return done.returncode == 0


def recordings(out: Path) -> dict[str, str]:
    """Replay every recorded substation; a file without a window is refused, which the demo's log then says."""
    if not RECORDINGS.is_dir():
        return {"skipped": f"no recorded data at {RECORDINGS}"}
    found = {}
    for path in sorted(RECORDINGS.glob("*.csv")):
        passed = demo(out, path.stem, "--surplus-csv", str(path), "--column=-total_substation")
        judged = (out / f"{path.stem}.json").exists()
        found[path.stem] = "passed" if passed else "failed" if judged else "refused"
    return found


def models(out: Path) -> dict[str, str]:
    """Run the built-in curve with every surplus model."""
    names = ("direct", "export", "headroom")
    return {name: "passed" if demo(out, f"model-{name}", "--model", name) else "failed" for name in names}


def properties(out: Path) -> dict[str, str]:
    """Run every property over many more examples, and the tests that are too long for every day."""
    environment = os.environ | {"HYPOTHESIS_PROFILE": "thorough"}
    report = out / "properties.xml"
    command = [sys.executable, "-m", "pytest", "-q", "--timeout", "3600", "--junitxml", str(report), "tests"]
    slow = subprocess.run([*command, "-m", "slow"], check=False).returncode
    paths = ("tests/controller/core", "tests/controller/daemon", "tests/drivers")
    thorough = subprocess.run([*command[:-1], *paths], env=environment, check=False).returncode
    # 5: no test is marked slow, which is no failure.
    return {"slow": "passed" if slow in {0, 5} else "failed", "thorough": "passed" if thorough == 0 else "failed"}


def fuzz(out: Path) -> dict[str, str]:
    """Feed ten million inputs to the decoders of meters (Modbus, OPC UA), to the framing that carries them and to the loader of profiles."""
    return campaign(out)


def opcua(out: Path) -> dict[str, str]:
    """Kill and freeze an OPC UA server again and again, and see how soon its values flow once it is back."""
    return report(out)


def lies(out: Path) -> dict[str, str]:
    """Let both meters of a site lie for a while, over real sockets, and see whether it stays inside its contract."""
    return lies_told(out)


def scenes(out: Path) -> dict[str, str]:
    """Let agents hang and die and devices ignore their orders on a site of processes, and see that it is told."""
    return scenes_played(out)


def states(out: Path) -> dict[str, str]:
    """Bring a site into five states, from normal to failsafe, and photograph how page, dashboards and `surplusd status` show each."""
    return states_shown(out)


def door(out: Path) -> dict[str, str]:
    """Flood the HTTP interface with idle connections, slow writers and wrong tokens, while the authority orders."""
    return withstood(out)


def schema(out: Path) -> dict[str, str]:
    """Ask the HTTP interface all that its document allows and forbids, and see that it answers as that says."""
    return conforms(out)


def controllers(out: Path) -> dict[str, str]:
    """Have two controllers with one certificate live for a minute, and then one."""
    return live_and_leave(out)


def orders(out: Path) -> dict[str, str]:
    """Flood the site with orders of one issuer, while another sends limit 0."""
    return orders_withstood(out)


def readers(out: Path) -> dict[str, str]:
    """Have two libraries that are not ours read the simulated miners, and see that they take them for what they stand for."""
    return readers_read(out)


def dlms(out: Path) -> dict[str, str]:
    """Read a meter on DLMS/COSEM that a library of others simulates, and have another one read our simulated meter."""
    return dlms_read(out)


def polling(out: Path) -> dict[str, str]:
    """Have one agent read three hundred simulated miners once a second, and then with a tenth of them gone."""
    return polled(out)


def protocols(out: Path) -> dict[str, str]:
    """Run the demo over real protocols and over simulated hardware, and see what the first cost."""
    return protocols_cost(out, demo)


def caps(out: Path) -> dict[str, str]:
    """Run sites whose jobs draw less than their caps under a steady envelope, by worth, with full caps and with fixed headrooms."""
    return capped(out)


def journal(out: Path) -> dict[str, str]:
    """Spoil the journal and its head, and kill whoever writes them, and see that no acknowledged order is lost silently."""
    return orders_kept(out)


def time(out: Path) -> dict[str, str]:
    """Step, slew and lose the clocks of a machine, and see that no order ends earlier than is stated."""
    return ends_in_time(out)


def bounds(_: Path) -> dict[str, str]:
    """Compile the kernels with a test of every index, and run them on all that their tests give them."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": folder}
        paths = ("tests/controller/core/kernels", "tests/controller/core/allocation/test_allocator.py")
        command = [sys.executable, "-m", "pytest", "-q", "--timeout", "3600", *paths]
        done = subprocess.run(command, env=environment, check=False).returncode
    return {"kernels": "passed" if done == 0 else "failed"}


def allocator(out: Path) -> dict[str, str]:
    """Ask the allocator on ten thousand random trees with random locks, again and again at other limits."""
    return walked(out)


def mutation(out: Path) -> dict[str, str]:
    """Put 400 small faults into the core, one by one, and see how many the tests find; hours of work."""
    (out / "mutation.jsonl").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.verify.mutation", "--out", str(out / "mutation.json")]
    done = subprocess.run(command, check=False).returncode
    return {"mutation": "passed" if done == 0 else "failed"}


CAMPAIGNS: dict[str, Callable[[Path], dict[str, str]]] = {
    "recordings": recordings,
    "models": models,
    "properties": properties,
    "bounds": bounds,
    "allocator": allocator,
    "mutation": mutation,
    "fuzz": fuzz,
    "opcua": opcua,
    "lies": lies,
    "scenes": scenes,
    "states": states,
    "door": door,
    "orders": orders,
    "controllers": controllers,
    "schema": schema,
    "readers": readers,
    "dlms": dlms,
    "polling": polling,
    "protocols": protocols,
    "caps": caps,
    "journal": journal,
    "time": time,
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the campaigns that are named, or all; return 1 where one failed."""
    each = "\n".join(f"  {name:<11} {campaign.__doc__}" for name, campaign in CAMPAIGNS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.verify", epilog=each, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("build/verify"))
    parser.add_argument("campaign", nargs="*", choices=[[], *CAMPAIGNS])
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    found = {name: CAMPAIGNS[name](arguments.out) for name in arguments.campaign or CAMPAIGNS}
    (arguments.out / "summary.json").write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))  # noqa: T201
    return int(any("failed" in results.values() for results in found.values()))


if __name__ == "__main__":
    sys.exit(main())
