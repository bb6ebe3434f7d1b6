"""Why a message of the fleet does not count."""

from __future__ import annotations

from controller.core.reasons import Reason
from controller.texts.english import text
from drivers.errors import Refused


class MessageRefused(Refused):
    """A message of the fleet that does not count."""

    def __init__(self, reason: Reason) -> None:
        """Refuse for one reason; its subject is the agent, or the root node where no agent of the site is named."""
        super().__init__(text(reason))
        self.reason = reason
