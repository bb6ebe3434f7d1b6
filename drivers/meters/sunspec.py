"""Find a SunSpec model in a meter: behind the marker ``SunS`` stands a chain of models, each with its id and length.

Source: SunSpec Device Information Model Specification; marker at 40000, 50000 or 0, chain ended by the id 0xFFFF.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from drivers.errors import DriverLoss
from drivers.modbus.answers import Answer
from drivers.modbus.line import NoAnswer

#: Reads (function code, address, count); returns the registers, or the exception that was answered.
Read = Callable[[int, int, int], Awaitable[Answer]]

BASES: Final = (40000, 50000, 0)
MARKER: Final = [0x5375, 0x6E53]
END: Final = 0xFFFF
#: The longest chain that is walked.
_MOST_MODELS: Final = 64
#: Common model: registers of maker and model, 16 words each, from its ID register.
_COMMON: Final = 1
_NAMES: Final = (2, 18)
_NAME_WORDS: Final = 16


class NoModel(DriverLoss):
    """The meter answers, and has none of the models that its profile is for."""


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """One model of a chain: its id, and the address of its ID register."""

    id: int
    address: int


@dataclass(frozen=True, slots=True)
class ModelChain:
    """All models of a meter, in order."""

    models: tuple[ModelPlace, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the models."""
        return tuple(model.id for model in self.models)

    def of(self, wanted: Collection[int]) -> tuple[ModelPlace, ...]:
        """Return those of these ids, in order."""
        return tuple(model for model in self.models if model.id in wanted)


class ChainSearch:
    """Looks for the marker at each of the places where it may stand, beginning where it stood last.

    A meter may refuse the other places or be silent about them: after a silence, the next attempt begins with the next
    place. `hopeful`: there is one that was not tried since the last that was.
    """

    def __init__(self) -> None:
        self._bases = deque(BASES)
        self._tried = 0

    @property
    def hopeful(self) -> bool:
        """Whether the next attempt asks at a place that was not asked yet."""
        return 0 < self._tried < len(BASES)

    async def chain(self, read: Read, models: Collection[int] = (), nth: int = 1) -> ModelChain:
        """Return the meter's models, none where there is no marker; raises NoAnswer and DriverLoss.

        `models`, `nth`: how many of which are enough, so that the chain is followed no further; all of it where none is named.
        """
        self._tried %= len(BASES)
        while self._tried < len(BASES):
            base = self._bases[0]
            try:
                found = list(await read(3, base, len(MARKER))) == MARKER
            except NoAnswer:
                self._next()
                raise
            if found:
                self._tried = 0
                return await _walk(read, base + len(MARKER), models, nth)
            self._next()
        self._tried = 0
        return ModelChain()

    def _next(self) -> None:
        self._bases.rotate(-1)
        self._tried += 1


def pick(chain: ModelChain, models: Collection[int], nth: int = 1) -> int:
    """Return the address of the ID register of the `nth` of `models` in the chain, counted from 1; raises NoModel."""
    if not chain.models:
        raise NoModel(f"no SunSpec marker at {', '.join(map(str, BASES))}")
    there = chain.of(models)
    if len(there) >= nth:
        return there[nth - 1].address
    wanted = f"SunSpec model {', '.join(map(str, models))}"
    if there:
        raise NoModel(f"no {wanted} number {nth}; the meter has {len(there)} of it")
    raise NoModel(f"no {wanted}; the meter has {list(chain.ids)}")


async def maker_and_model(read: Read, chain: ModelChain) -> str:
    """Return maker and model in the meter's own words; empty where it has none. Raises NoAnswer and DriverLoss."""
    common = chain.of((_COMMON,))
    if not common:
        return ""
    texts = [await read(3, common[0].address + offset, _NAME_WORDS) for offset in _NAMES]
    return " ".join(_text(words) for words in texts if not isinstance(words, str)).strip()


async def _walk(read: Read, address: int, wanted: Collection[int], nth: int) -> ModelChain:
    found: list[ModelPlace] = []
    while address < END and len(found) < _MOST_MODELS:
        try:
            answer = await read(3, address, 2)
        except NoAnswer:
            if not found:
                raise
            break  # some are silent where the chain ends
        if isinstance(answer, str) or answer[0] == END:
            break
        found.append(ModelPlace(answer[0], address))
        if wanted and sum(model.id in wanted for model in found) == nth:
            break
        address += 2 + answer[1]
    return ModelChain(tuple(found))


def _text(words: Sequence[int]) -> str:
    return b"".join(word.to_bytes(2, "big") for word in words).decode("latin-1").strip("\0 ")
