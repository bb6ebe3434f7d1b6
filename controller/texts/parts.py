"""What the parts of an envelope are called, and what each is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from controller.core.limits.parts import EnvelopePart

#: A smaller share of the whole is not worth a word.
_LEAST: Final = 0.0005


class PartWords(NamedTuple):
    """The name of a part, and what it is."""

    name: str
    meaning: str


PARTS: Final[Mapping[EnvelopePart, PartWords]] = {
    EnvelopePart.USED: PartWords("used", "Drawn, by the trusted meter of the node that shows the least."),
    EnvelopePart.METERS_APART: PartWords(
        "between two meters", "What another trusted meter of the node shows beyond that; the larger load counts."
    ),
    EnvelopePart.COUNTED: PartWords(
        "set, seen by no meter",
        "Setpoints and house load of a node without a trusted meter of its own, whatever is drawn of them.",
    ),
    EnvelopePart.ABOVE: PartWords(
        "above it", "Minus what is drawn, or counted, beyond the envelope; the only part below zero."
    ),
    EnvelopePart.HOUSE_DRIFT: PartWords("for the house to rise", "Kept free for a house load that rises."),
    EnvelopePart.UNHEARD: PartWords(
        "for devices never heard of",
        "What devices may draw that were never heard of, where no meter of the node shows it.",
    ),
    EnvelopePart.TOLERANCE: PartWords(
        "tolerance",
        "Devices may draw more than they are set to where no meter of the node shows it, and less during a cut.",
    ),
    EnvelopePart.CAP_RESERVE: PartWords("for caps to rise", "Kept free of other devices for caps that rise."),
    EnvelopePart.DEMAND: PartWords(
        "for the demand that is billed", "Kept free so that the window that is billed stays under its limit."
    ),
    EnvelopePart.NO_DEVICE: PartWords("no device for it", "Beyond the signed maxima of all devices below."),
    EnvelopePart.NOT_WORTH_IT: PartWords(
        "not worth drawing", "Devices could draw it, and it would cost more than it earns."
    ),
    EnvelopePart.HELD: PartWords(
        "devices held",
        "Of devices that may not be raised now: by the mode, a lock, a minimum time, their agent's word, or because nobody leads them.",
    ),
    EnvelopePart.LIMITS_BELOW: PartWords(
        "limits below", "Devices could draw it, and limits of nodes below do not let it through."
    ),
    EnvelopePart.MODES: PartWords(
        "no mode fits", "No mode of a device fits into it; and what the allocation is short of its bound."
    ),
    EnvelopePart.UNPROVEN: PartWords(
        "until others have proven",
        "Allotted to devices, and kept for others that may draw it until they have proven that they do not.",
    ),
    EnvelopePart.LEAST_STEP: PartWords(
        "too little for a change", "Allotted to a device, and too little to change its setpoint."
    ),
    EnvelopePart.RAMP: PartWords("ramp", "Allotted to devices that the ramp, or their turn, has not raised yet."),
    EnvelopePart.CAPS: PartWords("caps above the draw", "Caps that jobs do not use, by what devices report."),
    EnvelopePart.STARTING: PartWords("starting", "Setpoints that devices have not reached yet, or not proven."),
    EnvelopePart.UNDRAWN: PartWords(
        "drawn less than set",
        "What devices draw less than they are set to, as far as the house load has not taken it up, and a house load that was larger in the last three minutes.",
    ),
}


def told_parts(by_part: Mapping[EnvelopePart, float]) -> str:
    """Return the shares of a whole, of watts or watt hours, in words, the largest first."""
    whole = sum(by_part.values())
    if whole <= 0.0:
        return "not known"
    shares = sorted(((amount / whole, part) for part, amount in by_part.items()), reverse=True)
    return ", ".join(f"{PARTS[part].name} {share:.1%}" for share, part in shares if abs(share) >= _LEAST)
