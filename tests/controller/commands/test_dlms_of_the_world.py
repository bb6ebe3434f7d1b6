"""Behaviours of meters on DLMS/COSEM, each a case, each by all five roads: what one road reads, every road reads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from simulators.substation.dlms_server import DlmsUnit, LineHabits, Manners, Objects
from tests.controller.commands.roads import ROADS, Way
from tests.controller.commands.substation import SOUND, Substation, unit
from tests.waiting import until

BOTH, NET = "dlms_electricity", "dlms_electricity_net"
KEYS = bytes(range(16)), bytes(range(16, 32))
HIGH = "authentication: high, encryption_key_file: e.key, authentication_key_file: a.key"


class DlmsWay(Way):
    """The same of a meter on DLMS: the options of the command line are the keys of the site file."""

    @property
    def main_meter(self) -> str:
        poll = f"poll: 500 ms, timeout: {self.timeout}"
        return f"{{host: 127.0.0.1, port: {self.port}, {self.keys}, profile: {self.profile}, {poll}}}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour: `objects`, `manners` and `habits` are the meter's, `keys` what reads it."""

    objects: Mapping[str, Any] = field(default_factory=dict)
    manners: Mapping[str, Any] = field(default_factory=dict)
    habits: Callable[[], LineHabits] = LineHabits
    keys: str = "client: 1"
    profile: str = BOTH
    physical: int | None = None
    timeout: str = "500 ms"

    @property
    def framing(self) -> str:
        return "hdlc" if "hdlc" in self.keys else "wrapper"


def on_hdlc(keys: str = "", **changes: Any) -> Case:
    return Case(keys=f"transport: hdlc_over_tcp, client: 1{keys}", **changes)


CASES: dict[str, Case] = {
    "the wrapper, no authentication": Case(),
    "a password": Case(manners={"password": b"right"}, keys="client: 1, authentication: low, password_file: pw"),
    "challenges and ciphered messages": Case(manners={"keys": KEYS}, keys=f"client: 1, {HIGH}"),
    "ciphered messages, long answers in blocks": Case(
        manners={"keys": KEYS, "block_bytes": 90}, objects={"counter": 70_000}, keys=f"client: 1, {HIGH}"
    ),
    "the same system title each time": Case(
        manners={"keys": KEYS}, keys=f'client: 1, {HIGH}, system_title: "5350440000000001"'
    ),
    "another client and logical device": Case(manners={"client": 32}, keys="client: 32"),
    "HDLC": on_hdlc(),
    "HDLC with a physical address": on_hdlc(", physical: 17", physical=17),
    "HDLC with a long physical address": on_hdlc(", physical: 300", physical=300),
    "HDLC with an address of four bytes": on_hdlc(", physical: 17, address_bytes: 4", physical=17),
    "HDLC and a password": on_hdlc(", authentication: low, password_file: pw", manners={"password": b"right"}),
    "HDLC and ciphered messages": on_hdlc(f", {HIGH}", manners={"keys": KEYS}),
    "HDLC in short frames": on_hdlc(habits=lambda: LineHabits(segment=24)),
    "one attribute in a request": Case(manners={"grants_lists": False}),
    "several attributes in a request are granted and not served": Case(manners={"lists": False}),
    "messages to it are short": Case(manners={"most_bytes": 64}),
    "long answers in blocks": Case(manners={"block_bytes": 30}),
    "answers in two parts": Case(habits=lambda: LineHabits(split_s=0.05)),
    "HDLC, answers in two parts": on_hdlc(habits=lambda: LineHabits(split_s=0.05)),
    "closes after each answer": Case(habits=lambda: LineHabits(close_after=1)),
    "closes after each answer to one attribute": Case(
        habits=lambda: LineHabits(close_after=1), manners={"grants_lists": False}, timeout="2 s"
    ),
    "HDLC, closes after every second answer": on_hdlc(habits=lambda: LineHabits(close_after=2)),
    "has one connection only": Case(habits=lambda: LineHabits(connections=1)),
    "one connection only, and ciphered messages": Case(
        habits=lambda: LineHabits(connections=1), manners={"keys": KEYS}, keys=f"client: 1, {HIGH}"
    ),
    "the net power in one number": Case(profile=NET),
    "counts in tenths": Case(objects={"scalers": {"active_power_w": -1, "frequency_hz": -1}}),
    "counts in hundreds": Case(objects={"scalers": {"active_power_w": 2}}),
    "has no clock": Case(objects={"clock": None}),
    "has no frequency, and no phases": Case(objects={"lacks": frozenset({"1-0:14.7.0", "1-0:21.7.0", "1-0:41.7.0"})}),
}


def way(case: Case, substation: Substation, folder: Path) -> DlmsWay:
    (folder / "pw").write_text("right\n")
    for name, key in zip(("e.key", "a.key"), KEYS, strict=True):
        (folder / name).write_text(f"{key.hex()}\n")
    meter = DlmsUnit(
        objects=Objects(profile=case.profile, values=SOUND, **case.objects), manners=Manners(**case.manners)
    )
    port = substation.serve_dlms({case.physical or 1: meter}, framing=case.framing, habits=case.habits())
    options = [("--transport", "hdlc_over_tcp" if case.framing == "hdlc" else "wrapper")]
    options += [(f"--{key.replace('_', '-')}", value) for key, value in _pairs(case.keys) if key != "transport"]
    return DlmsWay(
        port=port,
        surplus_port=substation.serve(unit("schneider_pm5xxx")),
        folder=folder,
        profile=case.profile,
        keys=case.keys,
        options=[each for pair in options for each in _placed(pair, folder)],
        timeout=case.timeout,
    )


def _pairs(keys: str) -> list[tuple[str, str]]:
    return [tuple(each.replace('"', "").split(": ")) for each in keys.split(", ")]  # type: ignore[misc]


def _placed(pair: tuple[str, str], folder: Path) -> tuple[str, str]:
    option, value = pair
    return option, str(folder / value) if option.endswith("-file") else value


@pytest.mark.parametrize("name", CASES)
def test_what_one_road_reads_every_road_reads(
    name: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = way(CASES[name], substation, tmp_path)
    for road, take in ROADS.items():
        status = take(there)
        out, err = capsys.readouterr()
        assert status == 0, f"{road}: {out}{err}"
        assert "812.5 kW" in out, f"{road}: {out}{err}"
        if road == "probe":
            line = out.splitlines()[-1]
            assert all(f"{key}: " in line for key, _ in _pairs(there.keys)), out
            there.site.write_text(there.site.read_text().replace("    dlms: ", line))
            assert main(["check", str(there.site)]) == 0


LOST: dict[str, tuple[Case, str]] = {
    "silent": (Case(habits=lambda: LineHabits(silent=True), timeout="200 ms"), "not a byte: another client or server"),
    "silent on HDLC": (
        on_hdlc(habits=lambda: LineHabits(silent=True), timeout="200 ms"),
        "not a byte: another client, server or physical address",
    ),
    "refuses every association": (Case(manners={"refuses": 1}), "is the client one that the meter knows?"),
    "a client that it does not know": (Case(keys="client: 5"), "is the client one that the meter knows?"),
    "a wrong password": (
        Case(manners={"password": b"other"}, keys="client: 1, authentication: low, password_file: pw"),
        "the authentication failed: wrong password or key",
    ),
    "no password where one is wanted": (Case(manners={"password": b"right"}), "it wants an authentication"),
    "other keys": (
        Case(manners={"keys": (KEYS[1], KEYS[0])}, keys=f"client: 1, {HIGH}"),
        "the authentication failed: wrong password or key",
    ),
    "answers in the clear": (
        Case(manners={"keys": KEYS, "in_the_clear": True}, keys=f"client: 1, {HIGH}"),
        "a message in the clear",
    ),
    "asks nothing of us that only the keys answer": (
        Case(manners={"keys": KEYS, "challenge": b""}, keys=f"client: 1, {HIGH}"),
        "has asked nothing of us that only the right keys answer",
    ),
    "does not prove that it knows the keys": (
        Case(manners={"keys": KEYS, "proves": False}, keys=f"client: 1, {HIGH}"),
        "it has answered our challenge wrongly",
    ),
    "a banner": (
        Case(habits=lambda: LineHabits(banner=b"HTTP/1.1 400")),
        "bytes that are not DLMS: 0x485454502f312e31",
    ),
}


@pytest.mark.parametrize("road", ["probe", "test", "check --live", "watch"])
@pytest.mark.parametrize("name", LOST)
def test_why_it_is_not_read_is_said_by_every_road(
    name: str, road: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, told = LOST[name]
    assert ROADS[road](way(case, substation, tmp_path)) == 1
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())


@pytest.mark.parametrize("road", ["probe", "test", "check --live", "watch"])
@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ({"lacks": frozenset({"1-0:1.7.0"})}, "no such object"),
        ({"units": {"active_power_w": 28}}, "the meter counts it in VA, and it has to be W"),
        ({"scalers": {"active_power_w": -13}}, "a scaler and unit that cannot be"),
    ],
)
def test_without_its_power_the_rest_is_no_reading(
    objects: Mapping[str, Any],
    told: str,
    road: str,
    substation: Substation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = ROADS[road](way(Case(objects=objects), substation, tmp_path))
    out = " ".join(capsys.readouterr().out.split()).partition("surplus surplus")[0]
    assert told in out
    assert "812.5 kW" not in out
    assert status == (0 if road == "watch" else 1)


def test_what_it_has_not_got_and_what_it_does_not_give_now_are_told_apart(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lacks, busy = frozenset({"1-0:2.8.0"}), frozenset({"1-0:1.8.0"})
    assert ROADS["test"](way(Case(objects={"lacks": lacks}), substation, tmp_path)) == 0
    assert "- not in this meter: export counter" in capsys.readouterr().out
    assert ROADS["test"](way(Case(objects={"busy": busy}), substation, tmp_path)) == 1
    assert "! import counter: refused for now, temporary failure (access result 2)" in capsys.readouterr().out


@pytest.mark.parametrize("transport", ["wrapper", "hdlc_over_tcp"])
def test_the_other_transport_is_named_where_that_one_is_answered(
    transport: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = way(
        on_hdlc(timeout="300 ms") if transport == "hdlc_over_tcp" else Case(timeout="300 ms"), substation, tmp_path
    )
    other = "wrapper" if transport == "hdlc_over_tcp" else "hdlc_over_tcp"
    assert main(["meter", "probe", there.at, "--transport", other, "--client", "1", "--timeout", "300 ms"]) == 1
    assert f"It answers with --transport {transport}" in " ".join(capsys.readouterr().err.split())


def test_a_meter_whose_only_connection_is_taken_is_said_to_be(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    habits = LineHabits(connections=1)
    there = way(Case(habits=lambda: habits), substation, tmp_path)
    with socket.create_connection(("127.0.0.1", there.port)) as holder:
        until(lambda: habits.there == 1, "the other client is connected")
        assert ROADS["test"](there) == 1
        assert holder
    assert "is another client connected?" in " ".join(capsys.readouterr().out.split())


def test_a_meter_that_cannot_be_asked_so_often_is_told(
    substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = way(Case(habits=lambda: LineHabits(split_s=0.4), timeout="2 s"), substation, tmp_path)
    assert ROADS["check --live"](slow) == 1
    assert "one round of power and frequency of main took 0.8" in " ".join(capsys.readouterr().out.split())


def test_the_secrets_are_not_told(substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = way(CASES["challenges and ciphered messages"], substation, tmp_path)
    (tmp_path / "e.key").write_text("0123456789abcdef0123456789abcdeX\n")
    assert ROADS["check --live"](there) == 1
    out, err = capsys.readouterr()
    assert "e.key: found 32 characters, allowed is a key of 32 hexadecimal digits" in " ".join((out + err).split())
    assert "0123456789abcde" not in out + err
