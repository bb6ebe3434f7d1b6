"""Simulated gateways that send JSON, on real sockets and through a real broker, and the way to one of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from simulators.substation.gateway import Gateway, GatewayFaults, GatewayLogin
from simulators.substation.http_gateway import serve_http
from simulators.substation.messages import read_message_data
from simulators.substation.mqtt_gateway import connected, send_forever
from tests.controller.commands.roads import Way
from tests.controller.commands.substation import SOUND, Substation, site_file, unit

#: The feeder of `SOUND` as a meter of one phase shows it.
ONE_PHASE: dict[str, float] = {**SOUND, "current_l1_a": 3_600.0, "reactive_power_var": 120_000.0}
#: What the source of the surplus shows, which no case looks at.
OTHER: dict[str, float] = {name: value / 4 if name[-2:] in {"_w", "_a"} else value for name, value in SOUND.items()}
#: Where a simulated gateway sends to.
TOPIC = "site/feeder"
SENDS_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class GatewayWay(Way):
    """The way to a gateway: `source` are the keys of its mapping in the site file, `address` what the command line says."""

    source: Mapping[str, str]
    address: str

    @property
    def site(self) -> Path:
        given = ", ".join(f"{key}: {value}" for key, value in self.source.items())
        surplus = f"{{host: 127.0.0.1, port: {self.surplus_port}, profile: schneider_pm5xxx, poll: 100 ms}}"
        return site_file(self.folder, {"main": f"{{{given}}}"}, surplus)

    @property
    def at(self) -> str:
        return self.address


def gateway(profile: str, *, login: GatewayLogin | None = None, **faults: object) -> Gateway:
    """A gateway of this profile that shows the sound values."""
    data = read_message_data(profile)
    three = any(name.endswith("_l3_w") for name in data["fields"]) or "l3" in str(data["fields"])
    return Gateway(
        data=data,
        values=SOUND if three else ONE_PHASE,
        faults=GatewayFaults(**faults),  # type: ignore[arg-type]
        login=login or GatewayLogin(),
    )


def over_http(
    substation: Substation, folder: Path, served: Gateway, keys: Mapping[str, str], **more: object
) -> GatewayWay:
    """Serve a gateway, and return the way to it."""
    port = substation.keep(substation.call(serve_http(served)))
    path = served.data.get("path", "") or "/api/states/sensor.grid_power"
    url = f"http://127.0.0.1:{port}{'' if 'path' in served.data else path}"
    profile = served.data["id"]
    return GatewayWay(
        port=port,
        surplus_port=substation.serve(unit("schneider_pm5xxx", OTHER)),
        folder=folder,
        profile=profile,
        source={"url": f'"{url}"', "profile": profile, "poll": "200 ms", "timeout": "2 s"} | keys,
        address=url,
        **more,  # type: ignore[arg-type]
    )


@contextlib.contextmanager
def over_mqtt(
    substation: Substation, folder: Path, served: Gateway, port: int, keys: Mapping[str, str], **more: object
) -> Iterator[GatewayWay]:
    """Have a gateway send to the broker at `port`; yields the way to it."""
    client = connected("127.0.0.1", port)
    sending = asyncio.run_coroutine_threadsafe(send_forever(served, client, TOPIC, SENDS_EVERY_S), substation.loop)
    profile = served.data["id"]
    try:
        yield GatewayWay(
            port=port,
            surplus_port=substation.serve(unit("schneider_pm5xxx", OTHER)),
            folder=folder,
            profile=profile,
            source={"host": "127.0.0.1", "port": str(port), "topic": TOPIC, "tls": "none", "profile": profile}
            | {"every": "300 ms", **keys},
            address=f"mqtt://127.0.0.1:{port}/{TOPIC}",
            **more,  # type: ignore[arg-type]
        )
    finally:
        sending.cancel()
        client.disconnect()
        client.loop_stop()
