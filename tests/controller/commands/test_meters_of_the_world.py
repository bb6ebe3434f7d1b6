"""Behaviours of real meters and gateways, each a case, each by all five roads: what one road reads, every road reads."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from controller.commands.meter import verdict
from simulators.substation.encoder import SunspecChain, encode, read_data
from simulators.substation.modbus_server import Habits
from tests.controller.commands.foreign import FOREIGN
from tests.controller.commands.roads import ROADS, Way
from tests.controller.commands.substation import SOUND, Substation, unit
from tests.waiting import until

PAC = "siemens_pac3200_4200"
PM = "schneider_pm5xxx"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One behaviour: `meter` and `server` are those of the simulated one, `keys` and `options` what reads it."""

    profile: str = PM
    number: int = 1
    meter: Mapping[str, Any] = field(default_factory=dict)
    server: Mapping[str, Any] = field(default_factory=dict)
    habits: Callable[[], Habits] = Habits
    keys: str = ""
    options: tuple[str, ...] = ()
    probe_options: tuple[str, ...] = ()
    test_options: tuple[str, ...] = ()
    image: Callable[[str], Mapping[tuple[int, int], int]] | None = None
    timeout: str = "300 ms"


def sunspec(chain: SunspecChain, values: Mapping[str, float] = SOUND) -> Callable[[str], Mapping[tuple[int, int], int]]:
    return lambda profile: encode(read_data(profile), values, sunspec=chain)


def two_meters(profile: str) -> Mapping[tuple[int, int], int]:
    """The second shows the sound values, the first a power that no case expects."""
    data, first, second = read_data(profile), SunspecChain(meters=2), SunspecChain(meters=2, nth=2)
    at = second.start(data["sunspec_models"][0])
    shown = encode(data, SOUND, sunspec=second)
    return encode(data, _quarter(SOUND), sunspec=first) | {key: word for key, word in shown.items() if key[1] >= at}


def _quarter(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value / 4 if name.endswith(("_w", "_a", "_var")) else value for name, value in values.items()}


def any_unit(shift: int, number: int) -> Case:
    return Case(meter={"unit_shift": shift}, number=number, keys="unit: any", options=("--unit", "any"))


def with_unit(number: int) -> Case:
    return Case(number=number, keys=f"unit: {number}", options=("--unit", str(number)))


NOTHING: Mapping[str, Any] = {"unmapped": "exception", "refusal": None}

CASES: dict[str, Case] = {
    # Unit ids
    "unit 0": with_unit(0),
    "unit 248": with_unit(248),
    "unit 255": with_unit(255),
    "asked as 1, answers as 0": any_unit(-1, 1),
    "asked as 1, answers as 255": any_unit(-2, 1),
    # SunSpec
    **{
        f"SunSpec at {base}, the other places are refused by {refusal or 'silence'}": Case(
            profile="sunspec_203",
            meter={"unmapped": "exception", "refusal": refusal},
            image=sunspec(SunspecChain(base=base)),
            timeout="100 ms" if refusal is None else "300 ms",
        )
        for base, refusal in (
            (0, "close"),
            (0, 2),
            (0, 4),
            (0, 10),
            (0, 11),
            (0, None),
            (40000, None),
            (50000, 4),
            (50000, None),
        )
    },
    "the second of two SunSpec meters": Case(
        profile="sunspec_203",
        image=two_meters,
        keys="model: 201, nth: 2",
        test_options=("--sunspec-model", "201", "--nth", "2"),
    ),
    **{
        f"SunSpec, {window} registers a request": Case(profile="sunspec_203", meter={"largest_block": window})
        for window in (50, 20, 10, 4, 2)
    },
    "a SunSpec meter of floats, 16 registers a request": Case(profile="sunspec_213", meter={"largest_block": 16}),
    # Connections
    "closes after each answer": Case(habits=lambda: Habits(close_after=1)),
    "closes after every second answer": Case(habits=lambda: Habits(close_after=2)),
    "closes after each answer, SunSpec": Case(profile="sunspec_203", habits=lambda: Habits(close_after=1)),
    "closes when nothing is asked": Case(habits=lambda: Habits(idle_s=0.03)),
    "has one connection only": Case(habits=lambda: Habits(connections=1)),
    # Refusals
    **{
        f"refuses unmapped registers by {refusal or 'silence'}": Case(
            profile=PAC,
            meter={"unmapped": "exception", "refusal": refusal},
            timeout="100 ms" if refusal is None else "300 ms",
            probe_options=("--patient",) if refusal in {None, 10, 11, "close"} else (),
        )
        for refusal in (1, 2, 3, 4, 5, 6, 8, 10, 11, None, "close")
    },
    "is busy at first": Case(meter={"exception": 6, "refused": 1}),
    # Frames
    "does not echo the transaction": Case(
        meter={"number": 0}, keys="ignore_transaction: true", options=("--ignore-transaction",)
    ),
    "a counted checksum behind each frame": Case(meter={"checksum": "counted"}),
    "an uncounted checksum behind each frame": Case(meter={"checksum": "uncounted"}),
    "a banner": Case(habits=lambda: Habits(banner=b"Welcome\r\n")),
    "zero bytes before each frame": Case(meter={"leading": bytes(4)}),
    "RTU frames on a TCP port": Case(
        server={"framing": "rtu"}, keys="transport: rtu_over_tcp", options=("--transport", "rtu_over_tcp")
    ),
    "answers in two parts": Case(meter={"split_s": 0.2}, timeout="800 ms"),
}


def served(substation: Substation, case: Case) -> int:
    changes = dict(case.meter)
    largest = changes.pop("largest_block", None)
    meter = unit(case.profile, **changes)
    if case.image is not None:
        image = case.image(case.profile)
        meter.image = lambda: image
    meter.largest_block = largest or meter.largest_block
    return substation.serve({case.number: meter}, habits=case.habits(), **case.server)


@pytest.fixture
def few_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the cases, so that a probe of a meter that is slow or silent is short."""
    monkeypatch.setattr(verdict, "bundled_profiles", lambda: (PM, PAC, "sunspec_203", "sunspec_213", "eastron_sdm630"))


@pytest.mark.usefixtures("few_profiles")
@pytest.mark.parametrize("name", CASES)
def test_what_one_road_reads_every_road_reads(
    name: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]
    way = Way(
        port=served(substation, case),
        surplus_port=substation.serve(unit(PM)),
        folder=tmp_path,
        profile=case.profile,
        keys=case.keys,
        options=case.options,
        probe_options=case.probe_options,
        test_options=case.test_options,
        timeout=case.timeout,
    )
    reads_all_by(way, capsys)


def reads_all_by(way: Way, capsys: pytest.CaptureFixture[str]) -> None:
    for road, take in ROADS.items():
        status = take(way)
        out, err = capsys.readouterr()
        assert status == 0, f"{road}: {out}{err}"
        if road == "probe":
            line = next(each for each in reversed(out.splitlines()) if way.profile in each)
            assert all(key in line for key in way.keys.split(", ")), out
            assert main(["check", str(way.site)]) == 0
            capsys.readouterr()
        else:
            assert "812.5 kW" in out or "813 kW" in out or "812 kW" in out, f"{road}: {out}{err}"


@pytest.mark.usefixtures("few_profiles")
@pytest.mark.parametrize("profile", [PM, PAC, "sunspec_203", "sunspec_213", "eastron_sdm630"])
@pytest.mark.parametrize("maker", FOREIGN)
def test_a_server_of_another_maker_is_read_by_every_road(
    maker: str, profile: str, substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FOREIGN[maker](encode(read_data(profile), SOUND)) as port:
        reads_all_by(Way(port=port, surplus_port=substation.serve(unit(PM)), folder=tmp_path, profile=profile), capsys)


def energies_refused(substation: Substation, folder: Path, refusal: int | None) -> Way:
    """A meter that has lost its counters: for good (1 to 3), or for now."""
    meter = unit(PAC, unmapped="exception", refusal=refusal)
    image = {key: word for key, word in meter.image().items() if key[1] < 801}
    meter.image = lambda: image
    return Way(
        port=substation.serve(meter),
        surplus_port=substation.serve(unit(PM)),
        folder=folder,
        profile=PAC,
        timeout="100 ms",
    )


@pytest.mark.parametrize("road", ["test", "check --live"])
@pytest.mark.parametrize(
    ("refusal", "status", "told"),
    [
        (2, 0, "- not in this meter: import counter, export counter"),
        (6, 1, "! import counter, export counter: refused for now, exception 6 (server device busy)"),
        (4, 1, "refused for now, exception 4 (server device failure)"),
        (10, 1, "! import counter, export counter: exception 10 (gateway path unavailable)"),
        (None, 1, "! import counter, export counter: no complete answer within 0.1 s, not a byte"),
    ],
)
def test_what_is_missing_for_good_and_what_is_missing_for_now_are_told_apart(
    refusal: int | None,
    status: int,
    told: str,
    road: str,
    substation: Substation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ROADS[road](energies_refused(substation, tmp_path, refusal)) == status
    out = " ".join(capsys.readouterr().out.split())
    assert told in out
    assert "812.5 kW" in out
    assert "230.5 / 230.5 / 230.5 V" in out, "the neighbours stay"


@pytest.mark.parametrize("road", ["probe", "test", "check --live", "watch", "daemon"])
@pytest.mark.parametrize(
    ("another", "told"),
    [
        ("closed", "is another client connected? Many have room for one only"),
        ("left", "or another client on its only connection?"),
    ],
)
def test_a_server_whose_only_connection_is_taken_is_said_to_be(
    another: str,
    told: str,
    road: str,
    substation: Substation,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    habits = Habits(connections=1, another=another)
    way = Way(
        port=substation.serve(unit(PM), habits=habits),
        surplus_port=substation.serve(unit(PM)),
        folder=tmp_path,
        profile=PM,
        timeout="100 ms",
    )
    with socket.create_connection(("127.0.0.1", way.port)) as holder:
        until(lambda: habits.there == 1, "the other client is connected")
        assert ROADS[road](way) == 1
        assert holder
    out, err = capsys.readouterr()
    assert told in " ".join((out + err).split())
