"""What becomes of an envelope, watt by watt: what is drawn of it, what is kept free and for what, and what is left over and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

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
_PLACE: Final = {part: k for k, part in enumerate(EnvelopePart)}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeParts:
    """The parts of the envelopes of k nodes: of the site, and of all whose limit binds.

    `nodes` (k,): indexes into the tree. `watts` (P, k): in the order of `EnvelopePart`.
    """

    nodes: I64
    watts: F64

    def by_node(self) -> dict[int, dict[EnvelopePart, float]]:
        """Return the watts by node and part."""
        columns = zip(self.nodes.tolist(), self.watts.T.tolist(), strict=True)
        return {node: dict(zip(EnvelopePart, watts, strict=True)) for node, watts in columns}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnWatts:
    """What is drawn of the envelopes (k,): `least_w` by a trusted meter, `most_w` by another, 0 where none is; there `counted_w`, else 0."""

    least_w: F64
    most_w: F64
    counted_w: F64


def divided(nodes: I64, whole_w: F64, drawn: DrawnWatts, claims_w: Mapping[EnvelopePart, F64]) -> EnvelopeParts:
    """Return the parts of the envelopes `whole_w` (k,) of these nodes.

    `claims_w` (k,): what each part would take of what is not drawn. One after the other they take what is left, at most; nothing
    is claimed twice, and nothing is left out.
    """
    taken_w = drawn.most_w + drawn.counted_w
    free_w = np.maximum(whole_w - taken_w, 0.0)
    asked_w = np.zeros((len(CLAIMS) + 1, nodes.size))
    for k, part in enumerate(CLAIMS):
        if part in claims_w:
            asked_w[k] = claims_w[part]
    np.maximum(asked_w, 0.0, out=asked_w)
    asked_w[-1] = np.inf
    reached_w = np.minimum(np.cumsum(asked_w, axis=0), free_w)
    watts = np.empty((len(EnvelopePart), nodes.size))
    watts[_PLACE[EnvelopePart.USED]] = drawn.least_w
    watts[_PLACE[EnvelopePart.METERS_APART]] = drawn.most_w - drawn.least_w
    watts[_PLACE[EnvelopePart.COUNTED]] = drawn.counted_w
    watts[_PLACE[EnvelopePart.ABOVE]] = np.minimum(whole_w - taken_w, 0.0)
    watts[_PLACE[EnvelopePart.HOUSE_DRIFT] :] = np.diff(reached_w, axis=0, prepend=0.0)
    return EnvelopeParts(nodes=nodes, watts=watts)
