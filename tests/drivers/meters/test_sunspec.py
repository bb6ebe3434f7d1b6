from __future__ import annotations

import asyncio

import pytest

from drivers.errors import DriverLoss
from drivers.meters.sunspec import END, MARKER, find_model

MODELS = (211, 212, 213, 214)


def reader(words: dict[int, int]):
    async def read(fc: int, address: int, count: int):
        assert fc == 3
        if address not in words:
            return "exception 2 (illegal data address)"
        return [words.get(each, 0) for each in range(address, address + count)]

    return read


def chain(base: int, *models: tuple[int, int], end: bool = True) -> dict[int, int]:
    words = {base: MARKER[0], base + 1: MARKER[1]}
    address = base + 2
    for model, length in models:
        words |= {address: model, address + 1: length}
        address += 2 + length
    return words | ({address: END} if end else {})


@pytest.mark.parametrize("base", [40000, 50000, 0])
def test_the_model_is_found_behind_the_marker_at_each_of_the_three_places(base):
    words = chain(base, (1, 66), (12, 98), (213, 124))
    assert asyncio.run(find_model(reader(words), MODELS)) == base + 2 + 68 + 100


def test_a_register_that_only_looks_like_half_a_marker_is_passed_over():
    words = {40000: MARKER[0], 40001: 0} | chain(50000, (214, 124))
    assert asyncio.run(find_model(reader(words), MODELS)) == 50002


def test_a_meter_without_marker_or_model_is_a_loss_that_says_what_is_there():
    with pytest.raises(DriverLoss, match="no SunSpec marker at 40000, 50000, 0"):
        asyncio.run(find_model(reader({}), MODELS))
    with pytest.raises(DriverLoss, match=r"no SunSpec model 211, 212, 213, 214; the meter has \[1, 203\]"):
        asyncio.run(find_model(reader(chain(0, (1, 66), (203, 105))), MODELS))


def test_a_chain_without_end_ends_the_walk():
    with pytest.raises(DriverLoss, match="the meter has"):
        asyncio.run(find_model(reader(chain(40000, (1, 66), end=False)), MODELS))

    async def endless(_fc: int, address: int, _count: int):
        return MARKER if address == 40000 else [1, 0]

    with pytest.raises(DriverLoss, match="the meter has"):
        asyncio.run(find_model(endless, MODELS))
