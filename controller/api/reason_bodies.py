"""A reason as it leaves: by code, with its figures as numbers, and in words."""

from __future__ import annotations

import math
from collections.abc import Iterable

from pydantic import BaseModel

from controller.core.reasons import Code, Parameter, Reason
from controller.texts.english import text


class ReasonBody(BaseModel):
    """A reason: its code, what it is about (a node, a meter, an agent, an issuer), its parameters, and the text for people."""

    code: Code
    subject: str
    parameters: dict[str, Parameter | None]
    text: str


def reason_bodies(reasons: Iterable[Reason]) -> list[ReasonBody]:
    """Return reasons as they leave."""
    return [
        ReasonBody(
            code=reason.code,
            subject=reason.subject,
            parameters={name: _finite(value) for name, value in reason.parameters.items()},
            text=text(reason),
        )
        for reason in reasons
    ]


def _finite(value: Parameter) -> Parameter | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
