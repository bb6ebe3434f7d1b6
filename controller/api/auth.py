"""Bearer tokens and what their holders may do."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

from fastapi import Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from controller.api.errors import RequestRefused
from controller.daemon.access import Principal, Role, Token


def principal_of(text: str, tokens: Iterable[Token]) -> Principal | None:
    """Return whose token this is; takes as long whichever token it is, or none."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    found = None
    for token in tokens:
        if hmac.compare_digest(digest, token.sha256.lower()):
            found = Principal(name=token.name, role=token.role)
    return found


_bearer = HTTPBearer(auto_error=False)
Credentials = HTTPAuthorizationCredentials | None


def require(tokens: Iterable[Token], *roles: Role) -> Callable[[Credentials], Awaitable[Principal]]:
    """Return a dependency that answers with the principal, or 401 without a known token, 403 without one of `roles`.

    The document of the interface names these roles as scopes.
    """
    bearer = Security(_bearer, scopes=roles)

    async def authenticated(credentials: Credentials = bearer) -> Principal:
        principal = principal_of(credentials.credentials, tokens) if credentials else None
        if principal is None:
            raise RequestRefused(HTTPStatus.UNAUTHORIZED, "unauthorized", "a valid bearer token is needed")
        if principal.role not in roles:
            allowed = " or ".join(roles)
            raise RequestRefused(HTTPStatus.FORBIDDEN, "forbidden", f"the role {principal.role} may not; {allowed} may")
        return principal

    return authenticated
