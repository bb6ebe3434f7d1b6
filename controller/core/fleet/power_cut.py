"""What is below contactors that have been told to open: who is without power, and who may be drawing anything.

A device without power draws nothing, and what its agent says of it is no news. It is counted so only while it is proven
that its contactor is open (`controller.core.limits.trip` says when). Of one whose contactor is about to close, or may have been
closed by a hand, nothing is known but its signed maximum: miners boot at what they like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from controller.core.fleet.leases import Leases
from controller.core.fleet.trouble import Trouble
from controller.core.site import Bool, Devices


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerCut:
    """What contactors have cut off, or are about to give back.

    Devices (D,): `held` are below a contactor that was told to open, or that is being closed again: nothing of them is raised
    above min(current, failsafe). Of these, `dark` ones are without power, and `anything` ones may draw up to their signed maximum.
    Nodes (N,): `unfed` ones are below a contactor without power. `changing` ones have such a contactor, at themselves, above or
    below, and for `switching` ones its power comes or goes now; for `fading` ones it has just been proven that it is gone, which
    not every meter above shows yet.
    """

    held: Bool
    dark: Bool
    anything: Bool
    unfed: Bool
    switching: Bool
    fading: Bool
    changing: Bool

    @property
    def quiet(self) -> Bool:
        """Devices (D,) of which it is no news that they do not answer."""
        return np.asarray(self.dark | self.anything, dtype=np.bool_)


def without_power(leases: Leases, devices: Devices, cut: PowerCut | None) -> Leases:
    """Return the leases with what devices may be drawing below contactors."""
    if cut is None:
        return leases
    high_w = np.where(cut.dark, 0.0, np.where(cut.anything, devices.max_w, leases.high_w))
    unseen = cut.dark | cut.anything
    return replace(
        leases,
        low_w=np.where(cut.held, 0.0, leases.low_w),
        high_w=high_w,
        seen_w=np.where(unseen, 0.0, leases.seen_w),
        owing_s=np.where(unseen, np.inf, leases.owing_s),
    )


def no_news(trouble: Trouble, devices: Devices, cut: PowerCut | None) -> Trouble:
    """Return the trouble without what is no news; none of those that may draw anything is led."""
    if cut is None:
        return trouble
    quiet = cut.quiet
    spoken_for = np.bincount(devices.agent, weights=~quiet, minlength=trouble.silent_s.size) > 0
    spoken_for |= np.bincount(devices.agent, minlength=trouble.silent_s.size) == 0
    return replace(
        trouble,
        silent_s=np.where(spoken_for, trouble.silent_s, 0.0),
        deaf_s=np.where(spoken_for, trouble.deaf_s, 0.0),
        silent=trouble.silent & ~quiet,
        lost=trouble.lost & ~quiet,
        defiant=trouble.defiant & ~quiet,
        reluctant=trouble.reluctant & ~quiet,
        led=(trouble.led | cut.dark) & ~cut.anything,
        asked=(trouble.asked | cut.dark) & ~cut.anything,
    )
