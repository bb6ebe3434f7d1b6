"""``surplusd meter new``: the first version of a profile, from what a person reads in the meter's manual."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from drivers.errors import ConfigError
from drivers.meters.profiles import QUANTITIES, REQUIRED, Profile, bundled_profiles, load_profile, parse_profile

_HEAD: Final = """\
# Addresses are those of the protocol and count from 0: what a manual calls 40001, 30001 or 1 is 0 here, and some manuals
# count from 0 themselves; a frequency near 50 or 60 Hz says which. Every key is explained in docs/meters.md.
"""
_REGISTER: Final = re.compile(r"^(\w+)=([34]):(\d+):(\w+):(\w+)(?::([0-9.eE+-]+))?$")
_SHAPE: Final = "QUANTITY=FC:ADDRESS:TYPE:UNIT[:SCALE], as in active_power_w=3:3059:float32:kW"
#: What a profile says of itself, which one that begins as its copy does not take over; nor is it known by its marks.
_OWN: Final = {"id", "vendor", "model", "confidence", "sources", "notes", "identity", "registers"}
_ASKED: Final = (REQUIRED, "frequency_hz", "energy_import_wh", "energy_export_wh", "voltage_l1_n_v", "current_l1_a")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileOptions:
    """What the new profile shall say. `registers`: as the command line gives them. `like`: a profile to start from."""

    vendor: str | None = None
    model: str | None = None
    source: str | None = None
    word_order: str | None = None
    registers: Sequence[str] = ()
    like: str | None = None


def write(path: Path, options: ProfileOptions) -> Profile:
    """Write the profile at `path`, where nothing stands yet, and return it. Raises ConfigError; then nothing is written."""
    text = profile_text(re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_"), options)
    profile = parse_profile(text, str(path))
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(
            f"{path}: stands already and is left as it is; `surplusd meter test {path}` tests it"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from error
    return profile


def profile_text(name: str, options: ProfileOptions) -> str:
    """Return the profile file."""
    base = _raw(options.like) if options.like else {}
    rows = {**base.get("registers", {}), **dict(_row(register) for register in options.registers)}
    along = {key: value for key, value in base.items() if key not in _OWN} | (
        {"word_order": options.word_order} if options.word_order else {}
    )
    notes = [f"Begun as a copy of {options.like}."] if options.like else []
    top = {
        "id": name,
        "vendor": options.vendor or "unknown",
        "model": options.model or "unknown",
        "confidence": "single_source",
        "sources": [options.source or "not said"],
        **({"notes": notes} if notes else {}),
        "word_order": "big",
        **along,
    }
    registers = "\n".join(f"  {quantity}: {_in_line(row)}" for quantity, row in rows.items())
    return f"{_HEAD}{yaml.safe_dump(top, default_flow_style=None, sort_keys=False, allow_unicode=True, width=110)}registers:\n{registers}\n"


def ask(say: Callable[[str], str], options: ProfileOptions) -> ProfileOptions:
    """Return the options with what is missing, asked by `say`, which returns the answer to a question."""
    vendor = options.vendor or say("Who makes the meter? ")
    model = options.model or say("What does its type plate say? ")
    source = options.source or say("Where do the registers stand (manual, edition, page)? ")
    order = options.word_order or say("Word order: big (most significant word first, the usual) or little? [big] ")
    return ProfileOptions(
        vendor=vendor, model=model, source=source, word_order=order or "big", registers=_registers(say)
    )


def _registers(say: Callable[[str], str]) -> list[str]:
    known: list[str] = []
    ahead = (
        "Now the registers, each as FC:ADDRESS:TYPE:UNIT[:SCALE], the address counted from 0, as in 3:3059:float32:kW;\n"
        "nothing where the meter has no such register.\n"
    )
    for quantity in _ASKED:
        while answer := say(f"{ahead}{quantity}: ").strip():
            try:
                parse_profile(
                    profile_text("asked", ProfileOptions(registers=[*known, f"{quantity}={answer}"])), "asked"
                )
            except ConfigError as error:
                ahead = f"{error}\n"
                continue
            known.append(f"{quantity}={answer}")
            break
        ahead = ""
    return known


def _row(register: str) -> tuple[str, dict[str, Any]]:
    match = _REGISTER.match(register.strip())
    if match is None or match[1] not in QUANTITIES:
        raise ConfigError(
            f"--register: found {register!r}, allowed is {_SHAPE}; QUANTITY is one of {', '.join(QUANTITIES)}"
        )
    row: dict[str, Any] = {"fc": int(match[2]), "address": int(match[3]), "type": match[4], "unit": match[5]}
    if match[6]:
        row["scale"] = yaml.safe_load(match[6])
    return match[1], row


def _raw(name: str) -> Mapping[str, Any]:
    load_profile(name)  # says what is wrong with it, or which there are
    if name in bundled_profiles():
        text = (files("drivers.meters") / "profiles" / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        text = Path(name).read_text(encoding="utf-8")
    data: Mapping[str, Any] = yaml.safe_load(text)
    return data


def _in_line(row: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(row), default_flow_style=True, sort_keys=False, allow_unicode=True, width=1000).strip()
