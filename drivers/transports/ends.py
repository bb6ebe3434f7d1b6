"""The two ways in which a request ends without an answer."""

from __future__ import annotations

from drivers.errors import DriverLoss


class NotSent(DriverLoss):
    """The device has certainly not heard the request."""


class Unanswered(DriverLoss):
    """Nobody knows whether the device has heard it."""
