"""The page `meter-not-read.md` is true: each text that it names is said, and the line beside it mends the meter."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from controller.cli import main
from simulators.substation.dlms_server import DlmsUnit, LineHabits, Manners, Objects
from simulators.substation.encoder import SunspecChain, encode, read_data
from simulators.substation.modbus_server import Habits, Unit
from tests.controller.commands.substation import SOUND, Substation, site_file, unit
from tests.ports import free_port
from tests.waiting import until

PAGE = Path(__file__).parents[3] / "docs/meter-not-read.md"
#: The part that `test_opcua_not_read.py` tries.
OPCUA = "## OPC UA servers"
JSON = "## It sends JSON"
PM, PAC = "schneider_pm5xxx", "siemens_pac3200_4200"


@dataclass(frozen=True, kw_only=True)
class Ill:
    """A meter that is not read: `keys` of the site file, and what says why."""

    keys: Mapping[str, str]
    ends: ExitStack = field(default_factory=ExitStack)


Made = Callable[[Substation], Ill]


def rows(of: str = "") -> Iterator[tuple[str, str]]:
    """Yield what is said, and the line that mends it, of each row of the page: of one part, else of all without tests of their own."""
    parts = re.split(r"^(?=## )", PAGE.read_text(), flags=re.MULTILINE)
    wanted = (part for part in parts if (part.startswith(of) if of else not part.startswith((OPCUA, JSON))))
    yield from table_rows("".join(wanted))


def table_rows(text: str) -> Iterator[tuple[str, str]]:
    """Yield the first and the last cell of each row of the tables in a text."""
    for line in text.splitlines():
        cells = re.split(r"(?<=\s)\|(?=\s)|^\|\s|\s\|$", line)
        if line.startswith("| `") and len(cells) == 5:
            yield cells[1].strip(), cells[3].strip().strip("`")


def quoted(cell: str) -> str:
    """Return the words between the backticks; what stands behind them is for people."""
    found = re.match(r"``(.+?)``|`(.+?)`", cell)
    assert found, cell
    return (found[1] or found[2]).removesuffix("...").strip()


def meter(profile: str = PM, *, keys: str = "", by_unit: Mapping[int, Unit] | None = None, **server: object) -> Made:
    def made(substation: Substation) -> Ill:
        port = substation.serve(by_unit or unit(profile), **server)
        given = dict(each.split(": ", 1) for each in keys.split(", ") if each)
        return Ill(keys={"port": str(port), "profile": profile} | given)

    return made


def two(**faults: object) -> dict[int, Unit]:
    """Nobody sound at unit 1, a meter at unit 7."""
    return {1: unit(PM, **faults), 7: unit(PM)}


def held(substation: Substation) -> Ill:
    habits, stack = Habits(connections=1), ExitStack()
    port = substation.serve(unit(PM), habits=habits)
    stack.callback(until, lambda: habits.there == 0, "the other client has gone")
    stack.enter_context(socket.create_connection(("127.0.0.1", port)))
    until(lambda: habits.there == 1, "the other client is connected")
    return Ill(keys={"port": str(port), "profile": PM}, ends=stack)


def elsewhere(substation: Substation) -> Ill:
    return Ill(keys={"port": str(free_port()), "profile": PM, "mended": str(substation.serve(unit(PM)))})


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(64)
    writer.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    writer.close()


def a_web_page(substation: Substation) -> Ill:
    port = substation.keep(substation.call(asyncio.start_server(_refuse, "127.0.0.1", 0)))
    return Ill(keys={"port": str(port), "profile": PM, "mended": str(substation.serve(unit(PM)))})


def chained(profile: str, keys: str = "", **chain: int) -> Made:
    def made(substation: Substation) -> Ill:
        shown = unit("sunspec_203")
        image = encode(read_data("sunspec_203"), SOUND, sunspec=SunspecChain(**chain))
        shown.image = lambda: image
        given = dict(each.split(": ", 1) for each in keys.split(", ") if each)
        return Ill(keys={"port": str(substation.serve(shown)), "profile": profile} | given)

    return made


def answering_otherwise(transport: str, framing: str, answers: str) -> Made:
    """A server whose answers are of the other transport; the mended one takes its requests so, too."""

    def made(substation: Substation) -> Ill:
        port = substation.serve(unit(PM), framing=framing, answers=answers)
        mended = substation.serve(unit(PM), framing=answers)
        return Ill(keys={"port": str(port), "profile": PM, "transport": transport, "mended": str(mended)})

    return made


def refusing(refused: int | None) -> Made:
    def made(substation: Substation) -> Ill:
        shown = unit(PAC, unmapped="exception", refusal=refused)
        image = {key: word for key, word in shown.image().items() if key[1] < 801}
        whole = shown.image()
        shown.image = lambda: image
        mended = unit(PAC)
        mended.image = lambda: whole
        ports = {"port": str(substation.serve(shown)), "mended": str(substation.serve(mended))}
        return Ill(keys=ports | {"profile": PAC})

    return made


def slow(substation: Substation) -> Ill:
    units = {number: unit(PAC, delay_s=0.15) for number in range(1, 7)}
    return Ill(keys={"port": str(substation.serve(units)), "profile": PAC, "poll": "500 ms", "meters": "6"})


def dlms(
    keys: str = "client: 1",
    /,
    *,
    shown: Mapping[str, object] = MappingProxyType({}),
    physical: int | None = None,
    **manners: object,
) -> Made:
    """A meter on DLMS: what it shows, and how it behaves."""

    def made(substation: Substation) -> Ill:
        port = substation.serve_dlms(
            {physical or 1: _dlms_unit(shown, manners)}, framing="wrapper" if physical is None else "hdlc"
        )
        mended = substation.serve_dlms(_dlms_unit({}, {}))
        given = dict(each.split(": ", 1) for each in keys.split(", "))
        return Ill(keys={"port": str(port), "profile": "dlms_electricity"} | given | {"sound": str(mended)})

    return made


def _dlms_unit(shown: Mapping[str, object], manners: Mapping[str, object]) -> DlmsUnit:
    objects = Objects(**{"profile": "dlms_electricity", "values": SOUND, **shown})  # type: ignore[arg-type]
    return DlmsUnit(objects=objects, manners=Manners(**manners))  # type: ignore[arg-type]


def slow_dlms(substation: Substation) -> Ill:
    port = substation.serve_dlms(_dlms_unit({}, {}), habits=LineHabits(late_s=[0.6] * 500))
    return Ill(keys={"port": str(port), "profile": "dlms_electricity", "client": "1"})


KEYS = bytes(range(16)), bytes(range(16, 32))
HIGH = "client: 1, authentication: high, encryption_key_file: e.key, authentication_key_file: a.key"

#: Row of the page, by its first cell (and the line, where that stands twice) -> a meter of which it is said.
ROWS: dict[tuple[str, str], Made] = {
    ("accepts no connection:", "port: PORT"): elsewhere,
    ("the other side closed the connection without an answer", "-"): held,
    (
        "not a byte: another unit, `transport: rtu_over_tcp`, or another client on its only connection?",
        "unit: 7",
    ): meter(by_unit=two(mute=True)),
    ("not a byte: another unit,", "transport: rtu_over_tcp"): meter(framing="rtu"),
    (
        "not a byte: another unit, `transport: tcp`, or another baud rate or parity in the device server?",
        "transport: tcp",
    ): meter(keys="transport: rtu_over_tcp"),
    ("exception 11 (gateway target did not respond)", "unit: 7"): meter(by_unit={7: unit(PM)}),
    ("exception 10 (gateway path unavailable)", "unit: 7"): meter(by_unit=two(exception=10)),
    ("only a late one of unit 1", "timeout: 2 s"): meter(PAC, by_unit={1: unit(PAC, late_s=0.7)}),
    ("allowed is 1 to 247 on a serial line", "unit: 1"): meter(framing="rtu", keys="transport: rtu_over_tcp, unit: 0"),
    ("with `unit: any` they are taken", "unit: any"): meter(by_unit={1: unit(PM, unit_shift=-1)}),
    ("with `ignore_transaction: true` it is taken", "ignore_transaction: true"): meter(by_unit={1: unit(PM, number=0)}),
    ("an RTU frame: with `transport: rtu_over_tcp` it is read", "transport: rtu_over_tcp"): answering_otherwise(
        "tcp", "tcp", "rtu"
    ),
    ("a frame of Modbus TCP: with `transport: tcp` it is read", "transport: tcp"): answering_otherwise(
        "rtu_over_tcp", "rtu", "tcp"
    ),
    ("bytes that are not Modbus TCP: 0x", "port: PORT"): a_web_page,
    ("not read: exception 2 (illegal data address)", f"profile: {PAC}"): meter(
        PAC, keys="profile: schneider_pm5xxx", by_unit={1: unit(PAC, unmapped="exception")}
    ),
    ("not in this meter:", "-"): refusing(2),
    ("refused for now, exception 6 (server device busy)", "poll_slow: 60 s"): refusing(6),
    ("no SunSpec marker at 40000, 50000, 0", f"profile: {PM}"): meter(
        PM, keys="profile: sunspec_203", by_unit={1: unit(PM, unmapped="exception")}
    ),
    ("no SunSpec model 211, 212, 213, 214; the meter has [1, 201]", "profile: sunspec_203"): chained("sunspec_213"),
    ("no SunSpec model 201 number 3; the meter has 2 of it", "nth: 2"): chained(
        "sunspec_203", "model: 201, nth: 3", meters=2, nth=2
    ),
    ("whose power is in doubt", "power_unit: kW"): meter(PM, keys="profile: schneider_pm8000"),
    ("whose power is in doubt", "confirmed: true"): meter("schneider_pm8000"),
    ("one round of power and frequency of", "poll: 4 s"): slow,
    ("not a byte: another client or server address,", "transport: hdlc_over_tcp"): dlms("client: 1", physical=1),
    ("not a byte: another client, server or physical address,", "physical: 17"): dlms(
        "client: 1, transport: hdlc_over_tcp", physical=17
    ),
    ("is the client one that the meter knows?", "client: 1"): dlms("client: 5"),
    ("it does not know this kind of authentication for this client", "client: 1"): dlms(
        "client: 16, authentication: low, password_file: right.password", password=b"right"
    ),
    ("it wants an authentication:", "authentication: low, password_file: right.password"): dlms(password=b"right"),
    (
        "the authentication failed: wrong password or key, or another client",
        "password_file: right.password",
    ): dlms("client: 1, authentication: low, password_file: wrong.password", password=b"right"),
    ("the public client finds no counter in", "counter: 0-0:43.1.1"): dlms(
        HIGH, shown={"counter_object": 1}, keys=KEYS
    ),
    ("active power: no such object (access result 4)", "profile: dlms_electricity_net"): dlms(
        shown={"profile": "dlms_electricity_net"}
    ),
    ("the meter counts it in VA, and it has to be W", "-"): dlms(shown={"units": {"active_power_w": 28}}),
    ("no answer within 0.3 s, not a byte: another client or server address", "timeout: 2 s"): slow_dlms,
}


def test_every_row_of_the_page_is_tried() -> None:
    assert {(quoted(cell), line) for cell, line in rows()} == set(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[" -> ".join(row) for row in ROWS])
def test_a_row_of_the_page_is_said_and_its_line_mends_the_meter(
    row: tuple[str, str], substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, line = row
    ill = ROWS[row](substation)
    for name, content in (
        ("right.password", "right"),
        ("wrong.password", "wrong"),
        ("e.key", KEYS[0].hex()),
        ("a.key", KEYS[1].hex()),
    ):
        (tmp_path / name).write_text(content)
    with ill.ends:
        status = main(["check", "--live", str(_site(substation, tmp_path, ill.keys))])
        out = " ".join("".join(capsys.readouterr()).split())
        assert said in out
        assert status == (0 if row == ("not in this meter:", "-") else 1)
    key, _, value = line.partition(": ")
    mended = {**ill.keys, "port": ill.keys.get("mended", ill.keys["port"])} | ({key: value} if value else {})
    if line == "-" and "sound" in ill.keys:
        mended["port"] = ill.keys["sound"]
    if value == "PORT":
        mended["port"] = ill.keys["mended"]
    assert main(["check", "--live", str(_site(substation, tmp_path, mended))]) == 0, capsys.readouterr()


def _site(substation: Substation, folder: Path, keys: Mapping[str, str]) -> Path:
    plain = {"timeout": "300 ms", "poll": "1 s"} | {
        name: each for name, each in keys.items() if name not in {"mended", "meters", "sound"}
    }
    count = int(keys.get("meters", "1"))
    meters = {
        f"m{number}": f"{{host: 127.0.0.1, {', '.join(f'{name}: {each}' for name, each in ({'unit': str(number)} | plain if count > 1 else plain).items())}}}"
        for number in range(1, count + 1)
    }
    port = substation.serve(unit(PM))
    return site_file(folder, meters, f"{{host: 127.0.0.1, port: {port}, profile: {PM}}}")
