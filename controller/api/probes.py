"""``/healthz``, ``/readyz`` and ``/metrics``: for machines on the same host, without a token and without a secret."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import StreamingResponse

from controller.api.errors import ErrorBody
from controller.api.numbers import DIGITS
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

    @router.get("/metrics", response_class=Response, responses={404: {"model": ErrorBody}})
    async def metrics(page: Annotated[int | None, Query(ge=0), DIGITS] = None) -> Response:
        """All of it; `page` 0: all but the single devices, from 1 on: 10,000 of these."""
        if page is not None and page > service.metric_pages:
            raise HTTPException(HTTPStatus.NOT_FOUND, f"page: found {page}, allowed is {service.metric_pages} at most")
        return StreamingResponse(_pieces(service.metrics(page)), headers={"Content-Type": CONTENT_TYPE})

    return router


async def _pieces(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield them one by one, and let everything else have its turn between two."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def _status(good: bool) -> HTTPStatus:
    return HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
