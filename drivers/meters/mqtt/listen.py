"""Listens to the meters of one broker.

- Only live messages are readings. A copy that the broker has stored (retained) may be of any age, and is none, whatever
  stands in it.
- A reading is made of messages that have all come since the last one: of several topics none is used twice, and the
  reading is as old as the oldest of those that its power needs.
- Silence is a loss: nobody can be asked.
- Whatever the rate at which messages come, readings are made ten times a second at most, and never for more than half of the
  time. Where more comes than can be read, a message has waited, and is as old as that; for too long, and there is no reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from drivers.clock import Clock, boottime_s
from drivers.fleet.link import MqttLink, Subscribing
from drivers.meters.mqtt.backlog import Backlog
from drivers.meters.mqtt.inbox import Message, MessageInbox
from drivers.meters.mqtt.meter import MeterBroker, MqttMeter
from drivers.meters.payloads.document import MOST_BYTES
from drivers.meters.payloads.reading import Arrival, PayloadReader, WallClock
from drivers.meters.sessions import Watched
from drivers.readings import Loss, Publish

#: So many times the interval of a meter may go by without a message, and so much longer, before it is lost.
SILENT: Final = 3.0
GRACE_S: Final = 0.5
#: Age from which a message of another topic no longer rides along with the power.
RIDES_S: Final = 5.0
#: What stands around the body of a message.
_ENVELOPE_BYTES: Final = 1024
#: From one look at what has come to the next, at least.
_BREATH_S: Final = 0.1


async def listen_forever(
    broker: MeterBroker,
    meters: Sequence[MqttMeter],
    publish: Publish,
    clock: Clock = boottime_s,
    *,
    wall_s: WallClock = time.time,
) -> None:
    """Publish a Sample for each reading of the meters, a Loss where there is none. Never returns; cancel it to stop."""
    inbox = MessageInbox(asyncio.get_running_loop(), clock)
    hearings = [Hearing(meter, Watched(publish), clock, wall_s) for meter in meters]
    topics = sorted({topic for hearing in hearings for topic in hearing.topics})
    link = MqttLink(
        host=broker.host,
        port=broker.port,
        # A name of its own each time: two clients of one name take the connection from each other.
        client_id=f"surplusd-meters-{secrets.token_hex(4)}",
        on_message=inbox.put,
        on_connection=inbox.connection,
        on_trouble=inbox.trouble,
        subscriptions=topics,
        wanted=Subscribing(qos=0, as_published=False, most_bytes=MOST_BYTES + _ENVELOPE_BYTES),
        protocol=broker.protocol,
        tls=broker.tls,
        username=broker.username,
        password=broker.password,
    )
    link.start()
    try:
        await hand_over(inbox, hearings, broker, clock, lambda: link.waiting)
    finally:
        await asyncio.to_thread(link.stop)


async def hand_over(
    inbox: MessageInbox, hearings: Sequence[Hearing], broker: MeterBroker, clock: Clock, waiting: Callable[[], int]
) -> None:
    """Let the meters hear what comes, for ever. `waiting`: how many bytes have come that are not read yet."""
    backlog, behind = Backlog(), ""
    while True:
        soonest_s = min(hearing.silent_s for hearing in hearings)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, soonest_s - clock())):
                await inbox.came.wait()
        began_s = clock()
        backlog.look(waiting(), began_s)
        came, down = inbox.take(), "" if inbox.up else f"broker {broker}: {inbox.why_down}"
        if came and backlog.is_long(began_s):
            behind = behind or f"broker {broker}: more comes than can be read, as on {min(came)}"
            came, down = {}, behind
        else:
            behind = ""
        for hearing in hearings:
            hearing.hear(came, backlog.since_s)
            hearing.judge_silence(down, inbox.stored)
        await asyncio.sleep(max(_BREATH_S, clock() - began_s))


class Hearing:
    """What has come of one meter since its last reading. `topics`: as the broker knows them; `silent_s`: when its silence is a loss."""

    def __init__(self, meter: MqttMeter, watched: Watched, clock: Clock, wall_s: WallClock) -> None:
        self._meter, self._watched, self._clock = meter, watched, clock
        self._reader = PayloadReader(meter.payload, wall_s)
        profile = self._reader.profile
        self._below = {meter.full(topic): topic for topic in profile.topics}
        self._needed = profile.needed_topics
        self._waiting: dict[str, Message] = {}
        self._down = ""
        self.topics = frozenset(self._below)
        self.silent_s = clock() + self._patience_s

    @property
    def _patience_s(self) -> float:
        return SILENT * self._meter.every_s + GRACE_S

    def hear(self, came: Mapping[str, Message], waited_s: float = math.inf) -> None:
        """Take the messages that are this meter's, and hand over a reading where all that it needs has come.

        `waited_s`: since when they may have been waiting, where that is longer than since their arrival.
        """
        mine = {self._below[topic]: message for topic, message in came.items() if topic in self._below}
        if not mine:
            return
        self._waiting |= mine
        if not self._needed <= self._waiting.keys():
            return
        of_power_s = [self._waiting[topic].arrived_s for topic in self._needed]
        newest_s = max(of_power_s)
        bodies = {
            topic: message.body
            for topic, message in self._waiting.items()
            if topic in self._needed or message.arrived_s >= newest_s - RIDES_S
        }
        self._waiting.clear()
        self._down, self.silent_s = "", newest_s + self._patience_s
        self._watched(self._reader.read(bodies, Arrival(asked_s=min(*of_power_s, waited_s), arrived_s=newest_s)))

    def judge_silence(self, down: str, stored: frozenset[str] | set[str]) -> None:
        """Say that the meter is lost where it has been silent for too long, or where the broker is newly lost. `down`: why it is."""
        now_s = self._clock()
        if now_s < self.silent_s and (not down or down == self._down):
            return
        self._down = down
        self.silent_s = now_s + self._patience_s
        self._watched(Loss(meter=self._meter.payload.id, reason=down or self._silence(stored), at_s=now_s))

    def _silence(self, stored: frozenset[str] | set[str]) -> str:
        missing = sorted(self._meter.full(topic) for topic in self._needed - self._waiting.keys())
        if not missing:
            missing = sorted(map(self._meter.full, self._needed))
        said = f"no message on {', '.join(missing)} for {self._patience_s:g} s"
        if stored & set(missing):
            return f"{said}; only the broker's stored copy, which may be of any age: does its sender still send?"
        return f"{said}: is the topic right, and does its sender send?"
