"""Every reason in every language, with what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from controller.core.reasons import Code, Reason
from controller.texts import english, indonesian, phrases, urdu
from controller.texts.phrases import Language, Phrases, filled
from controller.texts.remedies import REMEDIES

#: A template for each code.
CATALOGUE: Final[Mapping[Language, Mapping[Code, str]]] = {
    Language.ENGLISH: english.TEXTS,
    Language.URDU: urdu.TEXTS,
    Language.INDONESIAN: indonesian.TEXTS,
}
PHRASES: Final[Mapping[Language, Phrases]] = {
    Language.ENGLISH: phrases.ENGLISH,
    Language.URDU: phrases.URDU,
    Language.INDONESIAN: phrases.INDONESIAN,
}
_PLACE: Final = {language: place for place, language in enumerate(Language)}


def told(reason: Reason, language: Language) -> str:
    """Return the reason as a sentence without its full stop."""
    return filled(CATALOGUE[language][reason.code], reason, PHRASES[language])


def all_told(reasons: Iterable[Reason], language: Language) -> str:
    """Return several reasons in one line; empty where there are none."""
    return "; ".join(told(reason, language) for reason in reasons)


def remedy(code: Code, language: Language) -> str:
    """Return what a person can do about a reason that holds; empty for one that only happens."""
    return REMEDIES[code][_PLACE[language]] if code in REMEDIES else ""
