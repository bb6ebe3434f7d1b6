"""The site file as typed values: watts, seconds and shares inside, quantities with units in the file.

Names in the file are the aliases; the attributes carry their unit. A default stands here as it would stand in the file.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from controller.site.carrying import CarriesEntry
from controller.site.contactor_parts import ContactorEntry
from controller.site.dlms_source import DlmsSource
from controller.site.measures import (
    BilledWindow,
    Cap,
    CarbonIntensity,
    EnergyPrice,
    Failsafe,
    GridFrequency,
    Hashprice,
    JobPrice,
    LeaseSeconds,
    MeterClass,
    Money,
    PositivePower,
    Power,
    PowerLimit,
    PowerRate,
    Seconds,
    TickSeconds,
    Wait,
)
from controller.site.own_models import ModelsFile
from controller.site.part import Part, key
from controller.site.paths import FilePath
from controller.site.payload_sources import HttpSource, MqttSource
from controller.site.sources import ModbusSource, OpcuaSource
from controller.site.texts import (
    Count,
    Flag,
    Host,
    Id,
    IpAddress,
    ListenAddress,
    Name,
    Port,
    Sha256,
    Text,
)
from controller.site.value_type import WordNone


class GridSection(Part):
    """The connection: what the contract with the grid allows, and how fast the site may change."""

    contract_w: PositivePower = key("contract", "the most that the site may ever draw")
    firm_w: Power = key("firm", "contracted power that is always there; the surplus comes on top of it")
    failsafe_w: Power = key("failsafe", "what the site may draw when nobody leads it")
    ramp_up_w_s: PowerRate = key("ramp_up", "fastest rise of the site's power, always held")
    ramp_down_w_s: PowerRate = key(
        "ramp_down", "fastest fall for economic changes and for orders that ask for it; a hard limit may be faster"
    )
    emergency_ramp_w_s: PowerRate = key("emergency_ramp", "how fast the site goes down to its failsafe power")
    settle_s: Seconds = key("settle", "time in which the site's power follows a new envelope", "15 s")
    frequency_hz: GridFrequency = key(
        "frequency", "nominal frequency of the grid; a meter that shows another is doubted", "50 Hz"
    )


class NodeEntry(Part):
    """A node of the limit tree; exactly one, the site's connection, has no parent."""

    id: Id = key("id", "name of the node")
    parent: Id | None = key("parent", "the node above; absent at the site's connection", None)
    limit_w: PowerLimit = key(
        "limit", "rating of the node itself in W, or `unlimited`; one in A or kVA stands in `carries`", "unlimited"
    )
    house_load_w: Power = key(
        "house_load",
        "what is connected at this node besides devices (cooling, light, losses), without the nodes below it",
        "0 W",
    )
    carries: CarriesEntry | None = key(
        "carries", "what it may carry in A or kVA; of this and its `limit` the smaller one counts", None
    )
    contactor: ContactorEntry | None = key("contactor", "what cuts the node off when nothing else helps", None)


#: In which ways a meter or the surplus can be read; an entry has the key of one of them.
WAYS: Final = ("modbus", "opcua", "dlms", "http", "mqtt")


class MeterEntry(Part):
    """A meter of active power at a node; exactly one of `modbus`, `opcua`, `dlms`, `http` and `mqtt`."""

    id: Id = key("id", "name of the meter")
    node: Id = key("node", "the node whose power it sees")
    rating_w: PositivePower = key("rating", "the most that it and its transformers can measure")
    accuracy: MeterClass = key("class", "accuracy class with its transformers, as a share of the rating")
    fed_from: Id | None = key(
        "fed_from",
        "the node that feeds the meter itself, or `elsewhere`; needed where its node has a contactor",
        None,
    )
    modbus: ModbusSource | None = key("modbus", "the meter speaks Modbus", None)
    opcua: OpcuaSource | None = key("opcua", "the meter's power is a variable of an OPC UA server", None)
    dlms: DlmsSource | None = key("dlms", "the meter speaks DLMS/COSEM", None)
    http: HttpSource | None = key("http", "the meter, or a gateway, answers HTTP with JSON", None)
    mqtt: MqttSource | None = key("mqtt", "the meter, or a gateway, sends to an MQTT broker", None)


class SurplusSection(Part):
    """Where the grid's surplus is read; exactly one of `modbus`, `opcua`, `dlms`, `http` and `mqtt`."""

    model: Literal["direct", "export", "headroom"] = key(
        "model",
        "`direct`: the reading is the surplus; `export`: the reading is what flows back, surplus = reading + site power; "
        "`headroom`: the reading is a feeder's load, surplus = rating - (reading - site power)",
    )
    rating_w: PositivePower | None = key(
        "rating", "rating of the feeder; needed for `headroom`, and for it alone", None
    )
    suspect_after_s: Seconds = key("suspect_after", "age from which a reading no longer lets anything rise", "6 s")
    stale_after_s: Seconds = key("stale_after", "age from which there is no surplus", "60 s")
    skew_s: Seconds = key("skew", "most that the clocks of this source and of the site's meter may differ", "2 s")
    modbus: ModbusSource | None = key("modbus", "the source is a meter on Modbus", None)
    opcua: OpcuaSource | None = key("opcua", "the source is a variable of an OPC UA server", None)
    dlms: DlmsSource | None = key("dlms", "the source is a meter on DLMS/COSEM", None)
    http: HttpSource | None = key("http", "the source answers HTTP with JSON", None)
    mqtt: MqttSource | None = key("mqtt", "the source sends to an MQTT broker", None)


class ControlSection(Part):
    """Ages and times of the control."""

    suspect_after_s: Seconds = key("suspect_after", "age from which a meter's reading lets nothing rise", "3 s")
    bad_after_s: Seconds = key("bad_after", "age from which a meter's reading is not used", "10 s")
    init_s: Seconds = key("init", "time after the start in which trusted readings must arrive", "10 s")
    recover_s: Seconds = key("recover", "time with trusted readings before a doubt is over", "5 s")


class DemandSection(Part):
    """What a tariff bills that bills the highest mean power of a window of the clock; an economic cap, and no limit of safety."""

    window_s: BilledWindow = key("window", "length of a window; so many of them are an hour")
    limit_w: PositivePower = key("limit", "what the site's mean power in each window is to stay under")
    begins_s: Wait = key("begins", "when the first window of an hour of UTC begins after it; less than `window`", "0 s")


class EconomicsSection(Part):
    """What a watt is worth; all prices in one currency."""

    tariff: EnergyPrice = key("tariff", "price of energy; may be negative")
    hashprice: Hashprice | None = key("hashprice", "revenue of hashing; needed where there are miners", None)
    gpu: dict[Id, JobPrice] = key(
        "gpu", "worth of a kWh of computing for each priority, as in `{normal: 0.90 USD/kWh}`", {}
    )
    carbon_g_kwh: CarbonIntensity | None = key(
        "carbon_intensity", "CO2 of one more kWh from this grid (marginal); absent: no such figure is shown", None
    )
    demand: DemandSection | None = key(
        "demand", "the highest window that the tariff bills; absent: it bills none", None
    )


class _Load(Part):
    model: Id = key("model", "a bundled model, or one of `models`")
    agent: Id = key("agent", "the agent that leads it")
    node: Id = key("node", "the node that feeds it")
    failsafe: Failsafe = key("failsafe", "most that it may draw when nobody leads it: `off` or watts", "off")
    priority: Id | None = key("priority", "one of `economics.gpu`, for what is no miner", None)
    protected: Flag = key(
        "protected", "`true`: never switched off for revenue; limits and orders may cut it, after all others", False
    )
    cap: Cap = key(
        "cap",
        "of what a setpoint only caps: how far it stays above what the jobs draw; `value`: as far as it is worth, `full`: all of "
        "the range, or so many watts",
        "value",
    )
    min_up_s: Wait | None = key("min_up", "what was switched on stays on for so long; default: the model's", None)
    min_down_s: Wait | None = key("min_down", "what was switched off stays off for so long; default: the model's", None)
    settle_s: Wait | None = key(
        "settle", "a start, or another discrete mode, is left as it is for so long; default: the model's", None
    )
    start_cost: Money | None = key(
        "start_cost", "what a start costs and wears; default: the model's wear, in revenue at full power", None
    )
    change_cost: Money | None = key("change_cost", "the same for another discrete mode", None)


class GroupEntry(_Load):
    """Devices of one model, named GROUP-001, GROUP-002 and so on."""

    id: Id = key("id", "name of the group")
    count: Count = key("count", "how many devices")


class DeviceEntry(_Load):
    """One device."""

    id: Id = key("id", "name of the device")


class FleetSection(Part):
    """The devices, in groups or one by one."""

    lease_s: LeaseSeconds = key("lease", "time after which a setpoint ends by itself; at least three ticks", "30 s")
    groups: tuple[GroupEntry, ...] = Field((), description="groups of devices", strict=False)
    devices: tuple[DeviceEntry, ...] = Field((), description="single devices", strict=False)


class TokenEntry(Part):
    """Who may use the HTTP interface; exactly one of `token_file` and `token_sha256`."""

    name: Name = key("name", "who it is, as the journal names them")
    role: Literal["viewer", "operator", "authority"] = key(
        "role",
        "`viewer` reads; `operator` also resets a node that is cut off, and sets and lifts limits of its own; `authority` sends, changes and releases orders, and vouches for the clock",
    )
    token_file: FilePath | None = key("token_file", "file with the token", None)
    token_sha256: Sha256 | None = key("token_sha256", "SHA-256 of the token", None)


class OrdersSection(Part):
    """Curtailment orders."""

    tokens: tuple[TokenEntry, ...] = Field((), description="who may use the HTTP interface", strict=False)


class MqttTls(Part):
    """Mutual TLS to the broker."""

    ca: FilePath = key("ca", "certificate that signed the broker's (PEM)")
    certificate: FilePath = key("certificate", "certificate of this client (PEM)")
    private_key: FilePath = key("private_key", "its private key (PEM)")


class MqttSection(Part):
    """The way to the fleet."""

    host: Host = key("host", "address of the broker")
    port: Port = key("port", "TCP port", 8883)
    protocol: Literal["5", "3.1.1"] = key("protocol", "MQTT version, in quotes", "5")
    keys: FilePath = key("keys", "folder with `controller.key` and the `AGENT.pub` of every agent", "keys")
    tls: Annotated[MqttTls | None, WordNone()] = key("tls", "`none` (loopback only), or the certificates")
    username: Text | None = key("username", "user at the broker", None)
    password_file: FilePath | None = key("password_file", "file with the user's password", None)


class SupplySection(Part):
    """What feeds the parts that must live on when a contactor opens: a node, or `elsewhere`; needed with the first contactor."""

    controller: Id = key("controller", "the node that feeds the machine of the controller, or `elsewhere`")
    broker: Id = key("broker", "the node that feeds the broker, and the network to it, or `elsewhere`")
    agents: dict[Id, Id] = key(
        "agents", "the same for each agent that has a contactor, as in `{hall-a: elsewhere}`", {}
    )


class HttpSection(Part):
    """Orders, status, metrics and the page."""

    listen: ListenAddress = key("listen", "address and port, in quotes", "127.0.0.1:8420")
    trusted_proxies: tuple[IpAddress, ...] = Field(
        (),
        description="addresses of proxies that stand before the interface and name in `X-Forwarded-For` whom they speak for",
        strict=False,
    )


class MetricsSection(Part):
    """What Prometheus is shown."""

    devices: Literal["all", "nodes", "none"] = key(
        "devices", "series of each device, of how many devices are how at each node, or of none", "all"
    )


class SiteFile(Part):
    """One site."""

    version: Literal[1] = key("version", "version of this format")
    site: Id = key("site", "name of the site, part of every MQTT topic")
    tick_s: TickSeconds = key("tick", "period of the control", "1 s")
    grid: GridSection = key("grid", "the connection to the grid")
    nodes: tuple[NodeEntry, ...] = Field(description="the limit tree", strict=False)
    meters: tuple[MeterEntry, ...] = Field(
        description="the meters, at least one at the site's connection", strict=False
    )
    surplus: SurplusSection = key("surplus", "the source of the surplus")
    control: ControlSection = key("control", "ages and times of the control", {})
    economics: EconomicsSection = key("economics", "prices")
    fleet: FleetSection = key("fleet", "the devices")
    models: ModelsFile | None = key(
        "models", "models of the site's own, beside the bundled ones, or the file that has them", None
    )
    orders: OrdersSection = key("orders", "the grid authority and its helpers", {})
    supply: SupplySection | None = key("supply", "what feeds controller, broker and agents", None)
    mqtt: MqttSection = key("mqtt", "the broker")
    http: HttpSection = key("http", "the HTTP interface", {})
    metrics: MetricsSection = key("metrics", "what Prometheus is shown", {})
    state: FilePath = key("state", "folder of the journal, which `surplusd init` makes", "state")
