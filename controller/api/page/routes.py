"""``/`` and ``/page/…``: the page, its files, signing in, and what it is told once a second."""

from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from controller.api.auth import principal_of, require
from controller.api.body import RequestBody, parsed, read_body
from controller.api.errors import RequestRefused
from controller.api.events import EventStream, open_stream
from controller.api.page.files import PageFiles, language_of
from controller.api.page.view import Structure, course_of
from controller.api.page.viewers import Viewers
from controller.api.session import cookie_name, set_cookie
from controller.daemon.access import Principal, Role
from controller.daemon.service import Service

_FRESH: Final = {"Cache-Control": "no-store"}


class SignIn(RequestBody):
    """Who signs in, by a token."""

    token: str


def routes(service: Service) -> APIRouter:
    """Return the routes; they are the page's own, and no part of the interface that others build on."""
    router = APIRouter(include_in_schema=False)
    _add_files(router, service)
    _add_session(router, service)
    _add_live(router, service)
    return router


def _add_files(router: APIRouter, service: Service) -> None:
    files = PageFiles(service.site.id)

    @router.get("/")
    async def page(request: Request, lang: str = "") -> Response:
        return files.page(language_of(lang, request.headers.get("accept-language", "")), request.headers)

    @router.get("/page/files/{name}")
    async def file(name: str, request: Request) -> Response:
        return files.file(name, request.headers)


def _add_session(router: APIRouter, service: Service) -> None:
    cookie = cookie_name(service.site.id)

    def answer(request: Request, token: str) -> Response:
        by_tls = request.url.scheme == "https" or _comes_by_tls(request, service.proxies)
        headers = _FRESH | {"Set-Cookie": set_cookie(cookie, token, secure=by_tls)}
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    @router.get("/page/session")
    async def session(request: Request) -> JSONResponse:
        shown = request.headers.get("authorization", "").partition(" ")[2]
        who = principal_of(shown, service.tokens)
        return JSONResponse(
            {"name": who.name, "role": who.role} if who else {"name": None, "role": None}, headers=_FRESH
        )

    @router.post("/page/session")
    async def sign_in(request: Request) -> Response:
        asked = parsed(SignIn, await read_body(request))
        if principal_of(asked.token, service.tokens) is None:
            raise RequestRefused(HTTPStatus.UNAUTHORIZED, "unauthorized", "there is no such token")
        return answer(request, asked.token)

    @router.post("/page/session/end")
    async def sign_out(request: Request) -> Response:
        return answer(request, "")


def _add_live(router: APIRouter, service: Service) -> None:
    Reader = Annotated[Principal, Depends(require(service.tokens, *Role))]
    structure = Structure(service.site)
    viewers = Viewers(service, structure.mark)

    @router.get("/page/course", dependencies=[Depends(require(service.tokens, *Role))])
    async def course() -> Response:
        return Response(course_of(service), media_type="application/json", headers=_FRESH)

    @router.get("/page/devices", dependencies=[Depends(require(service.tokens, *Role))])
    async def devices() -> Response:
        return Response(structure.told(), media_type="application/json", headers=_FRESH)

    @router.get("/page/stream")
    async def stream(request: Request, by: Reader, lang: str = "") -> EventStream:
        return open_stream(request, by, service.tokens, partial(viewers.view, language_of(lang)))


def _comes_by_tls(request: Request, proxies: frozenset[str]) -> bool:
    address = request.client.host if request.client else ""
    return address in proxies and request.headers.get("x-forwarded-proto") == "https"
