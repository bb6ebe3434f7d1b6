"""What becomes of an envelope, watt by watt: what is drawn of it, what is kept free and for what, and what is left over and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np

from controller.core.site import F64, I64


class EnvelopePart(StrEnum):
    """A part of a node's envelope; together they are the whole. Only `ABOVE` is negative, and only where more is drawn than allowed.

    What each is: `controller/texts/parts.py`.
    """

    USED = "used"
    METERS_APART = "meters_apart"
    COUNTED = "counted"
    ABOVE = "above"
    HOUSE_DRIFT = "house_drift"
    UNHEARD = "unheard"
    TOLERANCE = "tolerance"
    CAP_RESERVE = "cap_reserve"
    DEMAND = "demand"
    NO_DEVICE = "no_device"
    NOT_WORTH_IT = "not_worth_it"
    HELD = "held"
    LIMITS_BELOW = "limits_below"
    MODES = "modes"
    UNPROVEN = "unproven"
    LEAST_STEP = "least_step"
    RAMP = "ramp"
    CAPS = "caps"
    STARTING = "starting"
    UNDRAWN = "undrawn"


#: The parts in which what is not drawn is claimed, the surest first; what none of them claims is undrawn.
CLAIMS: Final = tuple(EnvelopePart)[4:-1]
_DRAWN: Final = tuple(EnvelopePart)[:4]


class PartsByNode(Protocol):
    """Whatever knows where the watts of envelopes go."""

    def by_node(self) -> dict[int, dict[EnvelopePart, float]]:
        """Return the watts by node and part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeParts:
    """What the parts of the envelopes of k nodes come to: of the site, and of those whose limit binds.

    `nodes` (k,): indexes into the tree. `whole_w` (k,): their envelopes. What is drawn of them: `least_w` (k,) by a trusted meter,
    `most_w` (k,) by another, 0 where none is; there `counted_w` (k,), else 0. `claims_w` (k,): what each part would take of what is not drawn;
    one that is missing takes nothing.
    """

    nodes: I64
    whole_w: F64
    least_w: F64
    most_w: F64
    counted_w: F64
    claims_w: Mapping[EnvelopePart, F64]

    def by_node(self) -> dict[int, dict[EnvelopePart, float]]:
        """Return the watts by node and part."""
        columns = zip(self.nodes.tolist(), self.watts().T.tolist(), strict=True)
        return {node: dict(zip(EnvelopePart, watts, strict=True)) for node, watts in columns}

    def watts(self) -> F64:
        """Return the parts (P, k) in the order of `EnvelopePart`.

        Claims take what is left one after the other, at most. So nothing is claimed twice, and nothing is left out.
        """
        taken_w = self.most_w + self.counted_w
        free_w = np.maximum(self.whole_w - taken_w, 0.0)
        asked_w = np.zeros((len(CLAIMS) + 1, self.nodes.size))
        for k, part in enumerate(CLAIMS):
            asked_w[k] = np.maximum(self.claims_w.get(part, 0.0), 0.0)
        asked_w[-1] = np.inf
        reached_w = np.minimum(np.cumsum(asked_w, axis=0), free_w)
        drawn = {
            EnvelopePart.USED: self.least_w,
            EnvelopePart.METERS_APART: self.most_w - self.least_w,
            EnvelopePart.COUNTED: self.counted_w,
            EnvelopePart.ABOVE: np.minimum(self.whole_w - taken_w, 0.0),
        }
        return np.concatenate([[drawn[part] for part in _DRAWN], np.diff(reached_w, axis=0, prepend=0.0)])
