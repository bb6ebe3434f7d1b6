"""How what a person asks for at work is refused."""

from __future__ import annotations

from controller.core.reasons import Reason
from controller.daemon.orders.refusal import Cause
from controller.texts.english import texts
from drivers.errors import Refused


class WorkRefused(Refused):
    """It did not come to what was asked for; `reason` says why, its subject is who asked, or what stands in the way."""

    def __init__(self, cause: Cause, reason: Reason) -> None:
        """Refuse for one cause."""
        super().__init__(texts((reason,)))
        self.cause = cause
        self.reason = reason
