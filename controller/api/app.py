"""The HTTP interface as a whole."""

from __future__ import annotations

from fastapi import FastAPI

from controller.api import errors, nodes, orders, probes, status
from controller.daemon.service import Service


def create_app(service: Service) -> FastAPI:
    """Return the application over `service`; its description is at ``/api/openapi.json``."""
    app = FastAPI(
        title="surplusd",
        summary=f"Site controller of {service.site.id}",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    errors.install(app, service.refused)
    for routes in (probes.routes, status.routes, orders.routes, nodes.routes):
        app.include_router(routes(service))
    return app
