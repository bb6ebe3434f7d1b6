"""Scenes of a site whose agents or devices do not do as they are told: what is said of them, and what the site draws."""

from __future__ import annotations

import itertools
import json
import math
import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from controller.daemon.journal.chain import read
from controller.daemon.journal.journal import RecordKind
from controller.daemon.latest import DEVICE_STATES
from drivers.clock import boottime_s
from simulators.world.vices import Vice
from tests.e2e.yard import Yard, until
from tests.waiting import DEADLINE_S

#: What the meter cannot see, and the control not prevent (invariant I1), and the class of the meter.
TOLERANCE: Final = 0.01
#: From the end of the settle time to the mode, the answers and the record that say what is wrong.
TOLD_S: Final = 5.0
#: Nothing that is older than this is shown as if it were of now.
OLD_S: Final = 10.0
#: Devices that ignore lowering: the site is inside its envelope so long after an order.
INSIDE_S: Final = 15.0
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the physics and at what the daemon says at the same time. `order`: its answer on the order, None without one."""

    at_s: float
    site_w: float
    status: Any
    order: Any
    ready: int

    @property
    def mode(self) -> str:
        return str(self.status["mode"])

    @property
    def codes(self) -> set[tuple[str, str]]:
        """Code and subject of all that is told of the fleet and the nodes."""
        return {(each["code"], each["subject"]) for each in (*self.status["reasons"], *self.status["warnings"])}

    def text(self, code: str) -> str:
        """All texts of a code."""
        told = {e["text"]: None for e in (*self.status["reasons"], *self.status["warnings"]) if e["code"] == code}
        return "; ".join(told)


class Scene:
    """A site that is looked at again and again; every look is kept."""

    def __init__(self, yard: Yard) -> None:
        self.yard = yard
        self.looks: list[Look] = []
        self.figures: dict[str, object] = {}
        self.order_id, self.limit_w, self.ordered_s = "", math.inf, math.inf

    def order(self, order_id: str, limit_w: float) -> Any:
        """Have the authority order a limit for the whole site; return the answer."""
        self.order_id, self.limit_w, self.ordered_s = order_id, limit_w, boottime_s()
        return self.yard.order(order_id, limit_w).body

    def look(self) -> Look:
        orders = [order for order in self.yard.orders() if order["id"] == self.order_id]
        look = Look(
            at_s=boottime_s(),
            site_w=self.yard.world.truth().site_w,
            status=self.yard.status(),
            order=orders[0] if orders else None,
            ready=_code(self.yard.setup.url + "/readyz"),
        )
        self.looks.append(look)
        return look

    def watch(self, condition: Callable[[Look], object], what: str, deadline_s: float = DEADLINE_S) -> Look:
        """Look until one look fulfils the condition, and return it."""
        next_s = [0.0]

        def fulfilled() -> Look | None:
            if boottime_s() < next_s[0]:
                return None
            next_s[0] = boottime_s() + _LOOK_S
            look = self.look()
            return look if condition(look) else None

        found = until(fulfilled, what, deadline_s, self.tell)
        assert found is not None
        return found

    def watch_for(self, seconds: float) -> Look:
        end_s = boottime_s() + seconds
        return self.watch(lambda look: look.at_s >= end_s, "the end of the time", seconds + DEADLINE_S)

    def above_s(self, since_s: float) -> float:
        """Return for how long the site drew more than its order from some time on."""
        looks = [look for look in self.looks if look.at_s >= since_s]
        limit_w = (1.0 + TOLERANCE) * self.limit_w
        return sum(late.at_s - early.at_s for early, late in itertools.pairwise(looks) if late.site_w > limit_w)

    def records(self, kind: RecordKind) -> list[Any]:
        """Return the bodies of the records of a kind that stand in the journal, the newest last."""
        return [record.body for record in read(self.yard.folder / "state" / "journal.db", (kind,))]

    def tell(self) -> str:
        look = self.looks[-1]
        keep = ("mode", "reason", "warning", "orders", "devices", "agents", "site_w")
        told = {key: look.status[key] for key in keep}
        return f"{look.site_w:.0f} W, {look.ready}, {look.order}\n{json.dumps(told, indent=1)}\n{self.figures}"


def _code(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def scraped(yard: Yard) -> dict[str, float]:
    """Return every series of /metrics, by its name with its labels."""
    with urllib.request.urlopen(yard.setup.url + "/metrics", timeout=DEADLINE_S) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(\w+(?:{.*})?) (\S+)$", text, flags=re.MULTILINE)}


def unmarked(yard: Yard, agents: set[str], status: Any) -> list[str]:
    """Return all that is said of silent agents as if it were of now, in the status and in the metrics."""
    said = [f"agents.{name}" for name in agents if _lives(status["agents"][name])]
    devices = yard.site.devices
    mine = [
        id_ for id_, agent in zip(devices.ids, devices.agent.tolist(), strict=True) if yard.site.agents[agent] in agents
    ]
    if status["devices"]["lost"] < len(mine):
        said.append(f"devices {status['devices']}")
    for name, value in scraped(yard).items():
        family, labels = name.split("{")[0], dict(re.findall(r'(\w+)="([^"]*)"', name))
        if family == "surplusd_agent_devices" and labels["state"] != "lost" and value == 0.0:
            continue  # no device of it is said to be in any other state than lost
        if labels.get("agent") in agents and _is_old(family, value):
            said.append(f"{name} {value}")
    return said


def _lives(agent: Any) -> bool:
    return bool(agent["online"] or agent["lease_left_s"] is not None or (agent["age_s"] or 0.0) <= OLD_S)


#: What a series of a silent agent, or of one of its devices, may say: it is gone, and how long ago it was there.
_MARKED: Final[Mapping[str, Callable[[float], bool]]] = {
    "surplusd_agent_online": lambda value: value == 0.0,
    "surplusd_agent_age_seconds": lambda value: value > OLD_S,
    "surplusd_device_power_watts": math.isnan,
    "surplusd_device_state": lambda value: value == float(DEVICE_STATES.index("lost")),
    # What the daemon itself says now of what it does not know.
    "surplusd_agent_silent_watts": lambda value: value > 0.0,
    "surplusd_agent_devices": lambda value: value > 0.0,
    "surplusd_device_setpoint_watts": lambda _: True,
}


def _is_old(family: str, value: float) -> bool:
    return family not in _MARKED or not _MARKED[family](value)


def told_not_met(look: Look, codes: frozenset[tuple[str, str]]) -> bool:
    """Return whether the mode, the reasons and the order's own answer say that the order is not kept, and by whom."""
    if look.mode == "normal" or look.order is None or look.order["compliance"] != "not_met":
        return False
    missing_w = look.order["shortfall_w"]
    return codes <= look.codes and missing_w is not None and missing_w > 0.0


def over_and_silent(scene: Scene, agents: Iterable[str]) -> frozenset[tuple[str, str]]:
    """Return what must be told of an order that these agents keep from being met: them, and the site above its envelope."""
    return frozenset({("over_envelope", scene.yard.setup.root), *(("agent_silent", agent) for agent in agents)})


def agents_hang(scene: Scene, alerts: Callable[[], Mapping[tuple[str, str], str]]) -> None:
    """All agents stop where they are, their devices run on, and half of the power is ordered; then they go on.

    `alerts`: the text of each alert that fires, by name and subject.
    """
    yard, agents, before = scene.yard, scene.yard.setup.agents, scene.look()
    with stopped(yard):
        scene.order("half", before.site_w / 2)
        not_met_until_told(scene, agents)
        assert scene.looks[-1].ready == HTTPStatus.SERVICE_UNAVAILABLE, scene.tell()
        wanted = {("SurplusdOverEnvelope", yard.setup.root), *(("SurplusdAgentSilent", agent) for agent in agents)}
        found = until(lambda: fired if wanted <= (fired := alerts()).keys() else None, "the alerts", tell=alerts)
        assert found is not None
        assert all(re.search(r"\d kW|\dkW", found[each]) for each in wanted), found
        look = scene.watch(lambda look: look.at_s > scene.ordered_s + OLD_S + 1.0, "what was reported is old")
        assert not (old := unmarked(yard, set(agents), look.status)), old
    comes_back(scene, boottime_s())


def agent_dies(scene: Scene, agent: str, below_w: float) -> None:
    """One agent is killed, its miners run on, and what is ordered is below what can be reached; then it is started again."""
    yard, part = scene.yard, f"agent-{agent}"
    yard.kill(part)
    scene.order("at-once", scene.look().site_w / 4)
    not_met_until_told(scene, (agent,))
    reach_w = scene.looks[-1].status["nodes"][yard.setup.root]["achievable_w"]
    answer = scene.order("below-reach", min(reach_w - below_w, scene.limit_w))
    assert answer["outcome"] == "partial"
    assert f"agent {agent} has been silent" in answer["why"]
    look = scene.watch(
        lambda look: look.at_s > scene.ordered_s + OLD_S and told_not_met(look, over_and_silent(scene, (agent,))),
        "the second order is not met",
    )
    assert not (old := unmarked(yard, {agent}, look.status)), old
    yard.start(part)
    comes_back(scene, boottime_s())


def devices_defy(scene: Scene, devices: Sequence[str], vice: Vice) -> None:
    """Devices do not come down as they are told, and half of the power is ordered; then they obey again."""
    yard, limit_w = scene.yard, scene.look().site_w / 2
    yard.world.set_vice(devices, vice, on=True)
    scene.order("half", limit_w)
    inside = scene.watch(lambda look: look.site_w <= (1.0 + TOLERANCE) * limit_w, "the site is inside the envelope")
    scene.figures["inside_after_s"] = inside.at_s - scene.ordered_s
    assert inside.at_s - scene.ordered_s <= INSIDE_S, scene.tell()
    scene.watch(lambda look: look.at_s > scene.ordered_s + INSIDE_S + OLD_S, "the order and what follows it")
    named = [look for look in scene.looks if look.text("device_defiant")]
    assert named, scene.tell()
    scene.figures |= {
        "violation_s": scene.above_s(scene.ordered_s + INSIDE_S),
        "named_after_s": named[0].at_s - scene.ordered_s,
        "named_last_s": named[-1].at_s - scene.ordered_s,
        "text": named[-1].text("device_defiant"),
        "modes": sorted({look.mode for look in scene.looks}),
        "drawn_w": [round(look.site_w) for look in scene.looks[:: len(scene.looks) // 12]],
    }
    assert scene.figures["violation_s"] == 0.0, scene.tell()


def devices_obey(scene: Scene, devices: Sequence[str], vice: Vice) -> None:
    """Devices obey again: nothing is said of them any more, the site is NORMAL, and stays inside its order."""
    well_s = boottime_s()
    scene.yard.world.set_vice(devices, vice, on=False)
    well = scene.watch(lambda look: look.mode == "normal" and not look.codes, "nothing is said of them any more")
    scene.figures["well_after_s"] = well.at_s - well_s
    scene.watch_for(scene.yard.site.rules.settle_s)
    scene.figures["violation_after_return_s"] = scene.above_s(well_s)
    assert scene.figures["violation_after_return_s"] == 0.0, scene.tell()


def not_met_until_told(scene: Scene, agents: Iterable[str]) -> None:
    """Wait until mode, reasons, the order's answer and its record say that the order is not met, and why; in time."""
    codes, allowed_s = over_and_silent(scene, agents), scene.yard.site.rules.settle_s + TOLD_S
    held = scene.watch(lambda look: look.mode != "normal", "a mode that is not normal")
    told = scene.watch(lambda look: told_not_met(look, codes), "the order is not met, and why")
    scene.figures |= {
        "not_normal_after_s": held.at_s - scene.ordered_s,
        "told_after_s": told.at_s - scene.ordered_s,
        "shortfall_w": told.order["shortfall_w"],
        "reason": told.status["reason"],
    }
    assert told.at_s - scene.ordered_s <= allowed_s, scene.tell()
    for agent in (subject for code, subject in codes if code == "agent_silent"):
        assert re.search(
            rf"agent {agent} has been silent for \d+ s: its \d+ devices may be drawing \d", told.status["reason"]
        )
    until(lambda: _is_on_record(scene, codes), "the record says so", tell=lambda: scene.records(RecordKind.COMPLIANCE))


def _is_on_record(scene: Scene, codes: Iterable[tuple[str, str]]) -> bool:
    kept = [record for record in scene.records(RecordKind.COMPLIANCE) if record["id"] == scene.order_id]
    if not kept or kept[-1]["compliance"] != "not_met":
        return False
    causes = {(reason["code"], reason["subject"]) for reason in kept[-1]["reasons"]}
    # That it draws too much is no cause of that.
    return {each for each in codes if each[0] != "over_envelope"} <= causes and int(kept[-1]["shortfall_w"]) > 0


def comes_back(scene: Scene, back_s: float) -> None:
    """See the site back in NORMAL by itself with its order met, and never again above it."""
    settle_s = scene.yard.site.rules.settle_s
    look = scene.watch(lambda look: look.mode == "normal" and look.order["compliance"] == "met", "back to normal")
    scene.figures["normal_after_return_s"] = look.at_s - back_s
    scene.watch(lambda look: look.at_s > back_s + 2.0 * settle_s, "the settle time, and as long again")
    scene.figures["violation_after_return_s"] = scene.above_s(back_s)
    scene.figures["violation_after_settling_s"] = scene.above_s(back_s + settle_s)
    assert scene.figures["violation_after_settling_s"] == 0.0, scene.tell()
    assert all(each.mode == "normal" for each in scene.looks if each.at_s > look.at_s), scene.tell()


@contextmanager
def stopped(yard: Yard) -> Iterator[None]:
    """Keep the processes of all agents stopped where they are for the block."""
    children = [child for name, child in yard.processes.children.items() if name.startswith(("agent-", "fleet"))]
    for child in children:
        child.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for child in children:
            child.signal(signal.SIGCONT)
