"""How a meter, or the source of the surplus, is read: the parts of the site file for Modbus and OPC UA."""

from __future__ import annotations

from typing import Annotated, Literal

from controller.site.measures import (
    PositivePower,
    Seconds,
)
from controller.site.part import Part, key
from controller.site.paths import CertificatePath, DevicePath, FilePath, ProfileName
from controller.site.texts import (
    Baud,
    Count,
    Endpoint,
    Factor,
    Flag,
    Host,
    MeterUnit,
    Port,
    Sign,
    StopBits,
    Text,
    TransformerRatio,
)
from controller.site.value_type import WordNone


class SerialPort(Part):
    """A serial port with Modbus RTU; its meters share it."""

    device: DevicePath = key("device", "path of the port, best the one below `/dev/serial/by-id`")
    baud: Baud = key("baud", "bits per second", 9600)
    parity: Literal["none", "even", "odd"] = key("parity", "parity bit", "none")
    stop_bits: StopBits = key("stop_bits", "stop bits", 1)


class ModbusTls(Part):
    """Modbus in TLS, on port 802 by default of the standard."""

    ca: FilePath = key("ca", "certificate that signed the meter's (PEM)")
    certificate: FilePath | None = key(
        "certificate", "certificate of this client, where the meter asks for one (PEM)", None
    )
    private_key: FilePath | None = key("private_key", "its private key (PEM)", None)


class ModbusSource(Part):
    """A meter on Modbus; meters with the same host and port, or the same serial port, share one connection."""

    transport: Literal["tcp", "rtu_over_tcp", "rtu", "tls"] = key(
        "transport",
        "`tcp`: Modbus TCP; `tls`: the same in TLS; `rtu`: a serial port; `rtu_over_tcp`: RTU frames through a serial "
        "device server",
        "tcp",
    )
    host: Host | None = key("host", "address of the meter or its gateway; `rtu` has `serial` instead", None)
    port: Port = key("port", "TCP port", 502)
    serial: SerialPort | None = key("serial", "the serial port, for `rtu` alone", None)
    tls: ModbusTls | None = key("tls", "the certificates, for `tls` alone", None)
    unit: MeterUnit = key(
        "unit",
        "unit id behind the address: 1 to 247 on a serial line; `any` for a meter that is alone at its address and answers "
        "as another unit than the one that was asked",
        1,
    )
    ignore_transaction: Flag = key(
        "ignore_transaction", "for a server of Modbus TCP that does not echo the transaction number", False
    )
    profile: ProfileName = key("profile", "register map: a bundled profile, or the path of a profile file")
    model: Count | None = key("model", "of a SunSpec meter: the model, where there are several in it", None)
    nth: Count = key("nth", "of a SunSpec meter: which of several of that model, counted from 1", 1)
    poll_s: Seconds = key("poll", "time from one poll of power and frequency to the next", "1 s")
    poll_slow_s: Seconds = key("poll_slow", "time from one poll of all quantities to the next", "10 s")
    timeout_s: Seconds = key("timeout", "how long an answer may take", "500 ms")
    answer_time_s: Seconds | None = key(
        "answer_time", "how long an answer takes: `check` adds it up over all meters of a connection", None
    )
    sign: Sign = key("sign", "-1 turns the direction of a meter that was wired the other way round", 1)
    swap_counters: Flag = key(
        "swap_counters",
        "with sign -1 the two energy counters change places; false where only its power is turned",
        True,
    )
    ct_ratio: TransformerRatio = key(
        "ct_ratio", "factor of the current (and voltage) transformers that the meter itself does not know", 1.0
    )
    confirmed: Flag = key(
        "confirmed", "a person has compared the power that a doubtful profile shows with the meter's display", False
    )
    power_unit: Literal["W", "kW", "MW", "GW"] | None = key(
        "power_unit", "what the meter counts power in, for profiles whose unit is in doubt", None
    )
    full_scale_w: PositivePower | None = key(
        "full_scale", "power at the end of the meter's scale, for profiles that need it alone", None
    )


class OpcuaSecurity(Part):
    """Signed, and as a rule encrypted, OPC UA."""

    policy: Literal["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"] = key(
        "policy", "security policy", "Basic256Sha256"
    )
    mode: Literal["SignAndEncrypt", "Sign"] = key(
        "mode",
        "`Sign` for a server that offers nothing better: anybody on the way can read the values",
        "SignAndEncrypt",
    )
    certificate: CertificatePath = key("certificate", "certificate of this client")
    private_key: CertificatePath = key("private_key", "its private key")
    trust: FilePath | None = key(
        "trust", "folder of trusted server certificates, of their issuers and of revocation lists (PEM or DER)", None
    )
    server_certificate: CertificatePath | None = key(
        "server_certificate", "instead of `trust`: the one server certificate that is trusted", None
    )


class OpcuaSource(Part):
    """A value of an OPC UA server, by subscription; all values of one server share a connection."""

    endpoint: Endpoint = key("endpoint", "address of the server")
    node: Text = key(
        "node",
        "a variable, or an object of the companion model ECM: its id, best with the namespace URI, `nsu=URI;s=Name`, or "
        "its browse path below Objects, `/nsu=URI;Name/Name`",
    )
    unit: Literal["W", "kW", "MW", "GW"] | None = key(
        "unit",
        "unit of the variable; absent where the server states it (EngineeringUnits), which it may not contradict",
        None,
    )
    unit_stated_as: Text | None = key(
        "unit_stated_as",
        "what the server calls the unit, word by word, where that is not clear (`mw`) or not known (`MW gross`): a person "
        "has seen to it that it means `unit`",
        None,
    )
    scale: Factor = key("scale", "factor of a variable that counts in parts of its unit", 1.0)
    sign: Sign = key("sign", "-1 turns the direction of the variable", 1)
    publish_interval_s: Seconds = key(
        "publish_interval",
        "how often the server is asked to publish; a server that tells no changes is read as often",
        "500 ms",
    )
    timeout_s: Seconds = key("timeout", "how long an answer may take", "2 s")
    source_max_age_s: Seconds | None = key(
        "source_max_age",
        "age of the server's own time stamp from which the value is uncertain; only for servers that stamp every scan",
        None,
    )
    security: Annotated[OpcuaSecurity | None, WordNone()] = key(
        "security", "`none`, or the client's keys and the trusted servers"
    )
    unprotected: Literal["anyone on this network may read and forge these values"] | None = key(
        "unprotected", "this sentence, word by word, where `security: none` reaches beyond loopback", None
    )
    username: Text | None = key("username", "user of the session; absent for an anonymous one", None)
    password_file: FilePath | None = key("password_file", "file with the user's password", None)
    user_certificate: CertificatePath | None = key(
        "user_certificate", "instead of a name and a password: certificate of the user of the session", None
    )
    user_private_key: CertificatePath | None = key("user_private_key", "its private key", None)
