"""The table of the bundled profiles of messages in the documentation, generated from the profiles themselves."""

from __future__ import annotations

from typing import Final

from drivers.meters.payloads.profiles import PayloadProfile, bundled_payloads, load_payload
from drivers.meters.profiles import REQUIRED

_HEAD: Final = (
    "| id | meter | basis | way | asks for | power | stamp | shows besides |",
    "|---|---|---|---|---|---|---|---|",
)


def table() -> str:
    """Return a row for each bundled profile, in Markdown."""
    return "\n".join([*_HEAD, *(_row(load_payload(name)) for name in bundled_payloads())])


def _row(profile: PayloadProfile) -> str:
    power = profile.fields[REQUIRED]
    places = " + ".join(f"`{spot}`" for spot in power.spots)
    unit = power.unit or ("as the message says" if power.unit_at else "as the site file says")
    cells = (
        f"`{profile.id}`",
        f"{profile.vendor} {profile.model}",
        profile.confidence.replace("_", " "),
        ", ".join(profile.ways),
        f"`{profile.path}`" if profile.path else "-",
        f"{places}, {unit}",
        f"`{profile.stamp.spot}`, {profile.stamp.form}" if profile.stamp else "-",
        _besides(profile),
    )
    return f"| {' | '.join(cells)} |"


def _besides(profile: PayloadProfile) -> str:
    kinds = {name.rsplit("_", 1)[1]: None for name in profile.fields if name != REQUIRED}
    words = {"hz": "frequency", "wh": "energy", "w": "phases", "var": "reactive power", "v": "volts", "a": "amperes"}
    return ", ".join(words[kind] for kind in kinds) or "-"
