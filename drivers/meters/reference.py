"""The table of the bundled profiles in the documentation, generated from the profiles themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

import yaml

from drivers.meters.blocks import plan
from drivers.meters.codec import Register
from drivers.meters.profiles import FAST, Profile, bundled_profiles, load_profile
from drivers.quantities import format_power

#: No site draws as much: that a type ends there is of no interest.
_NO_SITE_W: Final = 100e9

_HEAD: Final = (
    "| id | meter | basis | words | power | ends at | energy | requests | verify on the device |",
    "|---|---|---|---|---|---|---|---|---|",
)


def table() -> str:
    """Return a row for each bundled profile, in Markdown."""
    return "\n".join([*_HEAD, *(_row(load_profile(name), _rows_of(name)) for name in bundled_profiles())])


def _rows_of(name: str) -> Mapping[str, Mapping[str, Any]]:
    text = (files("drivers.meters") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")
    rows: Mapping[str, Mapping[str, Any]] = yaml.safe_load(text)["registers"]
    return rows


def _row(profile: Profile, rows: Mapping[str, Mapping[str, Any]]) -> str:
    power = profile.registers["active_power_w"]
    fast = plan(profile, [name for name in FAST if name in profile.registers])
    cells = (
        f"`{profile.id}`",
        f"{profile.vendor} {profile.model}",
        profile.confidence.replace("_", " "),
        "big" if profile.word_order == "big" else "**little**",
        _written(rows["active_power_w"]),
        _end(power),
        _energy(rows),
        f"{len(fast)} / {len(plan(profile))}",
        "; ".join(_doubts(profile)) or "-",
    )
    return f"| {' | '.join(cells)} |"


def _end(power: Register) -> str:
    if power.of_full_scale:
        return "full scale"
    return format_power(power.range[1]) if power.range and power.range[1] < _NO_SITE_W else "-"


def _written(row: Mapping[str, Any]) -> str:
    """Return type, scale and unit as the file has them."""
    if "lin3" in row:
        return "LIN3"
    scale = f" * {row['scale']:g}" if "scale" in row else " * 10^SF" if "scale_address" in row else ""
    address = row["address"]
    parts = f", {' + '.join(map(str, address))}" if isinstance(address, list) else ""
    return f"{row['type']}{scale} {row['unit']}{parts}{', less another' if 'subtract' in row else ''}"


def _energy(rows: Mapping[str, Mapping[str, Any]]) -> str:
    if "energy_import_wh" not in rows:
        return "-"
    alone = "" if "energy_export_wh" in rows else ", import only"
    return _written(rows["energy_import_wh"]) + alone


def _doubts(profile: Profile) -> Iterator[str]:
    """Yield each doubt once, behind the quantities that share it."""
    texts = {register.doubt: None for register in profile.registers.values() if register.doubt}
    for text in texts:
        names = [f"`{name}`" for name, register in profile.registers.items() if register.doubt == text]
        yield f"{', '.join(names)}: {text}"
