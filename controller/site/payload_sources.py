"""How a meter, or the source of the surplus, is read that sends JSON: the parts of the site file for HTTP and MQTT."""

from __future__ import annotations

from typing import Annotated, Literal

from controller.site.measures import Seconds
from controller.site.part import Part, key
from controller.site.paths import FilePath, PayloadName
from controller.site.texts import (
    Factor,
    Flag,
    Host,
    Port,
    Sha256,
    Sign,
    Text,
    Topic,
    TransformerRatio,
    ValuePlace,
    WebAddress,
)
from controller.site.value_type import WordNone

#: What a person must write to go without protection; the model takes it word by word.
Unprotected = Literal["anyone on this network may read and forge these values"]


class StampPart(Part):
    """Where a message says when it was measured."""

    at: ValuePlace = key("at", "where the time stands: a JSON pointer, as in `/last_updated`")
    form: Literal["iso8601", "iso8601_utc", "unix_s", "unix_ms"] = key(
        "form",
        "`iso8601`: with its offset from UTC; `iso8601_utc`: without one, in UTC; `unix_s`, `unix_ms`: since 1970",
    )
    of: Literal["measurement", "change"] = key(
        "of", "`change`: it moves with the value alone, so that one that stands still has an old stamp", "measurement"
    )
    max_age_s: Seconds | None = key(
        "max_age", "of a stamp of `change`: age from which the value is uncertain, and as old as its stamp", None
    )


class _PayloadSource(Part):
    """What the messages mean; exactly one of `profile` and `at`."""

    profile: PayloadName | None = key(
        "profile", "what stands where: a bundled profile, or the path of a profile file", None
    )
    at: ValuePlace | None = key(
        "at", "instead of a profile: where the power stands, a JSON pointer (RFC 6901) such as `/grid/power`", None
    )
    form: Literal["json", "text"] = key("form", "with `at`: the message is `json`, or one bare number (`text`)", "json")
    unit: Literal["W", "kW", "MW", "GW"] | None = key(
        "unit", "what the power counts in; absent where the profile, or the message at `unit_at`, says it", None
    )
    unit_at: ValuePlace | None = key("unit_at", "with `at`: where the message says the unit", None)
    written: Flag = key("written", 'with `at`: the number is sent as a text, as in `"812.5"`', False)
    scale: Factor = key("scale", "factor of a power that counts in parts of its unit", 1.0)
    sign: Sign = key("sign", "-1 turns the direction of the meter", 1)
    swap_counters: Flag = key(
        "swap_counters",
        "with sign -1 the two energy counters change places; false where only its power is turned",
        True,
    )
    ct_ratio: TransformerRatio = key(
        "ct_ratio", "factor of the current (and voltage) transformers that the meter itself does not know", 1.0
    )
    stamp: Annotated[StampPart | None, WordNone()] = key(
        "stamp",
        "where the message says when it was measured; absent: as the profile has it; `none`: nowhere, so that a reading is "
        "as old as its arrival",
        None,
    )


class HttpTlsPart(Part):
    """Whom a connection with `https` trusts; exactly one of `ca` and `sha256`."""

    ca: FilePath | None = key("ca", "certificate that signed the server's (PEM)", None)
    sha256: Sha256 | None = key("sha256", "SHA-256 of the server's own certificate", None)


class HttpSource(_PayloadSource):
    """A meter or a gateway that answers HTTP with JSON."""

    url: WebAddress = key("url", "what is asked for; without a path, what the profile asks for")
    poll_s: Seconds = key("poll", "time from one request to the next", "1 s")
    timeout_s: Seconds = key("timeout", "how long a whole answer may take", "500 ms")
    token_file: FilePath | None = key("token_file", "file with a bearer token", None)
    username: Text | None = key("username", "user of the meter; absent where it asks for none", None)
    password_file: FilePath | None = key("password_file", "file with the user's password", None)
    login: Literal["basic", "digest", "query"] = key(
        "login", "how user and password are said: `query` puts them into the address, as Tasmota wants it", "basic"
    )
    tls: HttpTlsPart | None = key("tls", "whom `https` trusts; needed with it", None)
    unprotected: Unprotected | None = key(
        "unprotected",
        "this sentence, word by word, where a token or a password goes over plain `http` beyond loopback",
        None,
    )


class MeterMqttTls(Part):
    """TLS to the meters' broker; certificate and key where it asks for one."""

    ca: FilePath = key("ca", "certificate that signed the broker's (PEM)")
    certificate: FilePath | None = key("certificate", "certificate of this client (PEM)", None)
    private_key: FilePath | None = key("private_key", "its private key (PEM)", None)


class MqttSource(_PayloadSource):
    """A meter or a gateway that sends to an MQTT broker, which need not be that of the fleet."""

    host: Host = key("host", "address of the broker")
    port: Port = key("port", "TCP port", 8883)
    topic: Topic = key("topic", "topic of its messages, or what stands before the topics of its profile")
    every_s: Seconds | None = key(
        "every",
        "how often a message is expected, by default as the profile has it; after three times that it is lost",
        None,
    )
    protocol: Literal["5", "3.1.1"] = key("protocol", "MQTT version, in quotes", "5")
    tls: Annotated[MeterMqttTls | None, WordNone()] = key("tls", "`none`, or the certificates")
    username: Text | None = key("username", "user at the broker", None)
    password_file: FilePath | None = key("password_file", "file with the user's password", None)
    unprotected: Unprotected | None = key(
        "unprotected", "this sentence, word by word, where `tls: none` reaches beyond loopback", None
    )


#: Either of them.
PayloadSource = HttpSource | MqttSource
