from __future__ import annotations

import asyncio
import time

import pytest

from simulators.devices import timeless


def test_an_hour_with_a_socket_takes_no_time_and_has_the_same_course_each_time() -> None:
    async def scene() -> list[tuple[float, bytes]]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                await asyncio.sleep(7.0)
                writer.write(line)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            seen = []
            for number in range(60):
                writer.write(b"%d\n" % number)
                seen.append((asyncio.get_running_loop().time(), await reader.readline()))
                await asyncio.sleep(53.0)
            writer.close()
            await asyncio.sleep(1.0)  # for the other end to be closed
        return seen

    began_s = time.thread_time()
    first = timeless.run(scene())
    assert first == [(60.0 * number, b"%d\n" % number) for number in range(60)]
    assert timeless.run(scene()) == first
    assert time.thread_time() - began_s < 30.0


def test_a_time_out_is_one_of_this_time() -> None:
    async def scene() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert timeless.run(scene()) == pytest.approx(1.5)


def test_a_scene_that_waits_for_nothing_is_told_so() -> None:
    async def scene() -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="nothing is under way"):
        timeless.run(scene())
