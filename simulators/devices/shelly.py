"""A Shelly of the second generation: JSON-RPC over HTTP, with SHA-256 digest where it has a password.

Methods and fields are those of the maker's description of Gen2 (Switch.Set with `toggle_after`, Switch.GetStatus, Switch.GetConfig with
`initial_state`), as reference/device_control.md gives them. Assumed: the code of a refusal, and all of a status but what a driver reads.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any, Final

from simulators.devices.http_server import NOT_FOUND, HttpBoardServer, WebPage, WebRequest, page
from simulators.devices.outlet import Outlet

REALM: Final = "shellyplus1pm-a8032ab636ec"
_PART: Final = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


class ShellyServer(HttpBoardServer):
    """One device with one output; `password`: None where it asks for none. `initial_state` may be changed at any time."""

    def __init__(self, outlet: Outlet, *, password: str | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(outlet, host=host, port=port)
        self._outlet, self._password, self._nonce = outlet, password, secrets.token_hex(8)
        self.initial_state = "off"

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything."""
        return b"Switch.Set" in request.body

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        if request.path != "/rpc" or request.method != "POST":
            return NOT_FOUND
        if self._password is not None and not self._is_known(request, self._password):
            challenge = f'Digest qop="auth", realm="{REALM}", nonce="{self._nonce}", algorithm=SHA-256'
            return WebPage(status=401, headers={"WWW-Authenticate": challenge})
        frame = request.json()
        method, params = (frame.get("method"), frame.get("params")) if isinstance(frame, dict) else (None, None)
        if not isinstance(params, dict) or params.get("id") != 0:
            return page(self._said(frame, error={"code": -105, "message": "Argument 'id', value not found!"}))
        if method == "Switch.Set":
            return self._set(frame, params)
        said = {
            "Switch.GetStatus": {"id": 0, "source": "HTTP_in", "output": self._outlet.closed, "apower": 0.0},
            "Switch.GetConfig": {"id": 0, "name": None, "initial_state": self.initial_state, "auto_off": False},
        }
        if method not in said:
            return page(self._said(frame, error={"code": 404, "message": f"No handler for {method}"}))
        return page(self._said(frame, result=said[method]))

    def _set(self, frame: dict[str, Any], params: dict[str, Any]) -> WebPage:
        closed, for_s, was_on = params.get("on"), params.get("toggle_after"), self._outlet.closed
        no = page(self._said(frame, error={"code": -103, "message": "Invalid argument 'on'!"}))
        if not isinstance(closed, bool):
            return no
        if self._outlet.manner().does:
            self._outlet.switch(closed=closed, for_s=for_s)
        return WebPage(body=page(self._said(frame, result={"was_on": was_on})).body, moved_from_w=0, no=no)

    def _said(self, frame: Any, **said: Any) -> dict[str, Any]:
        return {"id": frame.get("id") if isinstance(frame, dict) else None, "src": REALM, "dst": "surplusd", **said}

    def _is_known(self, request: WebRequest, password: str) -> bool:
        said = {name: quoted or bare for name, quoted, bare in _PART.findall(request.headers.get("authorization", ""))}
        inner, outer = _sha(f"admin:{REALM}:{password}"), _sha(f"POST:{request.path}")
        words = [inner, self._nonce, said.get("nc", ""), said.get("cnonce", ""), "auth", outer]
        return said.get("response") == _sha(":".join(words))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
