"""How an order or a release is refused."""

from __future__ import annotations

from enum import StrEnum

from controller.core.reasons import Reason
from controller.texts.english import texts
from drivers.errors import Refused


class Cause(StrEnum):
    """Why an order or a release is refused, in one word; an interface gives each the status that its protocol has for it."""

    INVALID = "invalid"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    FULL = "full"
    RETIRED = "retired"


class OrderRefused(Refused):
    """Nothing changed; `reasons` names every reason, the subject of each is the issuer."""

    def __init__(self, cause: Cause, *reasons: Reason) -> None:
        """Refuse for one cause and all `reasons`."""
        super().__init__(texts(reasons))
        self.cause = cause
        self.reasons = reasons
