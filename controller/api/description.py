"""The document at ``/api/openapi.json``: what the routes say, and what holds for every operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI

from controller.api.order_schemas import believe
from controller.daemon.access import Role

_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_REFUSAL: Final = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
#: What any body may be answered: it came too slowly, is too long, or asks for what cannot be.
_OF_BODIES: Final = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


class DescribedApp(FastAPI):
    """An application whose document names every answer, and the roles that each operation is for.

    `most_w`: the largest power that an order is believed to mean; it may change while the application runs.
    """

    def __init__(self, most_w: Callable[[], float], **about: Any) -> None:
        super().__init__(**about)
        self._most_w = most_w

    def openapi(self) -> dict[str, Any]:
        """Return the document; it is made once, but for what may change."""
        if self.openapi_schema is None:
            for operation in _operations(super().openapi()):
                _complete(operation)
        document = super().openapi()
        for operation in _operations(document):
            believe(_body_of(operation), self._most_w())
        return document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (path[method] for method in path if method in _METHODS)


def _body_of(operation: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an operation's body, empty where it takes none."""
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    return content["application/json"]["schema"] if content else {}


def _complete(operation: dict[str, Any]) -> None:
    needs = [(scheme, roles) for need in operation.get("security", ()) for scheme, roles in need.items()]
    refusals = [HTTPStatus.TOO_MANY_REQUESTS]
    if needs:
        # Each of these is enough by itself: a token of any one of the roles.
        operation["security"] = [{scheme: [role]} for scheme, roles in needs for role in roles]
        refusals.append(HTTPStatus.UNAUTHORIZED)
    if any(set(roles) != set(Role) for _, roles in needs):
        refusals.append(HTTPStatus.FORBIDDEN)
    if "requestBody" in operation:
        refusals.extend(_OF_BODIES)
    if "422" in operation["responses"]:
        refusals.append(HTTPStatus.UNPROCESSABLE_ENTITY)
    for status in refusals:
        operation["responses"][str(status.value)] = {"description": status.phrase, "content": _REFUSAL}
