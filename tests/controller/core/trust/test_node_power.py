from dataclasses import replace

import numpy as np
import pytest

from controller.core.snapshot import MeterColumns
from controller.core.trust.node_power import node_power, trust_meters
from tests.controller.core.world import meter_columns, site

NOW_S = 100.0
SITE = site()


def meters(power=(50e3, 50e3), age=(0.5, 0.5), sane=(True, True), **texts) -> MeterColumns:
    return meter_columns(power, NOW_S - np.array(age), sane, **texts)


@pytest.mark.parametrize(
    ("columns", "watts"),
    [
        (meters(power=(50e3, 52e3)), 52e3),
        (meters(power=(50e3, 52e3), age=(0.5, 4.0)), 50e3),
        (meters(power=(50e3, 52e6)), 50e3),
        (meters(power=(50e3, 52e3), sane=(True, False)), 50e3),
        (meters(power=(-50e3, 52e3)), 52e3),
    ],
)
def test_the_larger_believable_load_counts(columns, watts):
    power = node_power(SITE, columns, NOW_S)
    assert power.known[0]
    assert power.watts[0] == watts


def test_nothing_is_known_without_a_fresh_meter():
    assert not node_power(SITE, meters(age=(4.0, float("inf"))), NOW_S).known.any()


@pytest.mark.parametrize(
    ("columns", "words", "lost"),
    [
        (meters(), [], False),
        (meters(age=(0.5, 3.5)), ["main is silent"], False),
        (meters(age=(3.5, 3.5)), ["check is silent", "main is silent"], False),
        (meters(age=(10.5, 10.5)), ["check is silent", "main is silent"], True),
        (meters(age=(0.5, float("inf"))), ["main has never been read"], False),
        (meters(power=(50e3, 50e6)), ["main shows more than 120% of its rating"], False),
        (meters(sane=(False, True), doubts=("shows no 50 Hz", "")), ["meter check shows no 50 Hz"], False),
        (meters(doubts=("", "stands still")), ["meter main stands still"], False),
        (meters(age=(0.5, 3.5), unusable=("", "NaN marks it")), ["main gives no value: NaN marks it"], False),
        (meters(age=(0.5, 0.5), unusable=("", "NaN marks it")), [], False),
    ],
)
def test_what_is_in_doubt_is_said(columns, words, lost):
    trust = trust_meters(SITE, columns, NOW_S)
    assert len(trust.doubts) == len(words)
    assert all(word in text for word, text in zip(words, trust.doubts, strict=True))
    assert bool(trust.lost) is lost


def test_a_meter_elsewhere_does_not_stand_in_for_the_sites_own():
    elsewhere = replace(SITE, meters=replace(SITE.meters, node=np.array([0, 2], dtype=np.int64)))
    assert trust_meters(elsewhere, meters(age=(11.0, 0.5)), NOW_S).lost
