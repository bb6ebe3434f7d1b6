"""A meter that sends messages, for a person who is finding out what it is: read by the daemon's own drivers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import ValidationError

from controller.daemon.meters.payloads import broker_of, http_meter, mqtt_meter
from controller.site.check_access import UNPROTECTED, is_loopback
from controller.site.payload_sources import HttpSource, MqttSource
from drivers.errors import CommandLineWrong, DriverLoss
from drivers.meters.http.address import Url
from drivers.meters.http.poll import HttpAsking
from drivers.meters.mqtt.listen import GRACE_S, SILENT, listen_forever
from drivers.meters.payloads.profiles import PayloadProfile, Way
from drivers.meters.profiles import REQUIRED
from drivers.readings import Loss, Sample

#: After the first message that is read, other profiles' have so long to come.
_OTHERS_S: Final = 0.5
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReach:
    """Where it is. `keys`: of the site file, but for the profile, as they stand there; `listen_s`: of MQTT, how long."""

    way: Way
    address: str
    keys: Mapping[str, Any]
    path: str
    timeout_s: float
    listen_s: float

    @classmethod
    def of(cls, address: str, *, timeout_s: float, listen_s: float, unit: str | None, **options: Any) -> Self:
        """Return it from what stands on the command line; raises CommandLineWrong."""
        said = {
            key: str(value)
            for key, value in options.items()
            if value is not None and key in {"username", "password_file"}
        }
        said |= {"unit": unit} if unit else {}
        scheme, _, rest = address.partition("://")
        if scheme in _PORTS:
            keys, path = _mqtt_keys(scheme, rest, options), rest
        else:
            keys, path = _http_keys(address, options)
        return cls(
            way="mqtt" if scheme in _PORTS else "http",
            address=address,
            keys=keys | said,
            path=path,
            timeout_s=timeout_s,
            listen_s=listen_s,
        )

    def line(self, profile: str) -> str:
        """Return the line of the site file that reads the meter by a profile."""
        keys = {**self.keys, "profile": profile} | ({"unprotected": UNPROTECTED} if self.bare else {})
        return f"{self.way}: {{{', '.join(f'{key}: {_written(value)}' for key, value in keys.items())}}}"

    @property
    def bare(self) -> bool:
        """Whether somebody has to vouch for a connection that nothing protects."""
        host = self.keys["host"] if self.way == "mqtt" else Url.parse(self.keys["url"]).host
        secret = self.way == "mqtt" or {"token_file", "username"} & self.keys.keys()
        return bool(secret) and not isinstance(self.keys.get("tls"), dict) and not is_loopback(host)

    async def read(self, profiles: Sequence[str]) -> dict[str, Sample | Loss]:
        """Return what the meter shows by each profile, by its name. Raises ConfigError."""
        if self.way == "mqtt":
            return await self._listened(profiles)
        return {name: await self._asked(name) for name in profiles}

    async def _asked(self, name: str) -> Sample | Loss:
        with _said_wrong():
            given = {**self.keys, "profile": name, "timeout": f"{self.timeout_s} s"}
            source = HttpSource.model_validate(given, context=Path())
        asking = HttpAsking(http_meter(name, source))
        try:
            return await asking.once()
        except DriverLoss as loss:
            return Loss(meter=name, reason=str(loss), at_s=0.0)
        finally:
            asking.close()

    async def _listened(self, profiles: Sequence[str]) -> dict[str, Sample | Loss]:
        every = f"{max(0.1, (self.listen_s - GRACE_S) / SILENT)} s"
        with _said_wrong():
            given = {**self.keys, "every": every}
            sources = {name: MqttSource.model_validate({**given, "profile": name}, context=Path()) for name in profiles}
        seen: dict[str, Sample | Loss] = {}
        came = asyncio.Event()

        def publish(item: Sample | Loss) -> None:
            if isinstance(item, Sample) or not isinstance(seen.get(item.meter), Sample):
                seen[item.meter] = item
            if len(seen) == len(sources) or (isinstance(item, Sample) and REQUIRED in item.values):
                came.set()

        # What the driver logs of losses is told by whoever asked.
        logging.getLogger().addHandler(logging.NullHandler())
        meters = tuple(mqtt_meter(name, source) for name, source in sources.items())
        listening = asyncio.create_task(listen_forever(broker_of(next(iter(sources.values()))), meters, publish))
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.listen_s + GRACE_S):
                    await came.wait()
            if len(seen) < len(sources):
                await asyncio.sleep(_OTHERS_S)
        finally:
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening
        silent = Loss(meter="", reason="no message of its topics", at_s=0.0)
        return {name: seen.get(name, silent) for name in sources}

    def fits(self, profile: PayloadProfile) -> str:
        """Return why a profile cannot be tried here; empty where it can."""
        if self.way not in profile.ways:
            return f"it is read over {' and '.join(profile.ways)}"
        if self.way == "http" and not self.path and not profile.path:
            return "it needs a path in the address"
        known, said = profile.fields[REQUIRED].unit, self.keys.get("unit")
        if profile.needs_unit and said is None:
            return "nobody says its unit: --power-unit does"
        if said is not None and known not in {None, said}:
            return f"it says {known} itself, and --power-unit {said}"
        return ""


@contextlib.contextmanager
def _said_wrong() -> Iterator[None]:
    """Raise what is wrong with the options as such."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise CommandLineWrong(f"{key}: found {first['input']!r}, allowed is {first['msg']}") from error


def _mqtt_keys(scheme: str, rest: str, options: Mapping[str, Any]) -> dict[str, Any]:
    place, _, topic = rest.partition("/")
    host, _, port = place.partition(":")
    if not host or not topic or (port and not port.isdecimal()):
        raise CommandLineWrong(f"found {scheme}://{rest}, allowed is an address such as mqtt://10.0.0.6/shellies/x")
    tls: Any = "none"
    if scheme == "mqtts":
        if options["ca"] is None:
            raise CommandLineWrong("--ca: found none with mqtts, allowed is the certificate that signed the broker's")
        tls = {key: str(options[key]) for key in ("ca", "certificate", "private_key") if options[key] is not None}
    return {"host": host, "port": int(port or _PORTS[scheme]), "topic": topic, "tls": tls}


def _http_keys(address: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    try:
        url = Url.parse(address)
    except ValueError as error:
        raise CommandLineWrong(str(error)) from error
    keys: dict[str, Any] = {"url": str(url)}
    if url.scheme == "https":
        trusted: Literal["ca", "sha256"] = "ca" if options["ca"] is not None else "sha256"
        if options[trusted] is None:
            raise CommandLineWrong("--ca, --sha256: found neither with https, allowed is one of them")
        keys["tls"] = {trusted: str(options[trusted])}
    if options["token_file"] is not None:
        keys["token_file"] = str(options["token_file"])
    if options["username"] is not None and options["login"] != "basic":
        keys["login"] = options["login"]
    return keys, url.path


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_written(each)}' for key, each in value.items())}}}"
    return f'"{value}"' if isinstance(value, str) and not value.replace("_", "").isalnum() else str(value)
