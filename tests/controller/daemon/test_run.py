"""The running site as a whole: what does not begin where nothing can be served."""

import asyncio
from types import SimpleNamespace

import pytest

from controller.daemon import run
from drivers.errors import ConfigError


class Ticker:
    started = stopped = False

    def start(self):
        self.started = True

    def stop(self):
        self.stopped = True


async def for_ever():
    await asyncio.Event().wait()


def nothing(*_, **__):
    return None


def test_where_nobody_can_reach_it_no_tick_calls_the_daemon_ready(monkeypatch):
    async def serve(_service, host, port, _listening):
        raise ConfigError(f"http: cannot listen on {host}:{port}")

    ticker, forever, store = Ticker(), SimpleNamespace(run=for_ever), SimpleNamespace(store=nothing)
    parts = SimpleNamespace(
        ticker=ticker,
        sources=forever,
        switchboard=forever,
        wall_clock=store,
        house=store,
        demand=store,
        notifier=SimpleNamespace(stopping=nothing, close=nothing),
        service=SimpleNamespace(decision=nothing, decision_now=nothing),
    )
    monkeypatch.setattr(run, "_assemble", lambda *_: parts)
    monkeypatch.setattr(run, "_settle_memory", nothing)
    site_file = SimpleNamespace(http=SimpleNamespace(listen=SimpleNamespace(host="127.0.0.1", port=1)))
    with pytest.raises(ConfigError, match=r"cannot listen on 127\.0\.0\.1:1"):
        asyncio.run(run.operate(site_file, None, None, None, None, asyncio.Event(), serve))
    assert (ticker.started, ticker.stopped) == (False, True)
