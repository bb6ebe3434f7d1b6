from __future__ import annotations

import asyncio

import pytest

from drivers.errors import DriverLoss
from drivers.meters.sunspec import BASES, END, MARKER, ChainSearch, maker_and_model, pick
from drivers.modbus.line import NoAnswer

MODELS = (211, 212, 213, 214)


def reader(words: dict[int, int]):
    async def read(fc: int, address: int, count: int):
        assert fc == 3
        if address not in words:
            return "exception 2 (illegal data address)"
        return [words.get(each, 0) for each in range(address, address + count)]

    return read


def find_model(read, models, nth: int = 1) -> int:
    async def find() -> int:
        return pick(await ChainSearch().chain(read), models, nth)

    return asyncio.run(find())


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
    assert find_model(reader(words), MODELS) == base + 2 + 68 + 100


def test_a_register_that_only_looks_like_half_a_marker_is_passed_over():
    words = {40000: MARKER[0], 40001: 0} | chain(50000, (214, 124))
    assert find_model(reader(words), MODELS) == 50002


def test_a_meter_without_marker_or_model_is_a_loss_that_says_what_is_there():
    with pytest.raises(DriverLoss, match="no SunSpec marker at 40000, 50000, 0"):
        find_model(reader({}), MODELS)
    with pytest.raises(DriverLoss, match=r"no SunSpec model 211, 212, 213, 214; the meter has \[1, 203\]"):
        find_model(reader(chain(0, (1, 66), (203, 105))), MODELS)


def test_a_chain_without_end_ends_the_walk():
    with pytest.raises(DriverLoss, match="the meter has"):
        find_model(reader(chain(40000, (1, 66), end=False)), MODELS)

    async def endless(_fc: int, address: int, _count: int):
        return MARKER if address == 40000 else [1, 0]

    with pytest.raises(DriverLoss, match="the meter has"):
        find_model(endless, MODELS)


def test_of_several_models_of_a_kind_the_one_that_is_wanted_is_found():
    words = chain(0, (1, 66), (203, 105), (1, 66), (203, 105))
    assert find_model(reader(words), (203,)) == 2 + 68
    assert find_model(reader(words), (203,), nth=2) == 2 + 68 + 107 + 68
    with pytest.raises(DriverLoss, match="no SunSpec model 203 number 3; the meter has 2 of it"):
        find_model(reader(words), (203,), nth=3)


@pytest.mark.parametrize("base", BASES)
def test_a_silence_at_one_place_leaves_the_others_to_the_next_attempts(base):
    words, asked = chain(base, (1, 66), (213, 124)), []

    async def read(fc: int, address: int, count: int):
        asked.append(address)
        if address not in words:
            raise NoAnswer("nothing")
        return await reader(words)(fc, address, count)

    async def scenario() -> None:
        search = ChainSearch()
        for _ in range(BASES.index(base)):
            with pytest.raises(NoAnswer):
                await search.chain(read)
            assert search.hopeful
        assert (await search.chain(read)).ids == (1, 213)
        asked.clear()
        assert (await search.chain(read)).ids == (1, 213)
        assert asked[0] == base, "where it stood last"

    asyncio.run(scenario())


def test_when_all_places_were_silent_there_is_no_hope():
    async def read(fc: int, address: int, count: int):
        raise NoAnswer("nothing")

    async def scenario() -> None:
        search = ChainSearch()
        hopes = []
        for _ in range(6):
            with pytest.raises(NoAnswer):
                await search.chain(read)
            hopes.append(search.hopeful)
        assert hopes == [True, True, False] * 2

    asyncio.run(scenario())


def test_the_meter_says_who_made_it():
    words = chain(40000, (1, 66))
    for index, word in enumerate(b"SolarEdge \0".ljust(32, b"\0")):
        words[40004 + index // 2] = words.get(40004 + index // 2, 0) << 8 | word
    words |= {40020: 0x574E, 40021: 0x4400}

    async def scenario() -> str:
        read = reader(words)
        return await maker_and_model(read, await ChainSearch().chain(read))

    assert asyncio.run(scenario()) == "SolarEdge WND"


def test_a_chain_is_followed_no_further_than_to_the_model_that_is_wanted_and_may_end_in_silence():
    words, asked = chain(40000, (1, 66), (203, 105), (203, 105), end=False), []

    async def read(fc: int, address: int, count: int):
        asked.append(address)
        if address not in words:
            raise NoAnswer("nothing")
        return await reader(words)(fc, address, count)

    async def scenario() -> None:
        assert (await ChainSearch().chain(read, (203,))).ids == (1, 203)
        assert max(asked) == 40070
        assert (await ChainSearch().chain(read, (203,), 2)).ids == (1, 203, 203)
        assert (await ChainSearch().chain(read)).ids == (1, 203, 203), "it ends in silence"

    asyncio.run(scenario())
