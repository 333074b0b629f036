"""Errors of the API: every one is a line of JSON, in the words of the command line."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from ganlib.core import wording
from ganlib.core.errors import BadInput, GanlibError
from ganlib.serving.limits import RETRY_SECONDS
from ganlib.serving.pool import Unknown
from ganlib.serving.schema import ErrorBody


class Busy(GanlibError):
    """Too much is asked at once, or the server is about to end; ``status`` says which to HTTP."""

    def __init__(self, text: str, status: int) -> None:
        """``status`` is 429 or 503."""
        super().__init__(text)
        self.status = status


class TooLarge(GanlibError):
    """What was sent is more than is looked at."""


class DigestMismatch(GanlibError):
    """The model of that name is not the one that was expected."""


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "The body is not text in UTF-8."},
    403: {"model": ErrorBody, "description": "A page of another site asks, or by a name that is not this server's."},
    404: {"model": ErrorBody, "description": "No such model is served."},
    408: {"model": ErrorBody, "description": "The body did not arrive in time."},
    409: {"model": ErrorBody, "description": "The model is not of the sha256 that was asked: its name has moved on."},
    413: {"model": ErrorBody, "description": "The body is too long, or a picture has too many pixels."},
    422: {"model": ErrorBody, "description": "What was asked cannot be done; the message says why."},
    429: {"model": ErrorBody, "description": "Too many requests are under way; see Retry-After."},
    503: {"model": ErrorBody, "description": "No answer in time; see Retry-After."},
}
"""What the routes for images may answer instead of them."""


def handle_errors(app: FastAPI) -> None:
    """Have ``app`` answer every error in one line."""

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or "the request"
        value = repr(first.get("input"))
        return _problem(request, f"{where}: {wording.requirement(first)} (got {value[:200]}).", 422)

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        return _problem(request, str(error), error.status, **{"Retry-After": str(RETRY_SECONDS)})

    @app.exception_handler(TooLarge)
    async def large(request: Request, error: TooLarge) -> JSONResponse:
        return _problem(request, str(error), 413)

    @app.exception_handler(DigestMismatch)
    async def moved(request: Request, error: DigestMismatch) -> JSONResponse:
        return _problem(request, str(error), 409)

    @app.exception_handler(Unknown)
    async def absent(request: Request, error: Unknown) -> JSONResponse:
        return _problem(request, str(error), 404)

    @app.exception_handler(BadInput)
    async def bad(request: Request, error: BadInput) -> JSONResponse:
        return _problem(request, str(error), 422)

    @app.exception_handler(404)
    async def nowhere(request: Request, error: HTTPException) -> JSONResponse:
        return _problem(request, f"there is nothing at {request.scope['path']}; /docs lists what there is.", 404)

    @app.exception_handler(405)
    async def unlike(request: Request, error: HTTPException) -> JSONResponse:
        methods = ", ".join(_methods(request))
        return _problem(request, f"{request.method} is not answered here, but {methods}.", 405, Allow=methods)

    @app.exception_handler(HTTPException)
    async def plain(request: Request, error: HTTPException) -> JSONResponse:
        return _problem(request, str(error.detail), error.status_code, **(error.headers or {}))

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        return _problem(request, "the server failed; its log says why.", 500)


def _problem(request: Request, text: str, status: int, **headers: str) -> JSONResponse:
    extra = getattr(request.state, "headers", {})
    return JSONResponse({"error": " ".join(text.split())}, status, headers={**extra, **headers})


def _methods(request: Request) -> list[str]:
    """What may be done at the request's path. A path has a route for each method."""
    routes = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    methods = {method for route in routes for method in getattr(route, "methods", None) or ()}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)
