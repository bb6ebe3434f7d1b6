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


def described(name: str, description: str) -> ua.EUInformation:
    return ua.EUInformation(
        NamespaceUri=UNECE, UnitId=-1, DisplayName=ua.LocalizedText(name), Description=ua.LocalizedText(description)
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
        (stated("mW", "C31"), None, "W", 1e-3),
        (stated("milliwatts"), None, "W", 1e-3),
        # As plants write them
        *((stated(name), None, "W", 1e3) for name in ("KW", "kw", "Kw", "[kW]", "( kW )", "k W", "㎾", "Kilowatts")),
        *(
            (stated(name), None, "W", 1e6)
            for name in ("MW el", "MWel", "MW_el.", "MWe", "[MW(el)]", "Mw", "㎿", "MEGAWATT")
        ),
        *((stated(name), None, "W", 1e9) for name in ("gw", "[GW]")),
        *(
            (stated(name), None, "Wh", 1e6)
            for name in ("MWH", "Mwh", "[MW*h]", "MW.h", "Megawatt-hours".replace("-", " "))
        ),
        (stated("HZ"), None, "Hz", 1.0),
        (stated("mw", "MAW"), None, "W", 1e6),
        (described("mw", "megawatt"), None, "W", 1e6),
        ("kW", None, "W", 1e3),  # a property that is a plain text
        (ua.LocalizedText("KW"), None, "W", 1e3),
        (stated("active power", "MAW"), None, "W", 1e6),
        (stated("MW", 0), None, "W", 1e6),  # 0 and -1: the server has no number
        (stated("MW", 7), None, "W", 1e6),  # no code of UNECE
        (stated("MW", "CEL", "urn:vendor"), None, "W", 1e6),
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
        (
            stated("mw"),
            None,
            "W",
            "calls the unit 'mw', which may be MW or mW; who knows writes which of W, kW, MW, GW it is, and beside it unit_stated_as: \"mw\"",
        ),
        (stated("mW"), "MW", "W", "'mW', which may be MW or mW.* unit_stated_as: \"mW\""),
        (stated("mwh"), None, "Wh", "'mwh', which may be MWh or mWh"),
        *(
            (stated("MW", "CEL", namespace), None, "W", r"UnitId 4408652 \(UNECE CEL\) that is not MW as it is called")
            for namespace in (UNECE, None, "", f"{UNECE}/", UNECE.replace("www.", ""), UNECE.upper(), f" {UNECE}")
        ),
        (stated("°C", "MAW"), None, "W", "the unit MW by its UnitId and °C by its name"),
        (stated("[Mvar]", "MAW"), "MW", "W", r"the unit MW by its UnitId and \[Mvar\] by its name"),
        (stated("MW", "CEL"), "MW", "W", "must be put right at the server"),
        (described("MW", "kilowatt"), None, "W", "calls the unit 'MW' and describes it as 'kilowatt'"),
        (stated("MW th"), "MW", "W", 'states the unit MW th, which is none of .* unit_stated_as: "MW th"'),
        (stated("kW th"), "kW", "W", 'none of .*; if it is kW all the same, beside unit: kW unit_stated_as: "kW th"'),
        (stated("MVA"), "MW", "W", "states the unit MVA"),
        ("mw", None, "W", "may be MW or mW"),
    ],
)
def test_a_unit_that_is_not_clear_is_refused(unit, wanted, si, reason):
    with pytest.raises(UnitRefusedError, match=reason):
        factor(unit, wanted, si)


@pytest.mark.parametrize("name", ["mw", "mW", "MW brutto", "P [MW]", "MW th"])
def test_a_name_that_a_person_has_quoted_means_the_unit_that_the_person_names(name):
    assert factor(stated(name), "MW", "W", name) == 1e6


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (
            stated("MW el"),
            "calls the unit 'MW el', the site file says unit_stated_as: 'mw'",
        ),  # it has been put right since
        (stated("mw", "KWT"), "the unit kW by its UnitId and MW by its name"),
        (stated("mw", "CEL"), "UNECE CEL"),
        (None, "calls the unit ''"),
    ],
)
def test_a_quoted_name_settles_nothing_else(unit, reason):
    with pytest.raises(UnitRefusedError, match=reason):
        factor(unit, "MW", "W", "mw")


def test_a_quoted_name_that_is_clear_means_what_it_says():
    with pytest.raises(UnitRefusedError, match="states the unit kW, the site file says MW"):
        factor(stated("kW"), "MW", "W", "kW")
