"""A reason as it leaves: by code, with its figures as numbers, and in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from pydantic import BaseModel

from controller.core.reasons import Code, Parameter, Reason
from controller.daemon.plain import told_reason
from controller.texts.catalogue import told
from controller.texts.phrases import Language


class ReasonBody(BaseModel):
    """A reason: its code, what it is about (a node, a meter, an agent, an issuer), its parameters, and the text for people.

    `since`: when it was first seen to hold, without a gap since; null where that is not known, and for what only happens.
    """

    code: Code
    subject: str
    parameters: dict[str, Parameter | None]
    text: str


class HeldReasonBody(ReasonBody):
    """A reason that holds now, and since when."""

    since: datetime | None


def reason_bodies(reasons: Iterable[Reason]) -> list[ReasonBody]:
    """Return reasons as they leave."""
    return [ReasonBody(**told_reason(reason)) for reason in reasons]


def held_bodies(
    reasons: Iterable[Reason], since_utc_s: Callable[[Reason], float | None], language: Language
) -> list[HeldReasonBody]:
    """Return reasons that hold as they leave, in a language; `since_utc_s`: since when each of them holds."""
    return [
        HeldReasonBody(**told_reason(reason) | {"text": told(reason, language)}, since=instant_of(since_utc_s(reason)))
        for reason in reasons
    ]


def instant_of(utc_s: float | None) -> datetime | None:
    """Return a time of the wall clock as it leaves."""
    return None if utc_s is None else datetime.fromtimestamp(utc_s, UTC)
