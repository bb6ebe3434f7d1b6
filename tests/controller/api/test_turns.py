"""Turns: a flood of one token keeps nobody else waiting, and what waits keeps nobody."""

import asyncio

from controller.api import turns
from controller.api.turns import EACH, Turns, end_turn


class Work:
    """Work that goes on until it is told to end."""

    def __init__(self) -> None:
        self.begun, self.over, self.ends = 0, asyncio.Event(), []
        self._more = asyncio.Condition()

    async def all_begun(self, count: int) -> None:
        async with self._more:
            await self._more.wait_for(lambda: self.begun >= count)

    async def __call__(self, end) -> None:
        self.begun += 1
        self.ends.append(end)
        async with self._more:
            self._more.notify_all()
        await self.over.wait()


async def turn_of_loop() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_of_one_token_a_few_are_worked_on_and_of_another_one_at_once():
    async def scene() -> None:
        all_of, flood, other = Turns(), Work(), Work()
        tasks = [asyncio.create_task(all_of.take("flood", flood)) for _ in range(20)]
        await turn_of_loop()
        assert flood.begun == EACH
        tasks.append(asyncio.create_task(all_of.take("other", other)))
        await turn_of_loop()
        assert other.begun == 1
        flood.over.set()
        other.over.set()
        await asyncio.gather(*tasks)
        assert flood.begun == 20

    asyncio.run(scene())


def test_what_is_about_to_wait_ends_its_turn_and_only_once():
    async def scene() -> None:
        all_of, flood = Turns(), Work()
        tasks = [asyncio.create_task(all_of.take("flood", flood)) for _ in range(20)]
        await turn_of_loop()
        scope = {"state": {"end_turn": flood.ends[0]}}
        end_turn(scope)
        end_turn(scope)
        end_turn({})
        await turn_of_loop()
        assert flood.begun == EACH + 1
        flood.over.set()
        await asyncio.gather(*tasks)

    asyncio.run(scene())


def test_what_takes_long_without_saying_so_ends_its_turn_too(monkeypatch):
    monkeypatch.setattr(turns, "LONG_S", 0.01)

    async def scene() -> None:
        all_of, flood = Turns(), Work()
        tasks = [asyncio.create_task(all_of.take("flood", flood)) for _ in range(3 * EACH)]
        await flood.all_begun(3 * EACH)
        flood.over.set()
        await asyncio.gather(*tasks)

    asyncio.run(asyncio.wait_for(scene(), 30.0))


def test_work_that_fails_or_is_given_up_ends_its_turn():
    async def failing(_end) -> None:
        raise ZeroDivisionError

    async def scene() -> None:
        all_of, hung = Turns(), Work()
        for _ in range(2 * EACH):
            await asyncio.gather(all_of.take("flood", failing), return_exceptions=True)
        given_up = [asyncio.create_task(all_of.take("flood", hung)) for _ in range(2 * EACH)]
        await turn_of_loop()
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        last = Work()
        last.over.set()
        await all_of.take("flood", last)
        assert last.begun == 1

    asyncio.run(scene())
