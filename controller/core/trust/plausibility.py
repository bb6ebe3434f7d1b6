"""Whether the values of one sample can be true together: frequency, volts and amperes, and the sum of the phases.

A wrong profile seldom gets through: shifted addresses and a wrong word order make a frequency that no grid has, a wrong
unit makes a power that the amperes cannot carry, one phase taken for the total is not the sum of the phases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.core.reasons import Code

#: No grid runs further than this from its frequency. The ends are out: a LIN3 register from 45 to 65 Hz that shows a raw
#: zero, or all of its range, is dead.
OFF_GRID_HZ: Final = 5.0
#: Power over volts times amperes: no more than this, whatever the averaging; and no grid carries so little, were there
#: no load but cables and filters.
_MOST_FACTOR: Final = 2.0
_LEAST_FACTOR: Final = 1.0 / 200.0
#: Power that is this share of volts times amperes, and these of more than this share of the rating, vouch for its scale.
_VOUCHING_FACTOR: Final = (0.3, 1.1)
_VOUCHING_LOAD: Final = 0.002
#: The phases may miss the total by this share.
_PHASES_SHARE: Final = 0.10
#: Below this share of the rating, amperes and phases prove nothing.
_SMALL: Final = 0.02

_PHASES: Final = ("l1", "l2", "l3")
_POWERS: Final = tuple(f"active_power_{phase}_w" for phase in _PHASES)
_PHASE_PAIRS: Final = tuple((f"voltage_{phase}_n_v", f"current_{phase}_a") for phase in _PHASES)
_POWERS_SET: Final = frozenset(_POWERS)


def unready(values: Mapping[str, float]) -> bool:
    """Return whether this is no reading at all: nothing but zeros, where a frequency or a voltage cannot be zero."""
    return not any(values.values()) and any(name == "frequency_hz" or name.startswith("voltage_") for name in values)


def off_grid(values: Mapping[str, float], grid_hz: float) -> bool:
    """Return whether the frequency, where there is one, is none of a grid of `grid_hz`."""
    frequency_hz = values.get("frequency_hz")
    return frequency_hz is not None and not abs(frequency_hz - grid_hz) < OFF_GRID_HZ


@dataclass(frozen=True, slots=True)
class Findings:
    """What a sample says of itself: `looked`, at more than its power alone; what contradicts it, None where nothing does.

    `vouched`: volts and amperes vouch for the scale of its power, which no wrong profile gets right.
    """

    looked: bool
    against: Code | None
    vouched: bool


def contradiction(values: Mapping[str, float], rating_w: float, *, known: bool = False) -> Findings:
    """Return how this sample contradicts itself.

    Only a sample that carries power together with volts and amperes, or with the phases, is looked at. `known`: they have
    vouched for the scale before; then hardly any power is just that, where generation behind the meter evens out the load.
    """
    power_w = values.get("active_power_w")
    if power_w is None:
        return Findings(looked=False, against=None, vouched=False)
    carried_va, total_w = _carried_va(values), _total_w(values)
    against = None if carried_va is None else _against_amperes(carried_va, power_w, rating_w, known=known)
    if against is None and total_w is not None:
        against = _against_phases(total_w, power_w, rating_w)
    looked = carried_va is not None or total_w is not None
    return Findings(looked=looked, against=against, vouched=_vouched(carried_va, power_w, rating_w))


def vouched(values: Mapping[str, float], rating_w: float) -> bool:
    """Return whether volts and amperes vouch for the scale of this sample's power, which no wrong profile gets right."""
    return contradiction(values, rating_w).vouched


def _vouched(carried_va: float | None, power_w: float, rating_w: float) -> bool:
    if carried_va is None or carried_va < _VOUCHING_LOAD * rating_w:
        return False
    return agrees_in_scale(carried_va, power_w)


def agrees_in_scale(carried_va: float, power_w: float) -> bool:
    """Return whether a power may be what volts times amperes carry, neither in another unit nor by another transformer ratio."""
    return _VOUCHING_FACTOR[0] * carried_va <= power_w <= _VOUCHING_FACTOR[1] * carried_va


def _carried_va(values: Mapping[str, float]) -> float | None:
    """Return volts times amperes; None where some are missing, or where a meter with two elements shows no volts to neutral."""
    carried_va = 0.0
    for volts_name, amperes_name in _PHASE_PAIRS:
        volts, amperes = values.get(volts_name), values.get(amperes_name)
        if not volts or amperes is None:
            return None
        carried_va += abs(volts * amperes)
    return carried_va


def _total_w(values: Mapping[str, float]) -> float | None:
    """Return the sum of the phases; None where some are missing, or where a meter with two elements has no power of them."""
    if not _POWERS_SET.issubset(values) or not any(values[name] for name in _POWERS):
        return None
    return sum(values[name] for name in _POWERS)


def _against_amperes(carried_va: float, power_w: float, rating_w: float, *, known: bool) -> Code | None:
    if abs(power_w) > _MOST_FACTOR * carried_va + _SMALL * rating_w:
        return Code.METER_OVER_AMPERES
    if not known and carried_va > _SMALL * rating_w and abs(power_w) < _LEAST_FACTOR * carried_va:
        return Code.METER_UNDER_AMPERES
    return None


def _against_phases(total_w: float, power_w: float, rating_w: float) -> Code | None:
    slack_w = _PHASES_SHARE * max(abs(total_w), abs(power_w)) + _SMALL * rating_w
    return Code.METER_PHASES_APART if abs(total_w - power_w) > slack_w else None
