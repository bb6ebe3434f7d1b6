"""One reading of one meter from its messages, whoever asks for it: the daemon and the commands have this one reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from drivers.meters.codec import Dropped
from drivers.meters.orientation import Orientation
from drivers.meters.payloads.document import NoDocument, read_json, read_text
from drivers.meters.payloads.fields import Documents, Field
from drivers.meters.payloads.profiles import Form, PayloadProfile
from drivers.meters.payloads.stamps import FarClock, NoStamp, ReadingTime, Stamp, StampMemory, stamp_of
from drivers.meters.profiles import REQUIRED
from drivers.readings import Loss, Quality, Sample

#: What a clock of the wall says, in seconds since 1970.
WallClock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadMeter:
    """One meter as the site has it, but for where its messages come from.

    `stamp`: in place of the profile's; None: there is none. `unit`: what its power counts in, where the profile leaves it open
    or the message says it. `scale`: of the power, besides.
    """

    id: str
    profile: PayloadProfile
    stamp: Stamp | Literal["profile"] | None = "profile"
    unit: str | None = None
    scale: float = 1.0
    orientation: Orientation = field(default_factory=Orientation)

    @property
    def settled(self) -> PayloadProfile:
        """The profile with all that the site file says of it."""
        power = self.profile.fields[REQUIRED]
        power = replace(power, unit=self.unit or power.unit, factor=power.factor * self.scale)
        stamp = self.profile.stamp if self.stamp == "profile" else self.stamp
        return replace(self.profile, fields={**self.profile.fields, REQUIRED: power}, stamp=stamp)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """When messages came, in s on CLOCK_BOOTTIME. `asked_s`: when they were asked for, at the latest when they arrived.

    `date_s`: what the clock of the other side said meanwhile, in s since 1970; None where it did not. `kept_s`: for how long
    something on the way had kept the answer by then, which is a copy of what was said so long ago.
    """

    asked_s: float
    arrived_s: float
    date_s: float | None = None
    kept_s: float = 0.0

    @property
    def oldest_s(self) -> float:
        """How old a reading is at least that says nothing of its age."""
        return self.asked_s - self.kept_s


class PayloadReader:
    """Makes readings of the messages of one meter; it remembers their stamps. `wall_s`: this machine's clock of the wall."""

    def __init__(self, meter: PayloadMeter, wall_s: WallClock) -> None:
        self.meter = meter
        self.profile = meter.settled
        self._wall_s = wall_s
        self._far, self._stamps = FarClock(), StampMemory()

    def documents(self, bodies: Mapping[str, bytes]) -> Documents:
        """Return what stands in messages by topic; raises NoDocument, which names the topic where that is not the meter's own."""
        read: Callable[[bytes], Any] = read_json if self.profile.form == "json" else read_text
        found: dict[str, Any] = {}
        for topic, body in bodies.items():
            try:
                found[topic] = read(body)
            except NoDocument as none:
                raise NoDocument(f"{topic}: {none}" if topic else str(none)) from none
        return found

    def read(self, bodies: Mapping[str, bytes], arrival: Arrival) -> Sample | Loss:
        """Return what the messages of one reading say."""
        try:
            documents = self.documents(bodies)
        except NoDocument as none:
            return Loss(meter=self.meter.id, reason=str(none), at_s=arrival.arrived_s)
        decoded = {
            name: each.decode(documents)
            for name, each in self.profile.fields.items()
            if each.topics <= documents.keys()
        }
        try:
            taken = self._taken(documents, arrival)
        except NoStamp as wrong:
            decoded = dict.fromkeys(decoded, Dropped(str(wrong)))
            taken = ReadingTime(at_s=arrival.oldest_s)
        return self._judged(decoded, taken, arrival)

    def _taken(self, documents: Documents, arrival: Arrival) -> ReadingTime:
        stamp = self.profile.stamp
        if stamp is None:
            return ReadingTime(at_s=arrival.oldest_s)
        stamp_s = stamp_of(stamp, documents)
        if arrival.date_s is not None:
            self._far.hear(arrival.date_s, arrival.arrived_s - arrival.kept_s)
            mapped_s = self._far.boottime_s(stamp_s)
        else:
            mapped_s = stamp_s - self._wall_s() + arrival.arrived_s
        return self._stamps.taken(stamp, stamp_s, mapped_s, arrival.arrived_s, arrival.oldest_s)

    def _judged(self, decoded: Mapping[str, float | Dropped], taken: ReadingTime, arrival: Arrival) -> Sample:
        shown = self.meter.orientation.apply(decoded)
        doubtful = taken.old or any(isinstance(value, Dropped) and value.implausible for value in decoded.values())
        values = {name: value for name, value in shown.items() if not isinstance(value, Dropped)}
        return Sample(
            meter=self.meter.id,
            values=values,
            quality=Quality.UNCERTAIN if doubtful else Quality.GOOD,
            taken_at_s=taken.at_s,
            arrived_at_s=arrival.arrived_s,
            invalid={name: value.reason for name, value in shown.items() if isinstance(value, Dropped)},
            notes={self.meter.orientation.quantity: taken.old} if taken.old and values else {},
            power_took_s=arrival.arrived_s - arrival.asked_s,
        )


def placed(name: str, power: Field, form: Form) -> PayloadProfile:
    """Return the profile of a meter whose power alone the site file places; `name` is what it is called by."""
    return PayloadProfile(
        id=name,
        vendor="",
        model="",
        confidence="partial",
        ways=("http", "mqtt"),
        form=form,
        fields={REQUIRED: replace(power, written=power.written or form == "text")},
    )
