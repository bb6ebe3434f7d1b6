"""The part of `meter-not-read.md` on OPC UA is true: each text is said, and the line beside it mends the value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.cli import main
from drivers.meters.opcua.units import unit_id
from simulators.substation.opcua_server import NAMESPACE, Behaviour, Scada
from tests.controller.commands.substation import Substation
from tests.controller.commands.test_meter_not_read import OPCUA, quoted, rows
from tests.controller.commands.test_opcua_of_the_world import LOAD, OLD_S, begun, of_user, own, way_to
from tests.drivers.meters.opcua.serving import endpoint, make

NODE = "node: nsu=URI;s=Name"


@dataclass(frozen=True, kw_only=True)
class Ill:
    """A server of which something is said: `scada` is what it is, `node` and `keys` the site file.

    `mended`: the keys with the line, `healed` the server where no line helps, `good`: nothing is wrong with it.
    """

    scada: Mapping[str, Any] = field(default_factory=dict)
    node: str = LOAD
    keys: str = ""
    mended: str = ""
    healed: Mapping[str, Any] = field(default_factory=dict)
    secure: bool = False
    good: bool = False


def named(name: str, **changes: Any) -> dict[str, Any]:
    return {"unit": "MW", "stated_unit": "MW", "unit_name": name, "unit_id": -1} | changes


KW = {"stated_unit": "kW"}
QUOTED = 'unit: MW, unit_stated_as: "mw"'
GROSS = 'unit: MW, unit_stated_as: "MW gross"'

ROWS: dict[tuple[str, str], Ill] = {
    ("Connect call failed", "endpoint: opc.tcp://HOST:PORT/"): Ill(scada=KW),
    ("is neither a variable nor an object: BadNodeIdUnknown", NODE): Ill(scada=KW, node=f"nsu={NAMESPACE};s=Feeder8"),
    ("the server has no namespace", NODE): Ill(scada=KW, node="nsu=urn:elsewhere;s=Grid.Surplus"),
    ("leads nowhere: BadNoMatch", NODE): Ill(scada=KW, node=f"/nsu={NAMESPACE};Grid/Power"),
    ("states no unit that is known: the site file must name it", "unit: kW"): Ill(mended="unit: kW"),
    ("which may be MW or mW", QUOTED): Ill(scada=named("mw"), mended=QUOTED),
    ("states the unit MW gross, which is none of", GROSS): Ill(scada=named("MW gross"), keys="unit: MW", mended=GROSS),
    ("the site file says unit_stated_as:", "unit: MW"): Ill(scada=named("MW"), keys=QUOTED, mended="unit: MW"),
    ("is called: one of the two is wrong, and must be put right at the server", "-"): Ill(
        scada=named("MW", unit_id=unit_id("CEL")), healed=named("MW")
    ),
    ("the site file says MW: one of them is wrong", "unit: kW"): Ill(scada=KW, keys="unit: MW", mended="unit: kW"),
    ("the server tells no changes (BadTooManySubscriptions): read every 0.5 s", "-"): Ill(
        scada=KW | {"no_subscriptions": "BadTooManySubscriptions"}, good=True
    ),
    ("years behind the server's clock", "-"): Ill(scada=KW | {"behaviour": Behaviour(stamp_age_s=OLD_S)}, good=True),
    ("offers no Basic256Sha256 SignAndEncrypt, only", "mode: Sign"): Ill(
        scada=KW | {"modes": ("Sign",)}, mended="mode: Sign", secure=True
    ),
    ("BadIdentityTokenRejected", "user_certificate: user.der"): Ill(
        scada=KW | {"users": frozenset()}, mended="user_certificate: ", secure=True
    ),
    ("is unknown: neither it nor its issuer is in the trust list", "-"): Ill(scada=KW, secure=True),
}


def test_every_row_of_the_part_is_tried() -> None:
    assert {(quoted(cell), line) for cell, line in rows(OPCUA)} == set(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[" -> ".join(row) for row in ROWS])
def test_a_row_is_said_and_its_line_mends_the_value(
    row: tuple[str, str], substation: Substation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said, line = row
    ill = ROWS[row]
    changes, keys, mended = secured(ill, tmp_path, said) if ill.secure else (ill.scada, ill.keys, ill.mended)
    scada = begun(substation, Scada(endpoint=endpoint(), **changes))
    healed = begun(substation, Scada(endpoint=endpoint(), **ill.healed)) if ill.healed else scada
    at = endpoint() if line.startswith("endpoint") else scada.endpoint
    assert live(substation, tmp_path, at, ill.node, keys) == (0 if ill.good else 1)
    assert said in " ".join("".join(capsys.readouterr()).split())
    assert line == "-" or line.split(": ")[0] in mended or line.startswith(("node", "endpoint"))
    assert live(substation, tmp_path, healed.endpoint, LOAD, mended) == 0, capsys.readouterr()


def secured(ill: Ill, folder: Path, said: str) -> tuple[Mapping[str, Any], str, str]:
    """Return the server with a certificate, the keys of the site file, and those that are mended."""
    made, user = make(folder, "scada"), make(folder, "user")
    changes = {**ill.scada, "certificate": made.path, "private_key": made.key_path}
    mended = own(folder, made.path, "Sign" if "modes" in changes else "SignAndEncrypt")
    keys = mended.replace("mode: Sign,", "mode: SignAndEncrypt,")
    if "unknown" in said:
        keys = own(folder, make(folder, "another").path, "SignAndEncrypt")
    if "users" in changes:
        changes["users"], mended = frozenset({user.path.read_bytes()}), mended + of_user(user)
    return changes, keys, mended


def live(substation: Substation, folder: Path, at: str, node: str, keys: str) -> int:
    safely = keys if "security" in keys else f"security: none{keys and f', {keys}'}"
    return main(["check", "--live", str(way_to(substation, at, node, folder, safely).site)])
