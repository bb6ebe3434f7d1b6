"""Units as servers state them."""

from __future__ import annotations

import pytest
from asyncua import ua

from drivers.meters.opcua.units import UNECE, UnitRefusedError, factor, unit_id


def stated(name: str | None, code: str | int | None = None, namespace: str | None = UNECE) -> ua.EUInformation:
    number = unit_id(code) if isinstance(code, str) else -1 if code is None else code
    return ua.EUInformation(
        NamespaceUri=namespace, UnitId=number, DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(None)
    )


@pytest.mark.parametrize(
    ("unit", "wanted", "si", "expected"),
    [
        (stated("W", "WTT"), None, "W", 1.0),
        (stated("kW", "KWT"), None, "W", 1e3),
        (stated("MW", "MAW"), "MW", "W", 1e6),
        (stated("GW", "A90"), None, "W", 1e9),
        (stated(None, "KWT"), None, "W", 1e3),  # the number alone
        (stated("kW"), None, "W", 1e3),  # the name alone
        (stated("kW", 7, "urn:vendor"), None, "W", 1e3),  # a vendor's numbers mean nothing to us
        (stated("kilowatt"), None, "W", 1e3),
        (stated("mW"), None, "W", 1e-3),
        (stated("MW"), None, "W", 1e6),
        (stated("kW·h"), None, "Wh", 1e3),
        (stated("kWh", "KWH"), None, "Wh", 1e3),
        (stated("Wh", 5720146), None, "Wh", 1.0),
        (stated("Hz", "HTZ"), None, "Hz", 1.0),
        (None, "kW", "W", 1e3),
        (stated(""), "MW", "W", 1e6),
    ],
)
def test_the_factor_of_what_is_stated(unit, wanted, si, expected):
    assert factor(unit, wanted, si) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("unit", "wanted", "si", "reason"),
    [
        (None, None, "W", "states no unit that is known: the site file must name it"),
        (stated(None, 7, "urn:vendor"), None, "W", "UnitId 7 of 'urn:vendor'"),
        (stated("kW", "KWT"), "W", "W", "states the unit kW, the site file says W: one of them is wrong"),
        (stated("kW", "WTT"), None, "W", "the unit W by its UnitId and kW by its name"),
        (stated("kvar"), "kW", "W", "states the unit kvar, which is none of mW, W, kW"),
        (stated("kWh", "KWH"), None, "W", "states the unit kWh, which is none of"),
        (stated("W", "WTT"), None, "Wh", "states the unit W, which is none of"),
    ],
)
def test_a_unit_that_is_not_clear_is_refused(unit, wanted, si, reason):
    with pytest.raises(UnitRefusedError, match=reason):
        factor(unit, wanted, si)
