"""Units as servers might state them: what is read agrees with every statement, and what is not clear is no value."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from typing import Final

from asyncua import ua

from drivers.meters.opcua.units import UNECE, UNITS, UnitRefusedError, factor, unit_id

CODES: Final = {unit: code for units in UNITS.values() for unit, (_, code) in units.items()}
WORDS: Final = {
    "watt": "W",
    "kilowatt": "kW",
    "megawatt": "MW",
    "gigawatt": "GW",
    "kilowatt hour": "kWh",
    "hertz": "Hz",
}
#: UNECE codes of something else: degree Celsius, kilovar, kilovolt ampere, volt, ampere, bar, percent.
OTHERS: Final = ("CEL", "KVR", "KVA", "VLT", "AMP", "BAR", "P1")
NOISE: Final = (
    "kvar",
    "MVA",
    "MW th",
    "°C",
    "%",
    "P",
    "m",
    "M",
    "k",
    "MWp",
    "kW/h",
    "W/m²",
    "\x00",
    "mW W",
    "1 kW",
    "🔌",
)
ELECTRICAL: Final = (" el", "el", "_el", " EL", "(el)", "e", " el.")
BRACKETS: Final = ("{}", "[{}]", "({})", " {} ", "[ {} ]", "<{}>", "{{{}}}")


@dataclass(frozen=True)
class Said:
    """A text, and what it may mean to a person; nothing for one that is no unit of ours."""

    text: str
    means: frozenset[str]


def meanings(spelt: str) -> frozenset[str]:
    """Return what letters may mean: as they stand where that is a unit; else an M is mega, an m may be either."""
    if spelt in CODES:
        return frozenset({spelt})
    found = {unit for unit in CODES if unit.lower() == spelt.lower()}
    found |= {"m" + unit[1:] for unit in found if unit[0] == "M"}
    return (
        frozenset(unit for unit in found if unit[0] == "M") if spelt[0] == "M" and len(found) > 1 else frozenset(found)
    )


def every_name() -> tuple[Said, ...]:
    """Return units in each mixture of cases, with what plants put around them."""
    made = []
    for unit in CODES:
        for letters in {"".join(each) for each in product(*({letter.lower(), letter.upper()} for letter in unit))}:
            means = meanings(letters)
            made += [Said(brackets.format(letters), means) for brackets in BRACKETS]
            if unit.endswith("W"):
                made += [Said(letters + mark, means) for mark in ELECTRICAL]
            if unit.endswith("Wh"):
                made += [Said(letters[:-1] + times + letters[-1], means) for times in (" ", "·", "*", " · ", ".")]
    for word, unit in WORDS.items():
        made += [Said(each, frozenset({unit})) for each in (word, word.upper(), word.title(), f"[{word}s]")]
    return tuple(made)


NAMES: Final = every_name()


def units(seed: int, inputs: int) -> int:
    """Judge `inputs` statements; return how many gave a factor."""
    dice, accepted = random.Random(seed), 0
    for _ in range(inputs):
        accepted += _one(dice)
    return accepted


def _text(dice: random.Random) -> Said:
    if dice.random() < 0.7:
        return dice.choice(NAMES)
    if dice.random() < 0.5:
        return Said(dice.choice(NOISE), frozenset())
    letters = "".join(dice.choice("kKmMgGwWhHzZ xe[](.·") for _ in range(dice.randint(4, 9)))
    return Said("?" + letters, frozenset())


def _one(dice: random.Random) -> bool:
    name = _text(dice) if dice.random() < 0.85 else Said("", frozenset())
    described = _text(dice) if dice.random() < 0.2 else Said("", frozenset())
    of_id = dice.choice((None, None, *CODES, *OTHERS)) if dice.random() < 0.6 else None
    if name.means & CODES.keys() and dice.random() < 0.4:
        of_id = dice.choice(sorted(name.means & CODES.keys()))
    vendor = dice.random() < 0.1
    number = dice.choice((0, -1)) if of_id is None else unit_id(CODES.get(of_id, of_id))
    stated: object = ua.EUInformation(
        NamespaceUri="urn:vendor" if vendor else dice.choice((UNECE, "", None)),
        UnitId=number,
        DisplayName=ua.LocalizedText(name.text),
        Description=ua.LocalizedText(described.text),
    )
    plain = dice.random() < 0.1
    if plain:
        stated, described, of_id = dice.choice((name.text, ua.LocalizedText(name.text))), Said("", frozenset()), None
    of_id = None if vendor else of_id
    si = dice.choice(("W", "W", "Wh", "Hz"))
    wanted = dice.choice((None, None, *UNITS[si]))
    quoted = dice.choice((None, None, None, name.text or None, "mw", "MW gross")) if wanted else None
    what = f"{stated} {wanted} {quoted} {si}"
    try:
        got = factor(stated, wanted, si, quoted)
    except UnitRefusedError as error:
        if not str(error) or _clear(name, described, of_id, wanted, quoted, si):
            raise AssertionError(f"{what} is clear, and is refused") from error
        return False
    same = [unit for unit, (size, _) in UNITS[si].items() if size == got]  # Ws and J are one
    unit = next((each for each in same if each in {wanted, of_id, *name.means, *described.means}), same[0])
    _agrees(unit, name, described, of_id, wanted, quoted, what)
    return True


def _clear(name: Said, described: Said, of_id: str | None, wanted: str | None, quoted: str | None, si: str) -> bool:
    """Whether everything that is said says the same, of a unit of this kind."""
    said = [each for each in (name.means, described.means, frozenset({of_id} if of_id else ())) if each]
    if not said or quoted is not None or (name.text and not name.means) or len(name.means) > 1 or name.means == {"mW"}:
        return False
    if described.text and not described.means:
        return False
    together = frozenset.intersection(*said)
    return len(together) == 1 and together <= UNITS[si].keys() and together != {"mW"} and wanted in {None, *together}


def _agrees(
    unit: str, name: Said, described: Said, of_id: str | None, wanted: str | None, quoted: str | None, what: str
) -> None:
    """Raise AssertionError where a unit was read that something contradicts, or that nothing names."""
    assert wanted in {None, unit}, what
    assert of_id in {None, unit} or (of_id in OTHERS and not name.means and not name.text), what
    clear = len(name.means) == 1 and name.means != {"mW"}
    assert not name.means or unit in name.means or (quoted is not None and not clear), what
    if quoted is not None:
        assert quoted.strip() == (name.text.strip() or described.text.strip()), what
    if name.text and of_id is None and quoted is None:
        assert name.means, what
        settled = len(name.means) == 1 or len(name.means & described.means) == 1
        assert settled, what
    assert wanted or of_id or name.means or described.means, what
