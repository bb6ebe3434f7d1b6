"""``/healthz``, ``/readyz`` and ``/metrics``: for machines on the same host, without a token and without a secret."""

from __future__ import annotations

from http import HTTPStatus

from anyio import to_thread
from fastapi import APIRouter, Response

from controller.daemon.metrics import CONTENT_TYPE
from controller.daemon.service import Health, Readiness, Service


def routes(service: Service) -> APIRouter:
    """Return the routes; 503 where the answer is no."""
    router = APIRouter(tags=["probes"])

    @router.get("/healthz", responses={503: {"model": Health}})
    async def healthz(response: Response) -> Health:
        health = service.health()
        response.status_code = _status(health.ok)
        return health

    @router.get("/readyz", responses={503: {"model": Readiness}})
    async def readyz(response: Response) -> Readiness:
        readiness = service.readiness()
        response.status_code = _status(readiness.ready)
        return readiness

    @router.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(await to_thread.run_sync(service.metrics), headers={"Content-Type": CONTENT_TYPE})

    return router


def _status(good: bool) -> HTTPStatus:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
