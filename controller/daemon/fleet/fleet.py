"""The fleet as the daemon has it: reports in, leases out, each in a thread of its own.

A statement goes out without the broker's word for it (QoS 0): the agent's report confirms it, and what is not confirmed is said
again. So what controls never waits for an acknowledgement that comes behind telemetry.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeAlias

import numpy as np

from controller.core.decision import Decision
from controller.core.figures import SHORTEST_LEASE
from controller.core.fleet.leases import CONTACT_S
from controller.core.limits.contactors import Wanted
from controller.core.reasons import Code, Reason
from controller.core.site import F64, Site
from controller.core.snapshot import ContactorNow, FleetColumns
from controller.daemon.clock.anchor import AgentClock
from controller.daemon.fleet.inbox import MakeFleetLink
from controller.daemon.fleet.inventories import name_some
from controller.daemon.fleet.refusal import MessageRefused
from controller.daemon.fleet.relays import AgentRelay, relay_now, relay_w
from controller.daemon.fleet.reports import AgentReport, Reports
from controller.daemon.fleet.rival import Rival
from controller.daemon.fleet.statements import Statements
from drivers.clock import Clock, boottime_s
from drivers.errors import Refused
from drivers.fleet.head import JournalHead, seal
from drivers.fleet.keys import PrivateKey, PublicKey
from drivers.fleet.wire import Leaf, parse_topic, sign, topic
from drivers.machine_clocks import MachineClocks

_log = logging.getLogger(__name__)

#: Characters of a strange topic that a reason repeats.
_TOPIC_CHARACTERS: Final = 200

#: The report confirms a set, not the broker.
_SET_QOS: Final = 0
#: A decision, and what the agents had said when it was taken.
_Decided: TypeAlias = tuple[Decision, tuple[AgentReport, ...]]


def subscriptions(site_id: str) -> tuple[str, ...]:
    """Return the topics that a controller reads."""
    return tuple(topic(site_id, "+", leaf) for leaf in (Leaf.REPORT, Leaf.INVENTORY, Leaf.STATUS))


class Fleet:
    """Hands decisions to the agents as signed leases, and their reports to the core as columns.

    `epoch`: this start of the controller. `agent_keys`: public keys by agent id. `models` (D,): of the devices, by the site
    file. `head`: what the journal ends with now, None while it has nothing. Until the first decision, every agent that has
    said what it has is told its failsafe watts without a clock: nothing is raised and no lease is lengthened by it.
    `relays`: by agent, the contactors that it has.
    `first_sent_s`: when the first of these was handed to the link. `shed_reports` tells how many reports were left out for newer ones. `on_refused` is told why a message was refused,
    `on_head` which heads of this controller's an agent has, with each of its reports, `on_overtaken` that another controller leads in
    the same epoch, `on_lost` that the link to all of them is gone.
    """

    def __init__(
        self,
        site: Site,
        *,
        make_link: MakeFleetLink,
        key: PrivateKey,
        agent_keys: Mapping[str, PublicKey],
        models: Sequence[str],
        epoch: int,
        head: Callable[[], JournalHead | None],
        relays: Mapping[str, Sequence[AgentRelay]] = MappingProxyType({}),
        clock: Clock = boottime_s,
    ) -> None:
        self._site, self._key, self._clock = site, key, clock
        self._head = head
        self._sealed: tuple[JournalHead | None, str | None] = (None, None)
        self.reports = Reports(site, agent_keys, controller=key.public_key(), models=models, epoch=epoch, relays=relays)
        self.lead(epoch)
        self.link_lost_s = clock()
        self.on_refused: Callable[[Reason], None] = lambda _reason: None
        self.on_head: Callable[[str, JournalHead], None] = lambda _who, _head: None
        self.on_overtaken: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self.shed_reports: Callable[[], int] = lambda: 0
        self._rival = Rival(site.tree.ids[0], lasting_s=site.rules.lease_s, clock=clock)
        self._index = {agent: a for a, agent in enumerate(site.agents)}
        self._topics = frozenset(topic(site.id, agent, leaf) for agent in site.agents for leaf in Leaf)
        self._refused: set[str] = set()
        self.first_sent_s: float | None = None
        self._seen = self.reports.newest
        self._decided: _Decided | None = None
        self._unsendable: set[str] = set()
        self._wake = threading.Event()
        self._next = 0
        self._introduced: set[int] = set()
        self._stopping = False
        self._sender = threading.Thread(target=self._send_forever, name="fleet-sender", daemon=True)
        self._link = make_link(self._on_message, self._on_connection, subscriptions(site.id))

    def _statements_of(self, a: int, epoch: int) -> Statements:
        last = max(1, len(self._site.agents) - 1)
        share = 1.0 - (1.0 - SHORTEST_LEASE) * a / last
        return Statements(
            site=self._site.id,
            agent=self._site.agents[a],
            epoch=epoch,
            ttl_s=share * self._site.rules.lease_s,
            relays=len(self.reports.relays[a]),
        )

    def lead(self, epoch: int) -> None:
        """Lead in this epoch from now on: a higher one than agents have seen, as after a start."""
        self.reports.lead(epoch)
        self._statements = tuple(self._statements_of(a, epoch) for a in range(len(self._site.agents)))

    def start(self) -> None:
        """Connect, and send from now on."""
        self._sender.start()
        self._link.start()

    def stop(self) -> None:
        """Send nothing more; the leases that run end by themselves."""
        self._stopping = True
        self._wake.set()
        self._sender.join()
        self._link.stop()

    def send(self, decision: Decision) -> None:
        """Hand over the decision that was taken on the last `columns`; returns at once."""
        self._decided = decision, self._seen
        self._wake.set()

    def columns(self) -> FleetColumns:
        """Return what the agents reported last, for the next decision."""
        self._seen = reports = self.reports.newest
        place, rank = self.reports.place, self.reports.rank
        confirmed = [statements.confirmed_s(view) for statements, view in zip(self._statements, reports, strict=True)]
        return FleetColumns(
            heard_s=np.array([view.heard_s for view in reports]),
            echo=np.array([view.echo is not None for view in reports], dtype=np.bool_),
            confirmed_s=np.array(confirmed),
            applied_w=np.concatenate([view.applied_w for view in reports])[place],
            measured_w=np.concatenate([view.measured_w for view in reports])[place],
            measured_by=np.concatenate([view.measured_by for view in reports])[place],
            follow=np.concatenate([view.follow for view in reports])[place],
            max_w=np.concatenate([view.max_w for view in reports])[place],
            down_seen_s=np.concatenate([view.down_seen_s for view in reports])[rank],
            up_seen_s=np.concatenate([view.up_seen_s for view in reports])[rank],
            rests=self.reports.resting(),
        )

    def contactors(self) -> Mapping[int, ContactorNow]:
        """Return what is known of the contactors that agents have, by their place in those of the site."""
        now_s, known = self._clock(), {}
        for a, (view, statements) in enumerate(zip(self.reports.newest, self._statements, strict=True)):
            granted_w, first = statements.granted_w(view), len(self.reports.devices[a])
            for k, relay in enumerate(self.reports.relays[a], start=first):
                known[relay.contactor] = relay_now(
                    self._site.agents[a],
                    silent=now_s - view.heard_s > CONTACT_S,
                    applied_w=float(view.applied_w[k]),
                    follow=int(view.follow[k]),
                    granted_w=None if granted_w is None else float(granted_w[k]),
                )
        return known

    def clocks(self, now: MachineClocks) -> dict[str, AgentClock]:
        """Return the clocks of the agents in contact, by how far they are ahead of this machine's count.

        What was said before this controller led is left out: nobody knows how long it was on its way.
        """
        count_s = now.count_s - now.boottime_s
        return {
            agent: AgentClock(boot=view.echo.boot, ahead_s=view.echo.boottime_ms / 1000.0 - view.heard_s - count_s)
            for agent, view in zip(self._site.agents, self.reports.newest, strict=True)
            if view.echo is not None and now.boottime_s - view.heard_s <= CONTACT_S
        }

    def _on_connection(self, up: bool) -> None:
        self.link_lost_s = float("inf") if up else self._clock()
        if not up:
            self.reports.forget_clocks()
            self.on_lost()
        self._wake.set()

    def _on_message(self, name: str, payload: bytes, retained: bool, heard_s: float | None = None) -> None:
        try:
            agent, leaf = self._parsed(name)
            self.reports.take(agent, leaf, payload, retained, self._clock() if heard_s is None else heard_s)
            if leaf is Leaf.INVENTORY:
                self._introduced.add(self._index[agent])
                self._wake.set()
            elif leaf is Leaf.REPORT:
                self._compare(agent)
        except MessageRefused as refusal:
            self._note_refusal(name, refusal)

    def _compare(self, agent: str) -> None:
        a = self._index[agent]
        view, ours, sent_seq = self.reports.newest[a], self.reports.epoch, self.reports.sent_seq[a]
        if self._rival.hear(agent, epoch=view.epoch, seq=view.accepted_seq, ours=ours, sent_seq=sent_seq):
            self.on_overtaken()
        for head in (view.head_seen, view.head_stored):
            if head is not None:
                self.on_head(f"agent {agent}", head)

    def _parsed(self, name: str) -> tuple[str, Leaf]:
        try:
            return parse_topic(name, self._site.id)
        except Refused as refusal:
            reason = Reason(Code.TOPIC_UNKNOWN, self._site.tree.ids[0], {"topic": name[:_TOPIC_CHARACTERS]})
            raise MessageRefused(reason) from refusal

    def _note_refusal(self, name: str, refusal: MessageRefused) -> None:
        self.on_refused(refusal.reason)
        # Strange topics are noted as one: whoever makes them up must fill neither the memory nor the log.
        source = name if name in self._topics else "topic"
        level = logging.DEBUG if source in self._refused else logging.WARNING
        self._refused.add(source)
        extra = {"event": "message_refused", "topic": name, "code": refusal.reason.code.value}
        _log.log(level, "message on %s refused: %s", name, refusal, extra=extra)

    def _send_forever(self) -> None:
        told: _Decided | None = None
        while self._wake.wait() and not self._stopping:
            self._wake.clear()
            decided, introduced = self._decided, self._introduced.copy()
            self._introduced -= introduced
            # Between two decisions only those are told anything that have said anew what they have.
            whom = self._in_turn(decided) if decided is not told or not introduced else sorted(introduced)
            for place, a in enumerate(whom):
                if self._decided is not decided:
                    # The newest decision replaces what waits; those that were not told yet are the first of its round.
                    self._next, told = a, None
                    self._introduced |= introduced & set(whom[place:])
                    break
                self._tell(a, decided)
            else:
                told = decided

    def _in_turn(self, decided: _Decided | None) -> list[int]:
        """Return all agents: those first that are lowered, and of each sort from where the last round ended."""
        count = len(self._statements)
        turn = [*range(self._next, count), *range(self._next)]
        return sorted(turn, key=lambda a: not self._lowers(a, decided))

    def _tell(self, a: int, decided: _Decided | None) -> None:
        agent = self._site.agents[a]
        try:
            self._send_one(a, decided)
        except Exception:  # noqa: BLE001  its leases end in failsafe; those of the other agents must not
            self._note_unsendable(agent)
        else:
            self._unsendable.discard(agent)

    def _note_unsendable(self, agent: str) -> None:
        if agent not in self._unsendable:
            _log.exception("agent %s gets no leases", agent, extra={"event": "send_failed", "agent": agent})
        self._unsendable.add(agent)

    def _setpoint_w(self, a: int, decided: _Decided | None) -> F64:
        """Return what the devices of an agent are told, and its contactors behind them."""
        watts = self._site.devices.failsafe_w if decided is None else decided[0].setpoint_w
        mine, relays = watts[self.reports.devices[a]], self.reports.relays[a]
        return mine if not relays else np.concatenate([mine, [_relay_w(relay, decided) for relay in relays]])

    def _lowers(self, a: int, decided: _Decided | None) -> bool:
        """Return whether a statement lowers the agent: those go out before any that only raises."""
        return self._statements[a].lowers(self._setpoint_w(a, decided), self.reports.newest[a])

    def _send_one(self, a: int, decided: _Decided | None) -> None:
        now_s, setpoint_w, statements = self._clock(), self._setpoint_w(a, decided), self._statements[a]
        known, decided_s = None, float("-inf")
        if decided is not None:
            decision, seen = decided
            known = seen[a].echo
            decided_s = decision.at_s
        body = statements.due(setpoint_w, self.reports.newest[a], known, now_s, self.head_token())
        if body is None:
            return
        payload = sign(body, self._key)
        # One of the epoch before says nothing of what is sent in this one.
        if body.epoch == self.reports.epoch:
            self.reports.sent_seq[a] = body.seq
        if self._link.publish(
            topic(self._site.id, body.agent, Leaf.SET), payload, qos=_SET_QOS, expiry_s=body.ttl_ms / 1000.0
        ):
            statements.sent(body, setpoint_w, decided_s, now_s)
            self.first_sent_s = self.first_sent_s or now_s

    def head_token(self) -> str | None:
        """Return the token of the journal's head, made once for each; None where there is nothing to be said of it now."""
        head, (known, token) = self._head(), self._sealed
        if head is None:
            return None
        if head != known:
            token = seal(head, site=self._site.id, key=self._key)
            self._sealed = head, token
        return token

    def findings(self) -> tuple[Reason, ...]:
        """Return what is wrong with what the agents said last, and what of a silent one stays as it is if its machine is dead."""
        said = (finding for view in self.reports.newest for finding in view.findings)
        return (*said, *self._staying())

    def _staying(self) -> Iterator[Reason]:
        now_s = self._clock()
        for agent, view in zip(self._site.agents, self.reports.newest, strict=True):
            if view.inventory is not None and view.inventory.staying and CONTACT_S < now_s - view.heard_s < math.inf:
                yield Reason(Code.DEVICES_STAY, agent, name_some(view.inventory.staying))

    def second_controller(self) -> Reason | None:
        """Return the reason that names another controller with this one's key, None where no agent tells of one."""
        return self._rival.reason()

    def newest(self) -> dict[str, AgentReport]:
        """Return what each agent said last, by id."""
        return dict(zip(self._site.agents, self.reports.newest, strict=True))


def _relay_w(relay: AgentRelay, decided: _Decided | None) -> float:
    """Return what a contactor is told; before the first decision nothing is wanted of it."""
    return relay_w(relay, Wanted.LEAVE if decided is None else decided[0].contactors[relay.contactor].wanted)
