"""What looks wrong in one look at a meter, in words that a person at the meter understands. Pure.

The rules are those by which the daemon believes a meter (`controller.core.trust.plausibility`), told with their figures; here
are only those besides that a person can follow up and a controller cannot: uneven voltages, counters that show a direction.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Final

from controller.commands.meter.layout import LINES, one, together
from controller.core.reasons import Reason
from controller.core.trust.columns import PLAUSIBLE
from controller.core.trust.plausibility import OFF_GRID_HZ, contradiction, off_grid, unready
from controller.texts.english import PROFILE_QUESTION, predicate
from drivers.meters.payloads.fields import NotThere
from drivers.meters.payloads.profiles import PayloadProfile
from drivers.meters.profiles import REQUIRED, Profile
from drivers.modbus.answers import Refusal

#: Frequencies of the grids of the world.
GRIDS_HZ: Final = (50.0, 60.0)
#: Stands for a rating that is not known: what the rules call small is measured by it.
_SOME_RATING_W: Final = 2_500.0
#: Voltages of the three phases differ by less than this share of the largest.
_UNEVEN_SHARE: Final = 0.15
#: No voltage between a phase and neutral is below or above these, in V, at a meter that shows primary or secondary values.
VOLTAGE_V: Final = (20.0, 450_000.0)
#: Voltage L-L is this many times voltage L-N, within this share.
_BETWEEN: Final = (math.sqrt(3), 0.15)
#: A counter that has counted less than this share of the other, which has counted at least so many Wh, shows a direction
#: that power hardly ever takes.
_COUNTER_SHARE: Final = 0.001
_COUNTED_WH: Final = 1e3
#: Where the meter refused it is of no interest in a sum.
_WHERE: Final = re.compile(r" for \d+ registers at \d+$")

_PHASES: Final = ("l1", "l2", "l3")
_BETWEEN_PHASES: Final = ("l1_l2", "l2_l3", "l3_l1")

Values = Mapping[str, float]


def look(
    values: Values, invalid: Mapping[str, str], rating_w: float | None = None, grids_hz: Sequence[float] = GRIDS_HZ
) -> list[str]:
    """Return what looks wrong, the gravest first; nothing where all is well.

    `values`: by quantity, in the unit that its name carries. `invalid`: quantity to the reason why it has no value.
    `rating_w`: of the meter with its transformers, where it is known. `grids_hz`: the frequencies that its grid may have.
    """
    strange = {name: _told(reason) for name, reason in invalid.items() if name not in absent(values, invalid)}
    if unready(values):
        return [
            *_grouped(strange),
            "everything is zero: the meter is not measuring yet, or these registers hold nothing",
        ]
    return [
        *_grouped(strange),
        *_frequency(values, grids_hz),
        *_rating(values, rating_w),
        *_contradiction(values, rating_w),
        *_voltages(values),
        *_counters(values),
    ]


def absent(values: Values, invalid: Mapping[str, str]) -> dict[str, str]:
    """Return the quantities that this meter does not have, with the reason: it works without them.

    What it refuses for now, or is silent about, is not among them: the profile promises it, and nobody knows why it is missing.
    """
    if REQUIRED not in values:
        return {}
    return {name: reason for name, reason in invalid.items() if _for_good(reason)}


def _for_good(reason: str) -> bool:
    return reason.for_good if isinstance(reason, Refusal) else isinstance(reason, NotThere)


def _told(reason: str) -> str:
    return f"refused for now, {reason}" if isinstance(reason, Refusal) and not reason.for_good else reason


def doubts(profile: Profile | PayloadProfile | None) -> list[str]:
    """Return what the author of a profile could not be sure of, each text once with the quantities that it is about."""
    return [f"verify {text}" for text in _grouped(profile.doubts)] if profile else []


def _grouped(texts: Mapping[str, str]) -> list[str]:
    """Return each text once, behind the names of all the lines that it is about."""
    names: dict[str, list[str]] = {}
    for quantity, text in texts.items():
        names.setdefault(_WHERE.sub("", text), []).append(quantity)
    return [f"{', '.join(labels(quantities))}: {text}" for text, quantities in names.items()]


def labels(quantities: Iterable[str]) -> list[str]:
    """Return what the lines are called in which these quantities stand."""
    wanted = set(quantities)
    return [label for label, inside in LINES.items() if wanted & set(inside)]


def of_a_grid(values: Values, grids_hz: Sequence[float] = GRIDS_HZ) -> bool:
    """Return whether the frequency, where there is one, is that of one of these grids."""
    return any(not off_grid(values, grid_hz) for grid_hz in grids_hz)


def _frequency(values: Values, grids_hz: Sequence[float]) -> Iterator[str]:
    if not of_a_grid(values, grids_hz):
        grids = " or ".join(f"{grid_hz:g} Hz" for grid_hz in grids_hz)
        low_hz, high_hz = min(grids_hz) - OFF_GRID_HZ, max(grids_hz) + OFF_GRID_HZ
        yield (
            f"{values['frequency_hz']:.6g} Hz is no {grids} grid ({low_hz:g} to {high_hz:g} Hz): wrong profile, word "
            "order or address, or no voltage at the meter"
        )


def _rating(values: Values, rating_w: float | None) -> Iterator[str]:
    power_w = values.get("active_power_w", values.get("surplus_w", 0.0))
    if rating_w is not None and abs(power_w) > PLAUSIBLE * rating_w:
        factor = " (1000 times less would fit: kW taken for W?)" if abs(power_w) <= 1000 * rating_w else ""
        yield f"{one('_w', power_w)} is above {PLAUSIBLE:.0%} of the rating, {one('_w', rating_w)}{factor}"


def _contradiction(values: Values, rating_w: float | None) -> Iterator[str]:
    against = contradiction({**_from_between(values), **values}, rating_w or _SOME_RATING_W).against
    if against is None:
        return
    power_w = values["active_power_w"]
    figures = [one("_w", power_w)]
    for name, other_w in (("volts times amperes", apparent(values)), ("phases", _sum(values, "active_power_{}_w"))):
        if other_w is not None:
            figures.append(
                f"{name} {one('_w', other_w).removesuffix('W')}{'VA' if 'volts' in name else 'W'}{_times(power_w, other_w)}"
            )
    what = predicate(Reason(against, "")).removesuffix(f": {PROFILE_QUESTION}")
    yield f"{what} ({', '.join(figures)}): wrong unit, address or transformer ratio?"


def apparent(values: Values) -> float | None:
    """Return volts times amperes in VA, None where the meter does not show both."""
    filled = {**_from_between(values), **values}
    volts, amperes = _three(filled, "voltage_{}_n_v"), _three(filled, "current_{}_a")
    if volts is None or amperes is None:
        return None
    return sum(abs(u * i) for u, i in zip(volts, amperes, strict=True))


def _from_between(values: Values) -> dict[str, float]:
    """Return the voltages L-N that belong to those L-L."""
    between_v = _three(values, "voltage_{}_v", _BETWEEN_PHASES)
    return (
        dict.fromkeys((f"voltage_{each}_n_v" for each in _PHASES), fmean(between_v) / _BETWEEN[0]) if between_v else {}
    )


def _voltages(values: Values) -> Iterator[str]:
    low_v, high_v = VOLTAGE_V
    for names in (LINES["voltage L-N"], LINES["voltage L-L"]):
        volts = [values[name] for name in names if name in values]
        if any(volts):
            if not low_v <= max(volts) <= high_v or min(volts) < 0:
                yield f"{together('_v', volts)} is no voltage of a grid: wrong profile, word order or factor"
            elif max(volts) - min(volts) > _UNEVEN_SHARE * max(volts):
                yield f"the phases are uneven ({together('_v', volts)}): a fuse or a wire of the voltage inputs?"
    phases_v, between_v = _three(values, "voltage_{}_n_v"), _three(values, "voltage_{}_v", _BETWEEN_PHASES)
    if phases_v and between_v and any(phases_v) and any(between_v):
        ratio = fmean(between_v) / fmean(phases_v)
        if abs(ratio / _BETWEEN[0] - 1.0) > _BETWEEN[1]:
            yield f"voltage L-L is {ratio:.3g} times voltage L-N, not 1.73 times: one of them has a wrong address"


def _counters(values: Values) -> Iterator[str]:
    power_w = values.get("active_power_w", 0.0)
    counted_wh, against_wh = values.get("energy_import_wh"), values.get("energy_export_wh")
    if counted_wh is None or against_wh is None:
        return
    way, name = "into", "import"
    if power_w < 0:
        counted_wh, against_wh, way, name = against_wh, counted_wh, "out of", "export"
    if power_w and against_wh > _COUNTED_WH and counted_wh < _COUNTER_SHARE * against_wh:
        yield (
            f"power flows {way} the site, yet the {name} counter has counted next to nothing beside the other one: "
            "sign, or direction of the current transformers?"
        )


def _three(values: Values, name: str, phases: Iterable[str] = _PHASES) -> list[float] | None:
    names = [name.format(phase) for phase in phases]
    return [values[each] for each in names] if all(each in values for each in names) else None


def _sum(values: Values, name: str) -> float | None:
    three = _three(values, name)
    return None if three is None else sum(three)


def _times(value: float, other: float) -> str:
    """Return in words that the two differ by a power of thousand, where they do."""
    ratio = abs(value / other) if value and other else 0.0
    for factor, word in ((1e3, "1000"), (1e6, "1000000")):
        if 0.3 <= ratio / factor <= 3.0:
            return f", {word} times less"
        if 0.3 <= ratio * factor <= 3.0:
            return f", {word} times as much"
    return ""
