"""Which profile fits an unknown meter: by what it says of itself, by SunSpec, and by what its registers would mean.

Cheap questions come first: identification, then of every profile the one register that gives it away, and only of those
that pass all others. A question that two profiles share is asked once. Nothing is ever written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.commands.meter.asked_meter import AskedMeter
from controller.commands.meter.findings import GRIDS_HZ, VOLTAGE_V, absent, labels, look, of_a_grid
from controller.commands.meter.layout import LINES, one, together
from controller.commands.meter.profile_reading import meter_of, read_by
from controller.core.trust.plausibility import OFF_GRID_HZ, vouched
from drivers.meters.modbus.poll import Asks
from drivers.meters.profiles import REQUIRED, Profile, settle
from drivers.meters.sunspec import ChainSearch, ModelChain, maker_and_model
from drivers.modbus.line import NoAnswer

#: What gives a profile away with one request, the surest first, and between which values (SI).
_TELLING: Final = (
    ("frequency_hz", min(GRIDS_HZ) - OFF_GRID_HZ, max(GRIDS_HZ) + OFF_GRID_HZ),
    ("voltage_l1_n_v", *VOLTAGE_V),
    ("voltage_l1_l2_v", *VOLTAGE_V),
)
_VOLTAGES: Final = (LINES["voltage L-N"], LINES["voltage L-L"])
_VOUCHED: Final = "P = U * I"
#: The phases speak for the total where they add up to it within this share.
_PHASES_SHARE: Final = 0.02


@dataclass(frozen=True, slots=True)
class InMeter:
    """Where the addresses of a profile count from; in a SunSpec meter with the model, and the how manieth of it that is."""

    start: int = 0
    model: int | None = None
    nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A profile, tried on the meter.

    `place`: where in the meter. `turned`: its maker, where that one counts power out of the site as positive.     `identified`: how the meter says itself that it is this one; empty where it does not. `agree`: what speaks for it.
    `wrong`: what speaks against it. `missing`: how many of its quantities the meter refuses. `values`: what it would show.
    """

    profile: Profile
    place: InMeter
    turned: str = ""
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
    def settled(self) -> bool:
        """Whether its power was in doubt, and what the meter shows vouches for it."""
        return bool(self.profile.power_doubt) and _VOUCHED in self.agree

    @property
    def shown(self) -> Profile:
        """The profile without the doubts that the meter has settled."""
        return settle(self.profile, confirmed=True) if self.settled else self.profile

    @property
    def rank(self) -> tuple[bool, bool, int, int]:
        """The best is the largest."""
        return (not self.wrong, bool(self.identified), len(self.agree) - self.missing, -len(self.wrong))


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What was found: `identity` by function 43, `chain` the SunSpec models, `candidates` the best first.

    `further`: more meters of the same profile on the same unit. `failed`: profile ids whose telling register does not fit, with the reason.
    """

    identity: tuple[str, ...]
    chain: tuple[int, ...]
    maker: str
    candidates: Sequence[Candidate]
    further: Sequence[Candidate]
    failed: Mapping[str, str]


async def probe(
    asks: Asks,
    identity: tuple[str, ...],
    profiles: Sequence[Profile],
    *,
    thorough: bool = False,
    patient: bool = False,
) -> Probed:
    """Ask the meter behind `asks`, which calls itself `identity`, what it is.

    Once it has said itself what it is, and shows what such a meter can show, no other profile is tried, unless `thorough`.
    Raises DriverLoss where it is silent, unless `patient`.
    """
    meter = AskedMeter(asks, patient=patient)
    chain = await _chain(meter)
    maker = await maker_and_model(meter.read, chain)
    said = " ".join((*identity, maker))
    candidates: list[Candidate] = []
    further: list[Candidate] = []
    failed: dict[str, str] = {}
    identified = {each.id: await _identified(meter, each, said, chain) for each in profiles}
    for profile in sorted(profiles, key=lambda each: not identified[each.id]):
        known = any(each.identified and not each.wrong for each in candidates)
        if known and not thorough and not identified[profile.id]:
            failed[profile.id] = "not tried, since the meter says what it is"
            continue
        places, why = _places(profile, chain)
        if not why and not identified[profile.id]:
            why = await _telling(meter, profile, places[0].start)
        if why:
            failed[profile.id] = why
            continue
        candidate, *more = [await _tried(meter, profile, place, identified[profile.id], maker) for place in places]
        further += more
        if candidate.identified or REQUIRED in candidate.values or profile.needs_full_scale:
            candidates.append(candidate)
        else:
            failed[profile.id] = candidate.wrong[0]
    ranked = sorted(candidates, key=lambda each: each.rank, reverse=True)
    return Probed(identity=identity, chain=chain.ids, maker=maker, candidates=ranked, further=further, failed=failed)


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


async def _chain(meter: AskedMeter) -> ModelChain:
    """Return the SunSpec models of the meter, wherever its marker stands and whatever it does with the other places."""
    search = ChainSearch()
    while True:
        try:
            return await search.chain(meter.read)
        except NoAnswer:
            if not search.hopeful:
                return ModelChain()


def _places(profile: Profile, chain: ModelChain) -> tuple[Sequence[InMeter], str]:
    """Return where meters of this profile stand, or why the profile cannot be the meter's."""
    if not profile.sunspec_models:
        return (InMeter(),), ""
    there = chain.of(profile.sunspec_models)
    if not there:
        has = f"the chain has {', '.join(map(str, chain.ids))}" if chain.ids else "there is no SunSpec marker"
        return (), f"no SunSpec model {', '.join(map(str, profile.sunspec_models))}: {has}"
    nth = [chain.of((model.id,)).index(model) + 1 for model in there]
    return tuple(InMeter(model.address, model.id, which) for model, which in zip(there, nth, strict=True)), ""


async def _identified(meter: AskedMeter, profile: Profile, said: str, chain: ModelChain) -> str:
    """Return how the meter says that it is the one of this profile; empty where it does not."""
    if there := chain.of(profile.sunspec_models):
        return f"SunSpec model {there[0].id}"
    for mark in profile.identity:
        try:
            answer = await meter.alone(mark.fc, mark.address, len(mark.words))
        except NoAnswer:  # some are silent where they have no register
            continue
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
        try:
            values, invalid = await read_by(meter, meter_of(profile), start=start, only=(quantity,))
        except NoAnswer as silence:
            return f"{quantity}: {silence}"
        if quantity in invalid:
            return f"{quantity}: {invalid[quantity]}"
        return "" if low <= values[quantity] <= high else f"{quantity} would be {values[quantity]:.4g}"
    return "it has neither frequency nor voltage to know it by"


async def _tried(meter: AskedMeter, profile: Profile, place: InMeter, identified: str, maker: str) -> Candidate:
    """Read all of the profile and judge it."""
    turned = next((each for each in profile.turned_makers if maker.lower().startswith(each.lower())), "")
    wired = replace(meter_of(profile), sign=-1 if turned else 1, swap_counters=not turned)
    known = [name for name, register in profile.registers.items() if not register.of_full_scale]
    try:
        values, invalid = await read_by(meter, wired, start=place.start, only=known)
    except NoAnswer as silence:
        values, invalid = {}, dict.fromkeys(known, str(silence))
    return Candidate(
        profile=profile,
        place=place,
        turned=turned,
        identified=identified,
        agree=tuple(agreements(values)),
        wrong=tuple(look(values, invalid)),
        missing=len(absent(values, invalid)),
        values=values,
    )


def agreements(values: Mapping[str, float]) -> list[str]:
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
        said.append(_VOUCHED)
    phases_w = [values[name] for name in LINES["power L1 L2 L3"] if name in values]
    power_w = values.get(REQUIRED, 0.0)
    if power_w and len(phases_w) == 3 and abs(sum(phases_w) - power_w) <= _PHASES_SHARE * abs(power_w):
        said.append("P = L1 + L2 + L3")
    return said
