"""Which profile fits an unknown meter: by what it says of itself, by SunSpec, and by what its registers would mean.

Cheap questions come first: identification, then of every profile the one register that gives it away, and only of those
that pass all others. A question that two profiles share is asked once. Nothing is ever written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from controller.commands.meter.capture import NOT_CAPTURED, CapturedMeter
from controller.commands.meter.findings import GRIDS_HZ, VOLTAGE_V, absent, labels, look, of_a_grid
from controller.commands.meter.layout import LINES, one, together
from controller.commands.meter.meter_line import SILENCE
from controller.commands.meter.profile_reading import read_by
from controller.core.trust.plausibility import OFF_GRID_HZ, vouched
from drivers.errors import DriverLoss
from drivers.meters.profiles import REQUIRED, Profile
from drivers.meters.sunspec import BASES, END, MARKER, Read
from drivers.modbus.answers import Answer

#: What gives a profile away with one request, the surest first, and between which values (SI).
_TELLING: Final = (
    ("frequency_hz", min(GRIDS_HZ) - OFF_GRID_HZ, max(GRIDS_HZ) + OFF_GRID_HZ),
    ("voltage_l1_n_v", *VOLTAGE_V),
    ("voltage_l1_l2_v", *VOLTAGE_V),
)
_VOLTAGES: Final = (LINES["voltage L-N"], LINES["voltage L-L"])
#: The phases speak for the total where they add up to it within this share.
_PHASES_SHARE: Final = 0.02
#: How many questions in a row may stay without any answer before the meter is given up.
_MOST_SILENT: Final = 4
#: SunSpec common model: registers of maker and model, 16 words each, from the ID register.
_MAKER, _MODEL = 2, 18
#: The longest chain of SunSpec models that is walked.
_MOST_MODELS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A profile, tried on the meter.

    `identified`: how the meter says itself that it is this one; empty where it does not. `agree`: what speaks for it.
    `wrong`: what speaks against it. `missing`: how many of its quantities the meter refuses. `values`: what it would show.
    """

    profile: Profile
    identified: str = ""
    agree: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    missing: int = 0
    values: Mapping[str, float]

    @property
    def fits(self) -> str:
        """How well: ``yes``, ``maybe`` or ``no``."""
        if self.wrong:
            return "no"
        return "yes" if self.identified or len(self.agree) > 1 else "maybe"

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """The best is the largest."""
        return (not self.wrong, bool(self.identified), len(self.agree) - self.missing, -len(self.wrong))


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What was found: `identity` by function 43, `chain` the SunSpec models, `candidates` the best first.

    `failed`: profile ids whose telling register does not fit, with the reason.
    """

    identity: tuple[str, ...]
    chain: tuple[int, ...]
    maker: str
    candidates: Sequence[Candidate]
    failed: Mapping[str, str]


class AskedMeter:
    """The meter that is asked, with a memory: a question is asked once."""

    def __init__(self, read: Read, *, patient: bool) -> None:
        self._read = read
        self._patient = patient
        self._known = CapturedMeter()
        self._silent = 0

    async def read(self, fc: int, address: int, count: int) -> Answer:
        """Return the registers or why there are none. Raises DriverLoss where the meter has fallen silent."""
        known = await self._known.read(fc, address, count)
        if not (isinstance(known, str) and known.startswith(NOT_CAPTURED)):
            return known
        return await self.alone(fc, address, count)

    async def alone(self, fc: int, address: int, count: int) -> Answer:
        """Return the answer to exactly this request."""
        if (known := self._known.exact(fc, address, count)) is not None:
            return known
        answer = await self._read(fc, address, count)
        self._known.take(fc, address, count, answer)
        self._silent = self._silent + 1 if _is_silence(answer) else 0
        if self._silent >= _MOST_SILENT and not self._patient:
            raise DriverLoss(
                f"{_MOST_SILENT} questions in a row without an answer (the last: {answer}): is the unit id right, "
                "is the meter behind the gateway on, are baud rate and parity those of the meter? Some meters are silent "
                "where they have no register: --patient goes on"
            )
        return answer


async def probe(
    read: Read,
    identity: tuple[str, ...],
    profiles: Sequence[Profile],
    *,
    thorough: bool = False,
    patient: bool = False,
) -> Probed:
    """Ask the meter behind `read`, which calls itself `identity`, what it is.

    Once it has said itself what it is, and shows what such a meter can show, no other profile is tried, unless `thorough`.
    Raises DriverLoss where it is silent, unless `patient`.
    """
    meter = AskedMeter(read, patient=patient)
    starts, chain, maker = await _sunspec(meter)
    said = " ".join((*identity, maker))
    candidates: list[Candidate] = []
    failed: dict[str, str] = {}
    identified = {each.id: await _identified(meter, each, said, starts) for each in profiles}
    for profile in sorted(profiles, key=lambda each: not identified[each.id]):
        known = any(each.identified and not each.wrong for each in candidates)
        if known and not thorough and not identified[profile.id]:
            failed[profile.id] = "not tried, since the meter says what it is"
            continue
        start, why = _start(profile, starts, chain)
        if not why and not identified[profile.id]:
            why = await _telling(meter, profile, start)
        if why:
            failed[profile.id] = why
            continue
        candidate = await _tried(meter, profile, start, identified[profile.id])
        if candidate.identified or REQUIRED in candidate.values or profile.needs_full_scale:
            candidates.append(candidate)
        else:
            failed[profile.id] = candidate.wrong[0]
    ranked = sorted(candidates, key=lambda each: each.rank, reverse=True)
    return Probed(identity=identity, chain=tuple(chain), maker=maker, candidates=ranked, failed=failed)


def apart(first: Candidate, second: Candidate) -> str:
    """Return in words what differs between two candidates that fit equally well; empty where they read the same."""
    names = f"{first.profile.id} and {second.profile.id}"
    for quantity in sorted(first.values.keys() & second.values.keys(), key=lambda name: name != REQUIRED):
        here, there = first.values[quantity], second.values[quantity]
        (what,) = labels([quantity])
        if abs(here - there) > 1e-6 * max(abs(here), abs(there)):
            return (
                f"{names} cannot be told apart by the registers: the first reads {what} as {one(quantity, here)}, the "
                f"second as {one(quantity, there)}; look at the meter's display or type plate"
            )
        if here == 0 and first.profile.registers[quantity].factor != second.profile.registers[quantity].factor:
            return (
                f"{names} cannot be told apart while {what} is zero: they read it from the same place with different "
                "factors; ask again under load, or look at the type plate"
            )
    return ""


async def _sunspec(meter: AskedMeter) -> tuple[dict[int, int], list[int], str]:
    """Return the address of each model in the meter's SunSpec chain, the models in order, and maker and model."""
    for base in BASES:
        if await meter.read(3, base, len(MARKER)) == MARKER:
            break
    else:
        return {}, [], ""
    starts: dict[int, int] = {}
    chain: list[int] = []
    address = base + len(MARKER)
    while address < 0xFFFF and len(chain) < _MOST_MODELS:
        answer = await meter.read(3, address, 2)
        if isinstance(answer, str) or answer[0] == END:
            break
        chain.append(answer[0])
        starts.setdefault(answer[0], address)
        address += 2 + answer[1]
    texts = [await meter.read(3, starts[1] + offset, 16) for offset in (_MAKER, _MODEL)] if 1 in starts else []
    return starts, chain, " ".join(_text(words) for words in texts if not isinstance(words, str)).strip()


def _text(words: Sequence[int]) -> str:
    return b"".join(word.to_bytes(2, "big") for word in words).decode("latin-1").strip("\0 ")


def _is_silence(answer: Answer) -> bool:
    return isinstance(answer, str) and answer.startswith(SILENCE)


def _start(profile: Profile, starts: Mapping[int, int], chain: Sequence[int]) -> tuple[int, str]:
    """Return the address that those of the profile count from, or why the profile cannot be the meter's."""
    if not profile.sunspec_models:
        return 0, ""
    start = next((starts[model] for model in profile.sunspec_models if model in starts), None)
    if start is not None:
        return start, ""
    has = f"the chain has {', '.join(map(str, chain))}" if chain else "there is no SunSpec marker"
    return 0, f"no SunSpec model {', '.join(map(str, profile.sunspec_models))}: {has}"


async def _identified(meter: AskedMeter, profile: Profile, said: str, starts: Mapping[int, int]) -> str:
    """Return how the meter says that it is the one of this profile; empty where it does not."""
    model = next((model for model in profile.sunspec_models if model in starts), None)
    if model is not None:
        return f"SunSpec model {model}"
    for mark in profile.identity:
        answer = await meter.alone(mark.fc, mark.address, len(mark.words))
        if not isinstance(answer, str) and tuple(answer) == tuple(mark.words):
            return f"identity registers at {mark.address}"
    if profile.vendor.split()[0].lower() in said.lower():
        named = [word for word in re.findall(r"[\w-]{4,}", said) if re.search(r"\d", word) and word in profile.model]
        if named:
            return f"calls itself {named[0]}"
    return ""


async def _telling(meter: AskedMeter, profile: Profile, start: int) -> str:
    """Return why the one register that gives the profile away does not fit; empty where it does."""
    for quantity, low, high in _TELLING:
        if quantity not in profile.registers:
            continue
        values, invalid = await read_by(meter.read, profile, start=start, only=(quantity,))
        if quantity in invalid:
            return f"{quantity}: {invalid[quantity]}"
        return "" if low <= values[quantity] <= high else f"{quantity} would be {values[quantity]:.4g}"
    return "it has neither frequency nor voltage to know it by"


async def _tried(meter: AskedMeter, profile: Profile, start: int, identified: str) -> Candidate:
    """Read all of the profile and judge it."""
    known = [name for name, register in profile.registers.items() if not register.of_full_scale]
    values, invalid = await read_by(meter.read, profile, start=start, only=known)
    return Candidate(
        profile=profile,
        identified=identified,
        agree=tuple(_agreements(values)),
        wrong=tuple(look(values, invalid)),
        missing=len(absent(values, invalid)),
        values=values,
    )


def _agreements(values: Mapping[str, float]) -> list[str]:
    """Return what speaks for a profile: quantities that no wrong one would show, and those that confirm each other."""
    said = []
    if "frequency_hz" in values and of_a_grid(values):
        said.append(one("frequency_hz", values["frequency_hz"]))
    for names in _VOLTAGES:
        volts = [values[name] for name in names if name in values]
        if volts and all(VOLTAGE_V[0] <= each <= VOLTAGE_V[1] for each in volts):
            said.append(together("_v", volts))
            break
    if values.get(REQUIRED) and vouched(values, 0.0):
        said.append("P = U * I")
    phases_w = [values[name] for name in LINES["power L1 L2 L3"] if name in values]
    power_w = values.get(REQUIRED, 0.0)
    if power_w and len(phases_w) == 3 and abs(sum(phases_w) - power_w) <= _PHASES_SHARE * abs(power_w):
        said.append("P = L1 + L2 + L3")
    return said
