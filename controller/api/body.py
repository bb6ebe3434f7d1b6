"""Bodies of requests: how long one may be, how long its sender may take for it, and what stands in it."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from controller.api.errors import RequestRefused
from controller.texts.wrong_values import wrong_value

#: The longest body in bytes, and how long its sender may take for it.
MAX_BODY: Final = 4096
BODY_TIMEOUT_S: Final = 5.0


#: The first and the last character of a name: no space, as every dialect of regular expressions has it.
_END: Final = r"[^\s\x00-\x1f\x85\ufeff]"
#: What a person says, and the name of one.
Words = Annotated[str, Field(min_length=1, max_length=500, description="for the journal")]
PersonName = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=f"^{_END}([^\\n\\r\\u2028\\u2029]*{_END})?$", description="of a person"),
]


class RequestBody(BaseModel):
    """What a person asks for; a field that is not known is a mistake."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


_A = TypeVar("_A", bound=BaseModel)


def takes(schema: dict[str, Any]) -> dict[str, Any]:
    """Return what the document says of an operation whose body has this schema; the operation reads it by itself."""
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def parsed(model: type[_A], body: bytes) -> _A:
    """Return what a body asks for; RequestRefused with every mistake in it."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        details = (str(wrong_value(each)) for each in error.errors(include_url=False))
        raise RequestRefused(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", *details) from error


async def read_body(request: Request, most: int = MAX_BODY) -> bytes:
    """Return the body; RequestRefused where it is longer than `most` bytes, or comes too slowly."""
    body = b""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
                    raise RequestRefused(status, "too_large", f"body: more than {most} bytes")
    except (TimeoutError, ClientDisconnect) as error:
        late = f"body: not complete within {BODY_TIMEOUT_S:g} s"
        raise RequestRefused(HTTPStatus.REQUEST_TIMEOUT, "too_late", late) from error
    return body
