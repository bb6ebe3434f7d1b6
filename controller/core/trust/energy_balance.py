"""Energy against power: the counters of a meter must advance by what its power adds up to.

That finds a wrong scale (1000 times), a wrong sign (the wrong counter counts), energies of one phase (a third) and
counters that stand still. How finely the counters count, and how often the meter refreshes them, shows in their steps:
nothing is said before they have moved by many of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from controller.core.reasons import Code

#: Counters are judged when they have moved by this many of their largest step, which bounds the error of both ends.
_STEPS: Final = 10.0
#: Share by which they may then be off: both ends, and power that is sampled.
_SHARE: Final = 0.25
#: Share of the rating that power or counters may not notice.
_UNNOTICED: Final = 0.005
#: Counters that are right vouch for the power where it was this many times that.
_NOTICED: Final = 3.0
#: Counters stand still when they should have moved by this many of their steps, or by this much where no step was seen, for
#: this long: twice the quarter of an hour at which the slowest are refreshed.
_STANDING_STEPS: Final = 20.0
_STANDING_WH: Final = 3e6
_STANDING_S: Final = 1800.0
#: Counters that somebody has set make one step that is never reached ten times: after this long they are looked at anew.
_LONGEST_S: Final = 7.0 * 24.0 * 3600.0
#: Across a longer gap between two samples the power is not known.
_GAP_S: Final = 10.0

_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Energies of one sample in Wh, None where the meter has none."""

    import_wh: float | None
    export_wh: float | None

    @property
    def net_wh(self) -> float:
        """Import less export."""
        return (self.import_wh or 0.0) - (self.export_wh or 0.0)

    def alike(self, other: Counters) -> bool:
        """Return whether both have the same counters."""
        return (self.import_wh is None, self.export_wh is None) == (other.import_wh is None, other.export_wh is None)

    def below(self, old: Counters) -> bool:
        """Return whether a counter is lower than before."""
        return (self.import_wh or 0.0) < (old.import_wh or 0.0) or (self.export_wh or 0.0) < (old.export_wh or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyBalance:
    """What power has added up to since `since_s`, when the counters stood at `start`.

    `at_s`, `power_w`: the newest power. `into_wh`, `out_of_wh`: energy by power, both positive. `newest`: the counters.
    `moved_wh`: by how much they have moved in all, `step_wh` by how much at once at most; `grain_wh`: the largest such step
    of the time before. `moved_s`: when they moved last, when power had added up to `until_wh`. `falls`: how often a counter fell, by a reset or by counting over. `right`: the counters were right when they were last
    judged. `doubt`: what is wrong with them, None while they are right or not yet judged; `times`: what they count over what power adds up to.
    """

    at_s: float = float("-inf")
    power_w: float = 0.0
    since_s: float = float("-inf")
    into_wh: float = 0.0
    out_of_wh: float = 0.0
    start: Counters | None = None
    newest: Counters | None = None
    moved_wh: float = 0.0
    step_wh: float = 0.0
    grain_wh: float = 0.0
    moved_s: float = float("-inf")
    until_wh: float = 0.0
    falls: int = 0
    right: bool = False
    doubt: Code | None = None
    times: float = 1.0


def add_power(balance: EnergyBalance, power_w: float, at_s: float) -> EnergyBalance:
    """Return the balance after a sample of power; a gap before it begins anew."""
    since_s = at_s - balance.at_s
    if since_s <= 0.0:
        return balance
    if since_s > _GAP_S:
        return replace(balance, at_s=at_s, power_w=power_w, start=None)
    wh = (balance.power_w + power_w) / 2.0 * since_s / _HOUR_S
    # Every sample of every meter comes here; `replace` would take three times as long.
    return EnergyBalance(
        at_s=at_s,
        power_w=power_w,
        since_s=balance.since_s,
        into_wh=balance.into_wh + max(wh, 0.0),
        out_of_wh=balance.out_of_wh + max(-wh, 0.0),
        start=balance.start,
        newest=balance.newest,
        moved_wh=balance.moved_wh,
        step_wh=balance.step_wh,
        grain_wh=balance.grain_wh,
        moved_s=balance.moved_s,
        until_wh=balance.until_wh,
        falls=balance.falls,
        right=balance.right,
        doubt=balance.doubt,
        times=balance.times,
    )


def add_counters(balance: EnergyBalance, counters: Counters, rating_w: float) -> EnergyBalance:
    """Return the balance after a sample of the counters, taken with the newest power; judged where that is possible."""
    start, old = balance.start, balance.newest
    if start is None or old is None or not counters.alike(old) or balance.at_s - balance.since_s > _LONGEST_S:
        return _anew(balance, counters)
    if counters.below(old):
        return _anew(replace(balance, falls=balance.falls + 1), counters)
    moved_wh = (
        (counters.import_wh or 0.0) - (old.import_wh or 0.0) + (counters.export_wh or 0.0) - (old.export_wh or 0.0)
    )
    into_wh = balance.into_wh if counters.import_wh is not None else 0.0
    expected_wh = into_wh - (balance.out_of_wh if counters.export_wh is not None else 0.0)
    if moved_wh > 0.0:
        balance = replace(
            balance,
            newest=counters,
            moved_wh=balance.moved_wh + moved_wh,
            step_wh=max(balance.step_wh, moved_wh),
            moved_s=balance.at_s,
            until_wh=expected_wh,
        )
    unnoticed_wh = _UNNOTICED * rating_w * (balance.at_s - balance.since_s) / _HOUR_S
    if balance.step_wh > 0.0 and balance.moved_wh >= _STEPS * balance.step_wh:
        return _compared(balance, start, counters, expected_wh, unnoticed_wh)
    standing_wh = abs(expected_wh - balance.until_wh) - unnoticed_wh
    grain_wh = max(balance.grain_wh, balance.step_wh)
    if balance.at_s - balance.moved_s > _STANDING_S and standing_wh > (_STANDING_STEPS * grain_wh or _STANDING_WH):
        return _anew(replace(balance, doubt=Code.COUNTERS_FROZEN, right=False), counters)
    return balance


def _anew(balance: EnergyBalance, counters: Counters) -> EnergyBalance:
    return replace(
        balance,
        since_s=balance.at_s,
        into_wh=0.0,
        out_of_wh=0.0,
        start=counters,
        newest=counters,
        moved_wh=0.0,
        step_wh=0.0,
        grain_wh=balance.step_wh or balance.grain_wh,
        moved_s=balance.at_s,
        until_wh=0.0,
    )


def _compared(
    balance: EnergyBalance, start: Counters, counters: Counters, expected_wh: float, unnoticed_wh: float
) -> EnergyBalance:
    counted_wh = counters.net_wh - start.net_wh
    doubt = _against(counted_wh, expected_wh, unnoticed_wh)
    times = counted_wh / expected_wh if doubt is Code.COUNTERS_OFF else 1.0
    noticed = min(counted_wh, expected_wh) > _NOTICED * unnoticed_wh
    right = doubt is None and (noticed or balance.right)
    return _anew(replace(balance, doubt=doubt, times=times, right=right), counters)


def _against(counted_wh: float, expected_wh: float, unnoticed_wh: float) -> Code | None:
    apart_wh = abs(counted_wh - expected_wh)
    if apart_wh <= _SHARE * max(abs(counted_wh), abs(expected_wh)) + unnoticed_wh:
        return None
    if counted_wh * expected_wh < 0.0:
        return Code.COUNTERS_REVERSED
    return Code.COUNTERS_WITHOUT_POWER if expected_wh == 0.0 else Code.COUNTERS_OFF
