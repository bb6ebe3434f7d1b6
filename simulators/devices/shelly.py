"""A Shelly plug of the second generation: RPC over HTTP. Methods, fields and codes are those of the maker's description of its API.

Assumed, for the description does not say it: that a new Switch.Set without `toggle_after` ends the timer of an older one.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from simulators.devices.http_server import NOT_FOUND, HttpUnitServer, WebPage, WebRequest, page
from simulators.devices.relay_contact import RelayContact
from simulators.devices.unit import DeviceUnit

FIRMWARE: Final = "1.4.4"
_NO: Final = page({"code": -106, "message": "Resource unavailable"}, 500)
_BAD: Final = page({"code": -103, "message": "Invalid argument"}, 500)


class ShellyServer(HttpUnitServer):
    """One plug. Its habits may be changed at any time: those of `contact`, `measures`, and `initial_state`, which a start obeys."""

    def __init__(self, unit: DeviceUnit, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(unit, host=host, port=port)
        self.contact = RelayContact(unit)
        self.measures = True
        self.initial_state = "off"

    async def __aexit__(self, *error: object) -> None:
        """Close all."""
        self.contact.close()
        await super().__aexit__(*error)

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything."""
        return "Switch.Set" in request.path

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        self.contact.wakes_closed = self.initial_state == "on"
        self.contact.let_time_pass()
        address = urlsplit(request.path)
        asked: Any = request.json() if request.method == "POST" else dict(parse_qsl(address.query))
        match address.path.removeprefix("/rpc/"):
            case "Switch.Set":
                return self._set(asked)
            case "Switch.GetStatus":
                return page(self._status())
            case "Switch.GetConfig":
                config = {
                    "id": 0,
                    "name": None,
                    "initial_state": self.initial_state,
                    "auto_on": False,
                    "auto_off": False,
                }
                return page(config)
            case "Shelly.GetDeviceInfo":
                return page(self._info())
            case _:
                return NOT_FOUND

    def _set(self, asked: Any) -> WebPage:
        if not isinstance(asked, dict) or asked.get("id") != 0 or not isinstance(asked.get("on"), bool):
            return _BAD
        before_w, was_on, hold = self.unit.told_w, self.contact.is_closed, asked.get("toggle_after")
        if self.unit.manner().does:
            self.contact.switch(closed=asked["on"], hold_s=hold)
        return WebPage(body=page({"was_on": was_on}).body, moved_from_w=before_w, no=_NO)

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = {"id": 0, "source": "http", "output": self.contact.is_closed}
        if self.contact.left_s is not None:
            status |= {"timer_started_at": 1735689600.0, "timer_duration": round(self.contact.left_s, 2)}
        if self.measures:
            status |= {"apower": round(self.unit.said_w, 1), "voltage": 230.1, "aenergy": {"total": 1.5}}
        return status

    def _info(self) -> dict[str, Any]:
        mac = self.unit.mac.replace(":", "").upper()
        return {
            "id": f"shellyplus1pm-{mac.lower()}",
            "mac": mac,
            "model": "SNSW-001P16EU",
            "gen": 2,
            "ver": FIRMWARE,
            "app": "Plus1PM",
            "auth_en": False,
        }
