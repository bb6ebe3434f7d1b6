"""The HTTP interface as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.api import clock, errors, events, journal, meters, nodes, orders, people, probes, reload, status
from controller.api.description import DescribedApp
from controller.api.door import Doorkeeper
from controller.api.heard import heard
from controller.api.order_bodies import order_body
from controller.api.page import routes as page
from controller.api.readers import Readers
from controller.api.session import authorization, cookie_name
from controller.api.turns import Turns
from controller.daemon.service import Service


def create_app(service: Service) -> FastAPI:
    """Return the application over `service`; its description is at ``/api/openapi.json``."""
    app = DescribedApp(
        most_w=lambda: service.intake.most_w,
        title="surplusd",
        summary=f"Site controller of {service.site.id}",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    errors.install(app, service.refused, lambda entry: order_body(service.intake.view(entry)))
    readers = Readers()
    for routes in (
        probes.routes,
        partial(status.routes, readers=readers),
        partial(orders.routes, readers=readers),
        nodes.routes,
        meters.routes,
        people.routes,
        clock.routes,
        events.routes,
        partial(journal.routes, readers=readers),
        reload.routes,
        page.routes,
    ):
        app.include_router(routes(service))
    return app


def behind_door(service: Service) -> tuple[ASGIApp, Doorkeeper]:
    """Return the application over `service`, and the door that it stands behind."""
    door = Doorkeeper(service.tokens, service.proxies, service.refused, cookie=cookie_name(service.site.id))
    return guarded(create_app(service), door), door


def guarded(app: FastAPI, door: Doorkeeper) -> ASGIApp:
    """Return the application behind a door: what has no valid token gets so far only so often, and nobody all turns of the others."""
    turns = Turns()

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers, address = dict(scope["headers"]), (scope["client"] or ("",))[0]
            peer = door.peer_of(address, headers.get(b"x-forwarded-for", b""))
            now_s, shown = asyncio.get_running_loop().time(), authorization(headers, scope["method"], door.cookie)
            holder = door.holder(shown)
            if holder is not None:
                # What a browser shows by its cookie counts from here on as what others show by their header.
                if b"authorization" not in headers:
                    scope = {**scope, "headers": [*scope["headers"], (b"authorization", shown)]}
                await turns.take(holder.name, partial(answer, scope, await heard(receive), send))
                return
            if not door.may_ask(peer, scope["path"], now_s):
                await errors.refused_tries()(scope, receive, send)
                return
        await app(scope, receive, send)

    async def answer(scope: Scope, receive: Receive, send: Send, end: Callable[[], None]) -> None:
        scope["state"] = {**scope.get("state", {}), "end_turn": end}
        await app(scope, receive, send)

    return ask
