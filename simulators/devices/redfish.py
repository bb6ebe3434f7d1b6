"""The BMC of a server with GPUs in the shape of NVIDIA's HGX: Redfish over HTTP, with or without TLS.

Paths and the fields of EnvironmentMetrics are those of NVIDIA's guides for DGX H100 and B200; sessions, ETags and errors those of the
standard (DSP0266). Assumed: that all GPUs of a server draw alike, and that limits outlive neither a power cut nor a reset.
"""

from __future__ import annotations

import base64
import secrets
import ssl
from collections.abc import Callable
from typing import Any, Final

from simulators.devices.http_server import NOT_FOUND, HttpUnitServer, WebPage, WebRequest, page
from simulators.devices.unit import DeviceUnit

LOWEST_W: Final = 200
HIGHEST_W: Final = 700
_ROOT: Final = "/redfish/v1"
_SYSTEM: Final = "/redfish/v1/Systems/HGX_Baseboard_0"
_SESSIONS: Final = "/redfish/v1/SessionService/Sessions"
#: What a site's own programs say here, beside Redfish.
_JOBS: Final = "/simulated/jobs/"
_METRICS: Final = "/EnvironmentMetrics"
_NAME, _PASSWORD = "root", "0penBmc"
_NO: Final = page({"error": {"code": "Base.1.16.GeneralError", "message": "not allowed"}}, 400)


class RedfishServer(HttpUnitServer):
    """A server with so many GPUs. Its habits may be changed at any time.

    `sessions`: the tokens that are open; `opens_sessions`: whether it opens any. `wants_etag`: a write without the ETag of what is
    written is refused. `jobs`: whether there are any; without them all rests at the unit's off watts. `control_modes`: what each GPU says of its limit, which acts in Automatic alone.
    """

    def __init__(
        self,
        unit: DeviceUnit,
        *,
        gpus: int = 8,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        super().__init__(unit, host=host, port=port, tls=tls)
        self._count = gpus
        self.sessions: set[str] = set()
        self.opens_sessions, self.wants_etag, self.jobs = True, True, True
        self.control_modes: list[str | None] = ["Automatic"] * gpus
        self.limits_w: list[float] = [HIGHEST_W] * gpus
        self._boots, self._told_w = unit.boots, unit.told_w
        self._share()

    @property
    def _rest_w(self) -> int:
        return max(0, int(self.unit.model.modes[1].watts) - self._count * LOWEST_W)

    def settle(self) -> None:
        """Have the machine run on its limits now, after a change from outside."""
        acting = [
            limit_w if mode == "Automatic" else HIGHEST_W
            for limit_w, mode in zip(self.limits_w, self.control_modes, strict=True)
        ]
        watts = self._rest_w + sum(acting)
        self._told_w = min(int(watts), self.unit.model.max_w) if self.jobs else self.unit.model.off_w
        self.unit.tell(self._told_w)

    def writes(self, request: WebRequest) -> bool:
        """Return whether a request changes anything but sessions."""
        return request.method == "PATCH"

    def respond(self, request: WebRequest) -> WebPage:
        """Return the page that answers a request."""
        self._let_time_pass()
        if request.path.startswith(_JOBS):
            return self._switch_jobs(on=request.path.endswith("yes"))
        if (request.method, request.path) == ("POST", _SESSIONS):
            return self._open(request.json())
        if not self._is_known(request) and request.path != _ROOT:
            return page({"error": {"code": "Base.1.16.NoValidSession", "message": "no session"}}, 401)
        if request.method == "DELETE":
            self.sessions.discard(request.headers.get("x-auth-token", ""))
            return WebPage(status=204)
        if request.path.endswith(_METRICS):
            return self._metrics(request)
        reads: dict[str, Callable[[], dict[str, Any]]] = {
            _ROOT: lambda: {"RedfishVersion": "1.17.0"},
            "/redfish/v1/Systems": lambda: _collection(["/redfish/v1/Systems/DGX", _SYSTEM]),
            "/redfish/v1/Systems/DGX/Processors": lambda: _collection(["/redfish/v1/Systems/DGX/Processors/CPU_0"]),
            _SYSTEM: self._system,
            f"{_SYSTEM}/Processors": lambda: _collection([self._processor(place) for place in range(self._count)]),
        }
        return page(reads[request.path]()) if request.path in reads else NOT_FOUND

    def _switch_jobs(self, *, on: bool) -> WebPage:
        self.jobs = on
        self.settle()
        return WebPage(status=204)

    def _is_known(self, request: WebRequest) -> bool:
        pair = base64.b64encode(f"{_NAME}:{_PASSWORD}".encode()).decode()
        known = request.headers.get("x-auth-token") in self.sessions
        return known or request.headers.get("authorization") == f"Basic {pair}"

    def _open(self, said: Any) -> WebPage:
        if not self.opens_sessions:
            return NOT_FOUND
        if said != {"UserName": _NAME, "Password": _PASSWORD}:
            return page({"error": {"code": "Base.1.16.ResourceAtUriUnauthorized", "message": "no"}}, 401)
        token = secrets.token_hex(8)
        self.sessions.add(token)
        headers = {"X-Auth-Token": token, "Location": f"{_SESSIONS}/{token[:4]}"}
        return WebPage(status=201, body=b"{}", headers=headers)

    def _processor(self, place: int) -> str:
        return f"{_SYSTEM}/Processors/GPU_SXM_{place + 1}"

    def _system(self) -> dict[str, Any]:
        return {
            "@odata.id": _SYSTEM,
            "Id": "HGX_Baseboard_0",
            "Model": "HGX H100 8-GPU",
            "SerialNumber": self.unit.serial,
        }

    def _metrics(self, request: WebRequest) -> WebPage:
        paths = [self._processor(place) + _METRICS for place in range(self._count)]
        if request.path not in paths:
            return NOT_FOUND
        place = paths.index(request.path)
        etag = f'"{self.limits_w[place]}-{self.control_modes[place]}"'
        if request.method == "PATCH":
            return self._limit(place, request, etag)
        watts = max(0.0, self.unit.said_w - self._rest_w) / self._count
        limit = {
            "AllowableMin": LOWEST_W,
            "AllowableMax": HIGHEST_W,
            "SetPoint": self.limits_w[place],
            "ControlMode": self.control_modes[place],
        }
        said = page({"@odata.id": request.path, "PowerWatts": {"Reading": round(watts, 3)}, "PowerLimitWatts": limit})
        return WebPage(body=said.body, headers={"ETag": etag})

    def _limit(self, place: int, request: WebRequest, etag: str) -> WebPage:
        said = request.json()
        limit = said.get("PowerLimitWatts") if isinstance(said, dict) else None
        if self.wants_etag and request.headers.get("if-match") != etag:
            return page({"error": {"code": "Base.1.16.PreconditionFailed", "message": "If-Match"}}, 412)
        if not isinstance(limit, dict) or not LOWEST_W <= limit.get("SetPoint", 0) <= HIGHEST_W:
            return _NO
        before_w = self.unit.told_w
        if self.unit.manner().does:
            self.limits_w[place] = limit["SetPoint"]
            self.control_modes[place] = limit.get("ControlMode", self.control_modes[place])
            self.settle()
        return WebPage(body=b'{"@Message.ExtendedInfo":[]}', moved_from_w=before_w, no=_NO)

    def _share(self) -> None:
        each_w = (self.unit.told_w - self._rest_w) / self._count
        self.limits_w = [min(max(each_w, LOWEST_W), HIGHEST_W)] * self._count
        self._told_w = self.unit.told_w

    def _let_time_pass(self) -> None:
        if self._boots != self.unit.boots:
            self._boots, self.limits_w = self.unit.boots, [HIGHEST_W] * self._count
            self.sessions.clear()
            self.settle()
        elif self.unit.told_w != self._told_w:
            self._share()


def _collection(paths: list[str]) -> dict[str, Any]:
    return {"Members": [{"@odata.id": path} for path in paths], "Members@odata.count": len(paths)}


def tls_of(certificate: str, key: str) -> ssl.SSLContext:
    """Return what a server shows itself with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
