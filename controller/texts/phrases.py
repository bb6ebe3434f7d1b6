"""How a language says figures and names inside a text; the texts themselves are in the files of the languages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from controller.core.reasons import Reason
from drivers.quantities import format_power

#: First strong isolate, left-to-right isolate, and the end of either: what stands between keeps its own direction.
_FSI, _LRI, _PDI = "\u2068", "\u2066", "\u2069"


class Language(StrEnum):
    """A language that people are told reasons in, by its BCP 47 tag."""

    ENGLISH = "en"
    URDU = "ur"
    INDONESIAN = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """What a template's specs come to. `drawing` has a ``{power}``, `more` a ``{count}``; `device`, `devices`: one, and several.

    `decimal`: the sign before the digits behind the unit. `isolated`: the language runs right to left, and figures and names do not.
    """

    drawing: str
    draws_nothing: str
    more: str
    device: str
    devices: str
    unlimited: str
    decimal: str = "."
    isolated: bool = False

    def number(self, text: str) -> str:
        """Return a number that was written the English way as the language writes it."""
        text = text.replace("unlimited", self.unlimited).replace(".", self.decimal)
        return f"{_LRI}{text}{_PDI}" if self.isolated else text

    def name(self, text: str) -> str:
        """Return a name, or words in whatever language, so that they stand as they are."""
        return f"{_FSI}{text}{_PDI}" if self.isolated and text else text


class _Name(str):
    """A name in a template."""

    __slots__ = ("phrases",)
    phrases: Phrases

    def __format__(self, _spec: str) -> str:
        return self.phrases.name(str(self))

    def __repr__(self) -> str:
        return self.phrases.name(super().__repr__())


class _Figure(float):
    """A number that a template may ask for as ``power`` or ``kW``, or with the thing that it counts, as ``device``."""

    __slots__ = ("phrases",)
    phrases: Phrases

    def __format__(self, spec: str) -> str:
        value, say = float(self), self.phrases
        if spec == "power":
            return say.number(format_power(value))
        if spec == "drawing":
            return say.drawing.format(power=say.number(format_power(value))) if value else say.draws_nothing
        if spec == "kW":
            return say.number(f"{value / 1e3:.0f}")
        if spec == "more":
            return say.more.format(count=say.number(f"{value:.0f}")) if value else ""
        if spec == "device":
            return f"{say.number(f'{value:.0f}')} {say.device if value == 1.0 else say.devices}"
        return say.number(format(value, spec))


def filled(template: str, reason: Reason, say: Phrases) -> str:
    """Return a template with the subject and the parameters of a reason."""
    values: dict[str, object] = {}
    for name, value in {"subject": reason.subject, **reason.parameters}.items():
        shown: _Name | _Figure = _Name(value) if isinstance(value, str) else _Figure(value)
        shown.phrases = say
        values[name] = shown
    return template.format(**values)


#: How English says them.
ENGLISH: Final = Phrases(
    drawing="up to {power}",
    draws_nothing="they draw nothing now, as far as is known",
    more=" and {count} more",
    device="device",
    devices="devices",
    unlimited="unlimited",
)
URDU: Final = Phrases(
    drawing="{power} تک",
    draws_nothing="جہاں تک معلوم ہے اس وقت وہ کچھ نہیں لے رہیں",
    more=" اور مزید {count}",
    device="مشین",
    devices="مشینیں",
    unlimited="لا محدود",
    isolated=True,
)
INDONESIAN: Final = Phrases(
    drawing="hingga {power}",
    draws_nothing="sejauh diketahui tidak menarik daya sekarang",
    more=" dan {count} lagi",
    device="perangkat",
    devices="perangkat",
    unlimited="tak terbatas",
    decimal=",",
)
