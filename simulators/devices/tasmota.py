"""A plug with Tasmota: commands in the address of a page.

Commands are those of its documentation (Power, PulseTime, PowerOnState), as reference/device_control.md gives them; the form of their
answers is from memory. Assumed: that each `Power ON` begins the pulse time anew.
"""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from simulators.devices.http_server import NOT_FOUND, HttpBoardServer, WebPage, WebRequest, page
from simulators.devices.outlet import Outlet

_SECONDS = 100


class TasmotaServer(HttpBoardServer):
    """One plug with one output; `password`: None where it asks for none. `power_on_state` may be changed at any time."""

    def __init__(self, outlet: Outlet, *, password: str | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(outlet, host=host, port=port)
        self._outlet, self._password = outlet, password
        self.power_on_state, self._pulse = 3, 0

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything."""
        return "%20" in request.path

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        address = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if address.path != "/cm":
            return NOT_FOUND
        if self._password is not None and query.get("password") != self._password:
            return page({"WARNING": "Need user=<username>&password=<password>"}, 401)
        verb, _, value = query.get("cmnd", "").upper().partition(" ")
        if verb in {"POWER", "POWER1"}:
            return self._power(value)
        if verb == "PULSETIME1" and value.isdecimal():
            self._pulse = int(value)
            return page({"PulseTime1": {"Set": self._pulse, "Remaining": 0}})
        if verb == "POWERONSTATE":
            return page({"PowerOnState": self.power_on_state})
        return page({"Command": "Unknown"})

    def _power(self, value: str) -> WebPage:
        if not value:
            return page({"POWER": "ON" if self._outlet.closed else "OFF"})
        if self._outlet.manner().does:
            for_s = float(self._pulse - _SECONDS) if value == "ON" and self._pulse > _SECONDS else None
            self._outlet.switch(closed=value == "ON", for_s=for_s)
        return WebPage(body=page({"POWER": value}).body, moved_from_w=0, no=page({"Command": "Error"}))
