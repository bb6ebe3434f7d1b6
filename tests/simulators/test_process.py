from __future__ import annotations

import argparse
import asyncio
import os
import signal

import pytest

from simulators.process import announce_ready, split_address, until_signalled


@pytest.mark.parametrize("text", ["127.0.0.1:1883", "broker.local:1"])
def test_an_address(text: str) -> None:
    host, port = split_address(text)
    assert f"{host}:{port}" == text


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:port", "host:-1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="allowed is HOST:PORT"):
        split_address(text)


def test_the_ready_line_begins_with_ready(capsys: pytest.CaptureFixture[str]) -> None:
    announce_ready("world at 127.0.0.1:5")
    assert capsys.readouterr().out == "ready world at 127.0.0.1:5\n"


def test_a_signal_ends_the_work_and_its_tidying_up_is_done() -> None:
    done: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.sleep(10.0)
        finally:
            done.append("tidied")

    asyncio.run(until_signalled(work()))
    assert done == ["tidied"]


def test_a_failure_of_the_work_is_raised() -> None:
    async def work() -> None:
        raise OSError("port in use")

    with pytest.raises(OSError, match="port in use"):
        asyncio.run(until_signalled(work()))
