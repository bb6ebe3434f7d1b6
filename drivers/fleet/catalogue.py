"""What each device model can be told to draw, and what that costs in time; the facts stand in ``models.yaml``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from drivers.errors import ConfigError
from drivers.quantities import QuantityError, QuantityKind, parse_quantity
from drivers.strict_yaml import plain_values

#: The most that one device may be said to draw, in W; a larger figure is a mistake.
MAX_W: Final = 10_000_000
#: The most that a share may be, and a time in s.
MOST_SHARE: Final = 0.5
MOST_S: Final = 86_400.0


class DeviceKind(StrEnum):
    """What sort of load a model is."""

    ASIC = "asic"
    GPU = "gpu"
    RELAY = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMode:
    """One setpoint: `watts` at the wall; `continuous` allows every power between the mode before and this one."""

    name: str
    watts: float
    hashrate_ths: float
    continuous: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One device model; its first mode is off and draws the residual watts, the others ascend.

    `tolerance`, `estimate_error` are shares; see ``models.yaml`` for the meaning and for the source of each fact.
    """

    id: str
    kind: DeviceKind
    vendor: str
    modes: tuple[DeviceMode, ...]
    tolerance: float
    down_s: float
    up_s: float
    restarts: bool
    min_up_s: float
    min_down_s: float
    settle_s: float
    start_wear_s: float
    change_wear_s: float
    steady: bool
    estimate_error: float

    @property
    def in_place(self) -> bool:
        """Return whether every running mode is reached from every other without a step."""
        return all(mode.continuous for mode in self.modes[2:])

    @property
    def restarts_on_change(self) -> bool:
        """Return whether a change among the running modes restarts the device."""
        return self.restarts and not self.in_place

    @property
    def off_w(self) -> int:
        """Residual watts when off, rounded up to whole watts."""
        return math.ceil(self.modes[0].watts)

    @property
    def max_w(self) -> int:
        """The most that the device may be told to draw, in whole watts."""
        return int(self.modes[-1].watts)

    def at_most(self, watts: float) -> int:
        """Return the largest setpoint in whole watts that is not above `watts`; `off_w` where only off fits.

        >>> load_catalogue()["antminer-s19-xp"].at_most(2699)
        2200
        """
        best = self.off_w
        for below, mode in pairwise(self.modes):
            if watts >= mode.watts:
                best = int(mode.watts)
            elif mode.continuous and watts >= below.watts:
                best = max(best, math.floor(watts))
        return best


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMistake:
    """What is wrong in a catalogue file, and the way to it: keys and list positions; `found` and `allowed` are words."""

    loc: tuple[str | int, ...]
    found: str
    allowed: str

    def __str__(self) -> str:
        """Return it in a line: model, key, what was found and what is allowed."""
        way = self.loc[1:] if self.loc[:1] == ("models",) and len(self.loc) > 1 else self.loc
        return ": ".join([*map(str, way), f"found {self.found}, allowed is {self.allowed}"])


@lru_cache(maxsize=1)
def load_catalogue() -> Mapping[str, Model]:
    """Return the bundled models by id."""
    return parse_catalogue(files("drivers.fleet").joinpath("models.yaml").read_bytes(), "models.yaml")


def parse_catalogue(text: bytes, name: str) -> Mapping[str, Model]:
    """Return the models of a catalogue file by id.

    Raises ConfigError with a line for each mistake that says file, model, what was found and what is allowed.
    """
    models, mistakes = models_of(plain_values(text, name))
    if mistakes:
        raise ConfigError("\n".join(f"{name}: {mistake}" for mistake in mistakes))
    return models


def models_of(raw: object) -> tuple[Mapping[str, Model], Sequence[ModelMistake]]:
    """Return the models of a catalogue file that was decoded to plain values, and all that is wrong with it.

    A model with a mistake is left out.
    """
    reader = _Reader()
    return MappingProxyType(reader.catalogue(raw)), tuple(reader.mistakes)


def _in_words(kind: QuantityKind, most: str) -> str:
    unit = "a share in %" if kind is QuantityKind.FRACTION else "a time with ms, s, min or h"
    return f"{unit} from 0 to {most}"


def _in_whole_watts(watts: Sequence[float]) -> bool:
    return max(watts) <= MAX_W and all(w.is_integer() for w in watts[1:])


_Text = Annotated[str, Meta(min_length=1)]
_Number = Annotated[float, Meta(ge=0, le=1e9)]
_FRACTION, _TIME = (QuantityKind.FRACTION, MOST_SHARE, "50 %"), (QuantityKind.TIME, MOST_S, "24 h")
_ID: Final = re.compile("[a-z0-9][a-z0-9-]{0,62}")
#: By key its type, and what may stand there in words.
_MODE: Final[Mapping[str, tuple[Any, str]]] = {
    "name": (_Text, "a text, in quotes"),
    "watts": (_Number, f"a number from 0 to {MAX_W}"),
    "hashrate_ths": (_Number, "a number of TH/s, zero or more"),
    "continuous": (bool, "true or false"),
}
_PLAIN: Final[Mapping[str, tuple[Any, str]]] = {
    "kind": (DeviceKind, f"one of {', '.join(DeviceKind)}"),
    "vendor": (_Text, "a text"),
    "description": (_Text, "a text"),
    "modes": (Annotated[list[Any], Meta(min_length=2)], "a list of at least two modes, the first of them off"),
    "restarts": (bool, "true or false"),
    "steady": (bool, "true or false"),
    "sources": (Annotated[dict[str, Any], Meta(min_length=1)], "for each fact where it is from, at least one"),
}
_QUANTITIES: Final = {
    "tolerance": _FRACTION,
    "estimate_error": _FRACTION,
    **dict.fromkeys(("down", "up", "min_up", "min_down", "settle", "start_wear", "change_wear"), _TIME),
}
#: By key what may stand there, in words: of a mode, and of a model.
MODE_KEYS: Final = {key: words for key, (_, words) in _MODE.items()}
MODEL_KEYS: Final = {key: words for key, (_, words) in _PLAIN.items()}
QUANTITY_KEYS: Final = {key: _in_words(kind, most) for key, (kind, _, most) in _QUANTITIES.items()}
_Loc = tuple[str | int, ...]


class _Reader:
    """Reads plain values as models, and collects what is wrong; a value that is wrong is None."""

    def __init__(self) -> None:
        self.mistakes: list[ModelMistake] = []

    def catalogue(self, raw: object) -> dict[str, Model]:
        given = self._mapping((), raw, {"version", "models"})
        if given is None:
            return {}
        if given.get("version") != 1 or given["version"] is True:
            self._wrong(("version",), given.get("version", ...), "1")
        models = self._plain((), given, "models", dict[str, Any], "a mapping of models by id") or {}
        read = {id_: self._model(id_, ("models", id_), entry) for id_, entry in models.items()}
        return {id_: model for id_, model in read.items() if model is not None}

    def _model(self, id_: str, loc: _Loc, raw: object) -> Model | None:
        before = len(self.mistakes)
        if not _ID.fullmatch(id_):
            self._wrong(loc, "the id " + repr(id_), "1 to 63 of a-z, 0-9 and -, not starting with -", as_words=True)
        given = self._mapping(loc, raw, {*_PLAIN, *_QUANTITIES})
        if given is None:
            return None
        plain = {key: self._plain(loc, given, key, *kind) for key, kind in _PLAIN.items()}
        sizes = {key: self._quantity(loc, given, key, *kind) for key, kind in _QUANTITIES.items()}
        modes = self._modes((*loc, "modes"), plain["modes"] or ())
        for fact in plain["sources"] or ():
            self._plain((*loc, "sources"), plain["sources"], fact, _Text, "a text")
        if len(self.mistakes) > before:
            return None
        times: dict[str, Any] = {f"{key}_s": sizes[key] for key, kind in _QUANTITIES.items() if kind is _TIME}
        shares: dict[str, Any] = {key: sizes[key] for key, kind in _QUANTITIES.items() if kind is _FRACTION}
        facts = {key: plain[key] for key in ("kind", "vendor", "restarts", "steady")}
        return Model(id=id_, modes=modes, **facts, **times, **shares)

    def _modes(self, loc: _Loc, raw: Sequence[object]) -> tuple[DeviceMode, ...]:
        modes = [mode for k, entry in enumerate(raw) if (mode := self._mode((*loc, k), entry)) is not None]
        if not modes or len(modes) < len(raw):
            return ()
        watts, names = [mode.watts for mode in modes], [mode.name for mode in modes]
        if not _in_whole_watts(watts):
            self._wrong(loc, f"the watts {watts}", f"whole watts (but for off) up to {MAX_W}", as_words=True)
        if any(low >= high for low, high in pairwise(watts)):
            self._wrong(loc, f"the watts {watts}", "ascending order", as_words=True)
        if modes[0].continuous or modes[0].hashrate_ths:
            found = f"{modes[0].name!r} as the first mode"
            self._wrong((*loc, 0), found, "off: not continuous, no hashrate", as_words=True)
        if len(set(names)) < len(names):
            self._wrong(loc, f"the names {', '.join(names)}", "a name of its own for each mode", as_words=True)
        return tuple(modes)

    def _mode(self, loc: _Loc, raw: object) -> DeviceMode | None:
        given = self._mapping(loc, raw, set(_MODE))
        if given is None:
            return None
        values = {key: self._plain(loc, {"continuous": False, **given}, key, *kind) for key, kind in _MODE.items()}
        return None if None in values.values() else DeviceMode(**values)

    def _mapping(self, loc: _Loc, raw: object, keys: set[str]) -> dict[str, Any] | None:
        """Return a mapping without the keys that it may not have."""
        if not isinstance(raw, dict):
            self._wrong(loc, raw, f"a mapping with the keys {', '.join(sorted(keys))}")
            return None
        for key in sorted(map(str, raw.keys() - keys)):
            allowed = f"one of {', '.join(sorted(keys))}"
            self._wrong((*loc, key), "an unknown key", allowed, as_words=True)
        return {key: value for key, value in raw.items() if key in keys}

    def _plain(self, loc: _Loc, given: Mapping[str, Any], key: str, kind: Any, allowed: str) -> Any:
        try:
            return msgspec.convert(given.get(key, ...), kind)
        except msgspec.ValidationError:
            self._wrong((*loc, key), given.get(key, ...), allowed)
            return None

    def _quantity(
        self, loc: _Loc, given: Mapping[str, Any], key: str, kind: QuantityKind, most: float, in_words: str
    ) -> float | None:
        found = given.get(key, ...)
        try:
            value = parse_quantity(found, kind)
        except QuantityError:
            value = math.nan
        if not 0 <= value <= most:
            self._wrong((*loc, key), found, _in_words(kind, in_words))
            return None
        return value

    def _wrong(self, loc: _Loc, found: object, allowed: str, *, as_words: bool = False) -> None:
        words = str(found) if as_words else _shown(found)
        self.mistakes.append(ModelMistake(loc=loc, found=words, allowed=allowed))


def _shown(value: object) -> str:
    if value is ...:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else f"a list of {len(value)}"
    return repr(value) if isinstance(value, str) else str(value).lower()
