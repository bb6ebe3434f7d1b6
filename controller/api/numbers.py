"""Whole numbers in the address of a request, as digits alone."""

import re
from typing import Annotated, Final

from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError

_DIGITS: Final = re.compile("-?[0-9]+")


def _digits(value: object) -> object:
    # Without this `+0.0`, ` 1` and `1_0` are numbers, too, which no schema of an integer has.
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise PydanticKnownError("int_parsing")
    return value


WholeNumber = Annotated[int, BeforeValidator(_digits)]
