"""A reason as it leaves: by code, with its figures as numbers, and in words."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel

from controller.core.reasons import Code, Parameter, Reason
from controller.daemon.plain import told_reason


class ReasonBody(BaseModel):
    """A reason: its code, what it is about (a node, a meter, an agent, an issuer), its parameters, and the text for people."""

    code: Code
    subject: str
    parameters: dict[str, Parameter | None]
    text: str


def reason_bodies(reasons: Iterable[Reason]) -> list[ReasonBody]:
    """Return reasons as they leave."""
    return [ReasonBody(**told_reason(reason)) for reason in reasons]
