"""From the site file's sources over HTTP and MQTT to drivers: one for each address, one for each broker and login."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial

from controller.daemon.meters.supervision import Driver
from controller.daemon.secret import is_token, read_secret
from controller.site.payload_meter import expected_every_s, payload_meter
from controller.site.payload_sources import HttpSource, MqttSource
from drivers.errors import ConfigError
from drivers.fleet.link import BrokerTls
from drivers.meters.http.address import Url
from drivers.meters.http.meter import HttpLogin, HttpMeter, HttpTls
from drivers.meters.http.poll import poll_forever
from drivers.meters.mqtt.listen import listen_forever
from drivers.meters.mqtt.meter import MeterBroker, MqttMeter
from drivers.meters.profiles import REQUIRED
from drivers.readings import Publish


def http_drivers(
    sources: Mapping[str, HttpSource], quantities: Mapping[str, str], publish: Publish
) -> tuple[Driver, ...]:
    """Return a driver for each source; their polls are spread evenly over the period. Raises ConfigError.

    `quantities`: names under which a source's power is published, where it is another than a meter's.
    """
    made = [http_meter(name, source, quantities.get(name, REQUIRED)) for name, source in sources.items()]
    for meter in made:
        meter.line().close()  # for what cannot be used, before anything is started
    return tuple(
        Driver(
            sources=(meter.payload.id,),
            run=partial(poll_forever, meter, publish, share=index / len(made)),
            reads=meter,
        )
        for index, meter in enumerate(made)
    )


def mqtt_drivers(
    sources: Mapping[str, MqttSource], quantities: Mapping[str, str], publish: Publish
) -> tuple[Driver, ...]:
    """Return a driver for each broker with its login. Raises ConfigError."""
    by_broker: defaultdict[MeterBroker, list[MqttMeter]] = defaultdict(list)
    for name, source in sources.items():
        by_broker[broker_of(source)].append(mqtt_meter(name, source, quantities.get(name, REQUIRED)))
    return tuple(
        Driver(
            sources=tuple(meter.payload.id for meter in meters),
            run=partial(listen_forever, broker, tuple(meters), publish),
            reads=(broker, tuple(meters)),
        )
        for broker, meters in by_broker.items()
    )


def http_meter(name: str, source: HttpSource, quantity: str = REQUIRED) -> HttpMeter:
    """Return the meter as the driver knows it; raises ConfigError for a profile or a secret that cannot be used."""
    login, tls = HttpLogin(), source.tls
    if source.token_file is not None:
        token = read_secret(source.token_file)
        if not is_token(token):
            raise ConfigError(f"{source.token_file}: found no token, allowed is one word of visible ASCII")
        login = HttpLogin(token=token)
    elif source.username is not None and source.password_file is not None:
        login = HttpLogin(username=source.username, password=read_secret(source.password_file), form=source.login)
    return HttpMeter(
        payload=payload_meter(name, source, quantity),
        url=Url.parse(source.url),
        poll_s=source.poll_s,
        timeout_s=source.timeout_s,
        login=login,
        tls=None if tls is None else HttpTls(ca=tls.ca, sha256=tls.sha256),
    )


def mqtt_meter(name: str, source: MqttSource, quantity: str = REQUIRED) -> MqttMeter:
    """Return the meter as the driver knows it; raises ConfigError for a profile that cannot be used."""
    return MqttMeter(
        payload=payload_meter(name, source, quantity), topic=source.topic, every_s=expected_every_s(source)
    )


def broker_of(source: MqttSource) -> MeterBroker:
    """Return the broker of a source; sources with the same address and login share it. Raises ConfigError."""
    tls = source.tls
    broker = MeterBroker(
        host=source.host,
        port=source.port,
        protocol=source.protocol,
        tls=None if tls is None else BrokerTls(ca=tls.ca, certificate=tls.certificate, private_key=tls.private_key),
        username=source.username,
        password=read_secret(source.password_file) if source.password_file else None,
    )
    broker.check()
    return broker
