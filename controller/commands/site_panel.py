"""A site as the verbs ``status`` and ``top`` show it: what the daemon says of it, and what can be done about each reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from controller.terminal.panel import Fact, Note, Panel, Style
from drivers.quantities import format_power

if TYPE_CHECKING:
    from controller.commands.daemon_client import DaemonClient

#: What each state is called; one that this build does not know is shown as the daemon calls it.
_STATES: Final = {
    "unknown": ("UNKNOWN: no news of the control", Style.BAD),
    "over": ("OVER THE LIMIT", Style.BAD),
    "failsafe": ("FAILSAFE: power goes down to the safe level", Style.BAD),
    "not_met": ("AN ORDER IS NOT MET", Style.BAD),
    "tripped": ("A NODE IS CUT OFF", Style.BAD),
    "stopped": ("STOPPED by an operator", Style.WARN),
    "init": ("STARTING", Style.WARN),
    "hold": ("HOLD: nothing is raised", Style.WARN),
    "unseen": ("AN ORDER IS NOT SEEN TO BE MET IN FULL", Style.WARN),
    "warned": ("NORMAL, with warnings", Style.WARN),
    "normal": ("NORMAL: everything is trusted, and nothing is to be done", Style.GOOD),
}
#: What to do about a journal that cannot be written.
JOURNAL_REMEDY: Final = "make room on the disk, or replace it; it recovers without a restart"
#: Without one of these in its status a daemon is of another build than what asks.
_NEEDED: Final = frozenset(
    {"state", "state_since", "mode", "mode_since", "site", "currency", "site_w", "surplus_w", "nodes", "devices", "agents", "meters", "locks", "value_per_h"}
    | {"reasons", "warnings", "utc_reasons", "site_file_reasons", "orders_doubt", "journal_failure"}
)  # fmt: skip


def whole_status(status: dict[str, Any], daemon: DaemonClient) -> dict[str, Any]:
    """Return a status of a daemon; ConfigError where it is not one that these verbs can speak of."""
    from drivers.errors import ConfigError

    if missing := sorted(_NEEDED - status.keys()):
        raise ConfigError(
            f"what answers at {daemon.place} is no surplusd of this build: its status has no {', '.join(missing)}"
        )
    return status


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLook:
    """What a daemon has answered: its status, its open orders, and its clock."""

    status: dict[str, Any]
    orders: list[dict[str, Any]]
    utc: datetime

    @classmethod
    def of(cls, daemon: DaemonClient) -> SiteLook:
        """Ask a daemon; ConfigError where there is no answer, or a refusal."""
        status = whole_status(daemon.ask("GET", "/api/v1/status"), daemon)
        orders = [order for order in daemon.ask("GET", "/api/v1/orders")["orders"] if order["state"] != "ended"]
        return cls(status=status, orders=orders, utc=_instant(daemon.ask("GET", "/api/v1/clock")["utc"]))

    @property
    def is_good(self) -> bool:
        """Whether nothing looks wrong."""
        return bool(self.status["state"] == "normal")


def panel_of(look: SiteLook, course: Sequence[tuple[str, Sequence[float]]] = ()) -> Panel:
    """Return what is drawn of a site."""
    status = look.status
    words, drawn = _STATES.get(status["state"], (status["state"], Style.BAD))
    facts = [
        Fact(name="state", words=words + _since(status["state_since"], look.utc), look=drawn),
        Fact(name="mode", words=status["mode"].upper() + _since(status["mode_since"], look.utc)),
        *_power(status),
        *_demand(status),
        Fact(name="orders", words="; ".join(_order(order) for order in look.orders) or "none"),
        Fact(name="devices", words=_counts(status["devices"])),
        *_sources(status),
        *_people(status),
        Fact(name="value", words=_value(status)),
    ]
    return Panel(title=f"site {status['site']}", facts=facts, course=course, notes=list(_notes(look)), above=1)


def _power(status: dict[str, Any]) -> list[Fact]:
    if not status["nodes"]:
        return [Fact(name="power", words="unknown")]
    node = next(iter(status["nodes"].values()))
    site_w, envelope_w = status["site_w"], node["envelope_w"]
    over_w = site_w - envelope_w if isinstance(envelope_w, float | int) and site_w is not None else 0.0
    over = f"  {format_power(over_w)} above the envelope" if over_w > 0.0 else ""
    return [
        Fact(name="site power", words=_watts(site_w) + over, look=Style.BAD if over else Style.STRONG),
        Fact(name="envelope", words=f"{_watts(envelope_w)}  allowed by {node['binding']}", look=Style.STRONG),
        Fact(name="surplus", words=_watts(status["surplus_w"])),
    ]  # fmt: skip


def _demand(status: dict[str, Any]) -> list[Fact]:
    """Return what is billed; nothing where the tariff bills no demand, or the daemon is of a build that knows none."""
    demand = status.get("demand")
    if demand is None:
        return []
    held = f", which holds {format_power(demand['held_back_w'])} back" if demand["held_back_w"] else ""
    left = f"{demand['ends_in_s'] / 60.0:.0f} min left"
    words = f"{demand['used_wh'] / 1e3:.1f} kWh used, {left}, at most {format_power(demand['cap_w'])}{held}"
    return [Fact(name="demand", words=words)]


def _order(order: dict[str, Any]) -> str:
    from controller.commands.order.asking import size

    kept = order["compliance"] or order["state"]
    by = f" by {format_power(order['shortfall_w'])}" if order["shortfall_w"] else ""
    until = order["ends_at"] or "it is released"
    durable = "" if order["durable"] else ", NOT ON THE DISK"
    return f"{order['issuer']}/{order['id']}: {order['node']} {size(order)}, {kept.replace('_', ' ').upper()}{by}, until {until}{durable}"


def _sources(status: dict[str, Any]) -> list[Fact]:
    agents, meters = status["agents"], status["meters"]
    silent = [f"{name} ({_age(each['age_s'])})" for name, each in agents.items() if not each["online"]]
    doubted = [f"{name} ({_age(each['age_s'])})" for name, each in meters.items() if each["problem"]]
    # A tick judges them: where none is new enough, nobody does.
    judged = (
        _of(len(meters), "doubted", doubted) if status["state"] != "unknown" else f"{len(meters)}, judged by nobody now"
    )
    return [
        Fact(name="agents", words=_of(len(agents), "silent", silent), look=Style.BAD if silent else Style.PLAIN),
        Fact(name="sources", words=judged, look=Style.BAD if doubted else Style.PLAIN),
    ]


def _people(status: dict[str, Any]) -> list[Fact]:
    locks = [
        f"{lock['subject']} by {lock['by']}, {'proven' if lock['unproven'] == 0 else 'NOT PROVEN'} to be off"
        for lock in status["locks"]
    ]
    return [Fact(name="locked", words="; ".join(locks), look=Style.WARN)] if locks else []


def _notes(look: SiteLook) -> Iterable[Note]:
    """Yield every order that is not met and every reason once, with what can be done about it."""
    from controller.core.reasons import Code
    from controller.texts.catalogue import remedy
    from controller.texts.phrases import Language

    status = look.status
    yield from _missed(look)
    sources = (*status["meters"].values(), *status["agents"].values())
    lists = [status[name] for name in ("reasons", "warnings", "utc_reasons", "site_file_reasons")]
    found = [reason for reasons in (*lists, *(each["reasons"] for each in sources)) for reason in reasons]
    for reason in {(each["code"], each["subject"]): each for each in found}.values():
        does = remedy(Code(reason["code"]), Language.ENGLISH) if reason["code"] in set(Code) else ""
        yield Note(words=reason["text"] + _since(reason["since"], look.utc), remedy=does)
    if status["journal_failure"]:
        yield Note(words=f"the journal cannot be written: {status['journal_failure']}", remedy=JOURNAL_REMEDY)
    if status["orders_doubt"] and not any(each["code"] == Code.ORDERS_MAY_BE_MISSING for each in found):
        yield Note(words=status["orders_doubt"], remedy=remedy(Code.ORDERS_MAY_BE_MISSING, Language.ENGLISH))


def _missed(look: SiteLook) -> Iterable[Note]:
    from controller.texts.phrases import Language
    from controller.texts.words import words_of

    say = words_of(Language.ENGLISH)
    # Where the site is over its limit, the reason below says what to do at once.
    does = "" if look.status["state"] == "over" else say["order_do"]
    for order in look.orders:
        if order["state"] == "not_met":
            name, missing = f"{order['issuer']}/{order['id']}", format_power(order["shortfall_w"])
            words = say["order_missed"].format(order=name, node=order["node"], power=missing)
            yield Note(words=words + _since(order["since"], look.utc), remedy=does)


def _since(iso: str | None, now: datetime) -> str:
    if iso is None:
        return ""
    since = _instant(iso)
    lasted = timedelta(seconds=max(0, round((now - since).total_seconds())))
    return f", since {since:%Y-%m-%d %H:%M:%S}Z ({lasted})"


def _instant(iso: str) -> datetime:
    return datetime.fromisoformat(iso)


def _of(count: int, what: str, names: Sequence[str]) -> str:
    return f"{count}, {len(names)} {what}: {', '.join(names)}" if names else f"{count}, none {what}"


def _counts(devices: dict[str, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in devices.items() if count) or "none"


def _value(status: dict[str, Any]) -> str:
    value = status["value_per_h"]
    return "unknown" if value is None else f"{value:.2f} {status['currency']} an hour, as allotted"


def _watts(watts: float | str | None) -> str:
    if watts is None:
        return "unknown"
    return watts if isinstance(watts, str) else format_power(watts)


def _age(age_s: float | None) -> str:
    return "never heard" if age_s is None else f"{age_s:.0f} s"
