"""Small integers end, coarse ones count in big steps: both are held against the site."""

import pytest

from controller.site.compile import compile_site
from controller.site.ranges import power_range


def resized(small: str, *, contract: str, rating: str, modbus: str) -> str:
    text = small.replace("contract: 100 kW", f"contract: {contract}").replace("rating: 120 kW", f"rating: {rating}")
    return text.replace("{host: 10.0.0.1, profile: schneider_pm5xxx}", f"{{host: 10.0.0.1, {modbus}}}")


@pytest.mark.parametrize(
    ("why", "contract", "rating", "modbus", "words"),
    [
        ("int16 kW", "33 MW", "33 MW", "profile: sel_751a",
         "meters[0].modbus.profile: found 'sel_751a', which ends at 32767 kW; allowed is one that reaches beyond"),
        ("int16 kW, turned round", "33 MW", "33 MW", "profile: sel_751a, sign: -1", "which ends at 32768 kW"),
        ("int16 kW, a rating too large alone", "30 MW", "33 MW", "profile: sel_751a",
         "meters[0].rating: found '33 MW'; allowed is at most 32767 kW, where its profile ends"),
        ("int16 kW that reaches", "30 MW", "32 MW", "profile: sel_751a", ""),
        ("int32 of 0.01 W", "22 MW", "22 MW", "profile: abb_b23_b24", "which ends at 21474.8365 kW"),
        ("the same with a ratio", "22 MW", "22 MW", "profile: abb_b23_b24, ct_ratio: 2", ""),
        ("LIN3 below the contract", "33 MW", "40 MW", "profile: satec_pm180, full_scale: 30 MW", "which ends at 30000 kW"),
        ("LIN3 that reaches", "33 MW", "40 MW", "profile: satec_pm180, full_scale: 108.6 MW", ""),
        ("a float has no end", "90 GW", "90 GW", "profile: schneider_pm5xxx", ""),
    ],
)  # fmt: skip
def test_a_profile_that_ends_below_the_site_is_a_mistake(
    small, load_text, complaints, why, contract, rating, modbus, words
):
    text = resized(small, contract=contract, rating=rating, modbus=modbus)
    if words:
        [line] = complaints(text)
        assert words in line, why
    else:
        load_text(text)


@pytest.mark.parametrize(
    ("modbus", "accuracy"),
    [
        ("profile: schneider_pm5xxx", 0.005),
        ("profile: sel_751a", 0.005 + 1e3 / 120e3),
        ("profile: carlo_gavazzi_em24", 0.005 + 0.1 / 120e3),
        ("profile: satec_pm180, full_scale: 130 kW", 0.005 + 260e3 / 9999 / 120e3),
    ],
)
def test_one_count_is_part_of_the_accuracy(small, load_text, modbus, accuracy):
    meters = compile_site(load_text(resized(small, contract="100 kW", rating="120 kW", modbus=modbus))).meters
    assert meters.accuracy[meters.ids.index("main")] == pytest.approx(accuracy)


def test_a_profile_that_cannot_be_read_is_judged_elsewhere(small, load_text):
    source = load_text(small).surplus.modbus
    assert source is not None
    assert power_range(source.model_copy(update={"profile": "nowhere.yaml"})) is None
    assert power_range(None) is None
