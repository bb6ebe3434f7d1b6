"""Whole numbers in the address of a request, as digits alone."""

import re
from typing import Final

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

_WHOLE: Final = re.compile("-?[0-9]+")


def _digits(value: object) -> object:
    # Without this `+0.0`, ` 1` and `1_0` are numbers, too, which no schema of an integer has.
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise PydanticKnownError("int_parsing")
    return value


#: Stands behind the bounds of such a number; before them, they would not be in the document.
DIGITS: Final = BeforeValidator(_digits)
