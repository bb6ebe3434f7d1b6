"""A plug with Tasmota: commands over HTTP. Commands and fields are those of its documentation.

Assumed, for it does not say so: that a Power ON which comes while a PulseTime runs starts that anew.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from simulators.devices.http_server import NOT_FOUND, HttpUnitServer, WebPage, WebRequest, page
from simulators.devices.relay_contact import RelayContact
from simulators.devices.unit import DeviceUnit

FIRMWARE: Final = "14.4.1(release-tasmota)"
_NO: Final = page({"Command": "Error"})
_UNAUTHORIZED: Final = page({"WARNING": "Need user=<username>&password=<password>"}, 401)


class TasmotaServer(HttpUnitServer):
    """One plug. Its habits may be changed at any time: those of `contact`, and the rest.

    `password`: None where none is set. `power_on_state`: what a start makes of it, 0 off, 1 on, 3 as before. `pulse_time`: 0 for none.
    `old`: it says a PulseTime as older firmware does.
    """

    def __init__(self, unit: DeviceUnit, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(unit, host=host, port=port)
        self.contact = RelayContact(unit)
        self.password: str | None = None
        self.power_on_state, self.pulse_time, self.old = 0, 0, False

    async def __aexit__(self, *error: object) -> None:
        """Close all."""
        self.contact.close()
        await super().__aexit__(*error)

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything."""
        words = self._command(request).split()
        return len(words) > 1 and words[0] != "Status"

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        self.contact.wakes_closed = self.power_on_state == 1
        self.contact.let_time_pass()
        query = parse_qs(urlsplit(request.path).query)
        if self.password is not None and query.get("password") != [self.password]:
            return _UNAUTHORIZED
        verb, *words = self._command(request).split() or [""]
        if verb == "Power1" and words:
            return self._switch(closed=words == ["ON"])
        if verb == "PulseTime1" and words:
            self.pulse_time = int(words[0])
        said: dict[str, dict[str, Any]] = {
            "Power1": self._power(),
            "PulseTime1": self._pulse(),
            "PowerOnState": {"PowerOnState": self.power_on_state},
            "Status": self._status(words),
        }
        return page(said[verb]) if verb in said else NOT_FOUND

    def _command(self, request: WebRequest) -> str:
        return parse_qs(urlsplit(request.path).query).get("cmnd", [""])[0]

    def _switch(self, *, closed: bool) -> WebPage:
        before_w, said = self.unit.told_w, page({"POWER": "ON" if closed else "OFF"})
        if self.unit.manner().does:
            held_s = self.pulse_time / 10 if self.pulse_time < 112 else self.pulse_time - 100
            self.contact.switch(closed=closed, hold_s=held_s or None)
        return WebPage(body=said.body, moved_from_w=before_w, no=_NO)

    def _pulse(self) -> dict[str, Any]:
        said = f"{self.pulse_time} (Active 0)" if self.old else {"Set": self.pulse_time, "Remaining": 0}
        return {"PulseTime1": said}

    def _power(self) -> dict[str, Any]:
        return {"POWER": "ON" if self.contact.is_closed else "OFF"}

    def _status(self, words: list[str]) -> dict[str, Any]:
        said: dict[str, dict[str, Any]] = {
            "2": {"StatusFWR": {"Version": FIRMWARE, "Hardware": "ESP8266EX"}},
            "5": {"StatusNET": {"Hostname": "plug", "Mac": self.unit.mac.upper()}},
            "8": {"StatusSNS": {"Time": "2026-01-01T00:00:00", "ENERGY": {"Power": round(self.unit.said_w)}}},
        }
        return said.get(words[0] if words else "", {})
