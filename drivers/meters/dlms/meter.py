"""One meter on DLMS/COSEM as the site has it, and how it is read: the same way by whoever asks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from drivers.clock import Clock, boottime_s
from drivers.errors import DriverLoss
from drivers.meters.codec import Dropped
from drivers.meters.dlms.access import Access
from drivers.meters.dlms.place import DlmsPlace, Station
from drivers.meters.dlms.profiles import CLOCK, DlmsProfile
from drivers.meters.dlms.session import Line, Session
from drivers.meters.dlms.values import MeterClock, value_of
from drivers.meters.dlms.xdlms import Attribute, Denied, Got
from drivers.meters.orientation import Orientation
from drivers.meters.profiles import FAST, QUANTITIES, REQUIRED
from drivers.readings import Loss, Quality, Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class DlmsMeter:
    """One meter on DLMS/COSEM.

    `place`, `address`: where it is; meters on one HDLC line share its connection. `access`: as whom it is read. `poll_s`: from
    one poll of power, frequency and clock to the next, and of `each_poll`, other quantities that are read as often;
    `poll_slow_s`: the same for all quantities. `timeout_s`: for connecting, and for each answer. `orientation`: which way its
    power counts, and under which name.
    """

    id: str
    place: DlmsPlace
    address: Station
    access: Access = field(default_factory=Access)
    profile: DlmsProfile
    poll_s: float
    poll_slow_s: float = 10.0
    timeout_s: float
    orientation: Orientation = field(default_factory=Orientation)
    each_poll: tuple[str, ...] = ()


class DlmsReader:
    """Reads one meter over a line. What it has not got is asked for again with all quantities only."""

    def __init__(self, meter: DlmsMeter, line: Line) -> None:
        self.meter = meter
        self._session = Session(line, meter.address, meter.access, meter.timeout_s)
        # A surplus source carries its power alone.
        self._all = tuple(meter.profile.quantities) if meter.orientation.quantity == REQUIRED else (REQUIRED,)
        self._fast = tuple(name for name in self._all if name in {*FAST, *meter.each_poll})
        self._lacks: frozenset[Attribute] = frozenset()
        self._clock = MeterClock()

    async def read(self, clock: Clock, *, full: bool) -> Sample | Loss:
        """Return what one poll saw; `full`: of all quantities. Raises DriverLoss where the meter is not read."""
        names = self._all if full else self._fast
        await self._session.begin()
        started_s = clock()
        got = await self._asked([*self._needed(self._fast), CLOCK], full=full)
        took_s = clock() - started_s
        got |= await self._asked([each for each in self._needed(names) if each not in got], full=full)
        lacking = frozenset(each for each, value in got.items() if isinstance(value, Denied) and value.for_good)
        self._lacks = lacking if full else self._lacks | lacking
        taken_s = self._clock.taken_s(got[CLOCK], started_s + took_s / 2)
        return self._judged(names, got, taken_s, clock(), took_s=took_s)

    async def _asked(self, wanted: Sequence[Attribute], *, full: bool) -> dict[Attribute, Got]:
        """Return the answers to these; what the meter has not got is asked for with all quantities only."""
        skipped = frozenset() if full else self._lacks
        absent: dict[Attribute, Got] = {each: _ABSENT for each in wanted if each in skipped}
        return absent | await self._session.get([each for each in dict.fromkeys(wanted) if each not in skipped])

    def _needed(self, names: Collection[str]) -> Iterator[Attribute]:
        for name in names:
            for number in self.meter.profile.quantities[name].numbers:
                yield number.scaler_unit
                yield number.value

    def _judged(
        self, names: Collection[str], got: Mapping[Attribute, Got], taken_s: float, arrived_s: float, *, took_s: float
    ) -> Sample | Loss:
        meter = self.meter
        decoded = {name: value_of(meter.profile.quantities[name], QUANTITIES[name], got) for name in names}
        if all(isinstance(value, Dropped) for value in decoded.values()):
            power = decoded[REQUIRED]
            return Loss(meter=meter.id, reason=power.reason if isinstance(power, Dropped) else "", at_s=arrived_s)
        doubtful = any(isinstance(value, Dropped) and value.implausible for value in decoded.values())
        shown = meter.orientation.apply(decoded)
        return Sample(
            meter=meter.id,
            values={name: value for name, value in shown.items() if not isinstance(value, Dropped)},
            quality=Quality.UNCERTAIN if doubtful else Quality.GOOD,
            taken_at_s=taken_s,
            arrived_at_s=arrived_s,
            invalid={name: value.reason for name, value in shown.items() if isinstance(value, Dropped)},
            power_took_s=took_s,
        )

    def drop(self) -> None:
        """Forget the association."""
        self._session.drop()


#: Stands for what was not asked, because the meter has not got it.
_ABSENT = Denied(4, "no such object (access result 4)")


async def read_dlms_once(meter: DlmsMeter, clock: Clock = boottime_s) -> Sample | Loss:
    """Read all quantities of one meter once, over a connection of its own."""
    line = Line(meter.place, meter.timeout_s)
    reader = DlmsReader(meter, line)
    try:
        return await reader.read(clock, full=True)
    except DriverLoss as loss:
        return Loss(meter=meter.id, reason=str(loss), at_s=clock())
    finally:
        reader.drop()
        line.close()
