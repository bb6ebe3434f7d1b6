"""The server as a task of the daemon's loop."""

import asyncio
import gc
import signal
import socket
import weakref

import httpx
import pytest
from fastapi import FastAPI

from controller.api.door import Doorkeeper
from controller.api.serve import serve
from controller.api.visitor import Visitor
from drivers.errors import ConfigError
from tests.waiting import DEADLINE_S


def make_app(inside: asyncio.Event | None = None) -> FastAPI:
    app = FastAPI()

    @app.get("/slow")
    async def slow() -> str:
        inside.set()
        await asyncio.sleep(0.3)
        return "done"

    return app


async def start(app):
    port = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(app, Doorkeeper((), (), print), "127.0.0.1", 0, port.set_result))
    return task, await asyncio.wait_for(port, DEADLINE_S)


def test_a_cancelled_server_finishes_what_is_under_way():
    async def main():
        inside = asyncio.Event()
        task, port = await start(make_app(inside))
        async with httpx.AsyncClient(timeout=DEADLINE_S) as http:
            request = asyncio.create_task(http.get(f"http://127.0.0.1:{port}/slow"))
            await asyncio.wait_for(inside.wait(), DEADLINE_S)
            task.cancel()
            answer = await request
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, DEADLINE_S)
            with pytest.raises(httpx.ConnectError):
                await http.get(f"http://127.0.0.1:{port}/slow")
        return answer

    assert asyncio.run(main()).json() == "done"


def test_the_signals_stay_with_the_daemon():
    async def main():
        before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        task, _ = await start(make_app())
        during = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert during == before

    asyncio.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "no.such.host.invalid"])
def test_an_address_that_cannot_be_had_is_an_error_of_the_configuration(host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on {host}:{port}"):
            asyncio.run(serve(make_app(), Doorkeeper((), (), print), host, port))


def test_connections_that_have_ended_take_no_memory(monkeypatch):
    """Five thousand a second may come and go: if each had to wait for the collector, they would take megabytes."""
    made = weakref.WeakSet()

    class Remembered(Visitor):
        def __init__(self, *arguments, **given):
            super().__init__(*arguments, **given)
            made.add(self)

    monkeypatch.setattr("controller.api.serve.Visitor", Remembered)

    async def main():
        task, port = await start(make_app())
        for _ in range(20):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), DEADLINE_S)
            writer.close()
        left = len(made)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return left

    gc.disable()
    try:
        # The last one may still be on its way out.
        assert asyncio.run(main()) <= 1
    finally:
        gc.enable()
