"""What is there when schemathesis comes."""

from typing import Final

LOCK: Final = {"subject": "feeder", "by": "A. Person"}
