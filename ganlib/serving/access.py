"""Who may ask: by which names of this server, from which pages, and below which path."""

from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ganlib.config import ServeConfig

_SAFE = ("GET", "HEAD", "OPTIONS")
_EXPOSED_HEADERS = (
    "X-Ganlib-Model",
    "X-Ganlib-Model-Sha256",
    "X-Ganlib-Version",
    "X-Ganlib-Seed",
    "X-Ganlib-Digital-Source-Type",
    "X-Ganlib-AIGC",
    "Retry-After",
)


def is_loopback(host: str) -> bool:
    """Return whether what listens on ``host``, a name or an address, is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return _is_local(host)


class Access:
    """ASGI middleware: refuses what a browser was led to send by somebody else's page.

    Such a page can give its own name our address (DNS rebinding): then it is the name in the Host header that is not
    ours. Or it can post to us as it stands: then the browser says so in Sec-Fetch-Site, or in Origin. GET changes
    nothing here, and its answer is kept from the page by the browser.
    """

    def __init__(self, app: ASGIApp, limits: ServeConfig) -> None:
        """``limits.host`` is what the server listens on."""
        self._app, self._hosts, self._origins = app, limits.allowed_hosts, limits.allowed_origins
        self._loopback = is_loopback(limits.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's event, as ASGI has it."""
        headers = Headers(scope=scope)
        host, text = headers.get("host", ""), ""
        if host and not self._is_ours(host):
            text = f"this server is not asked by the name {host!r}; serve.allowed_hosts lists the names that it has."
        elif scope["method"] not in _SAFE and self._is_of_another_page(headers):
            origin = headers.get("origin", "another site")
            text = f"pages of {origin} may not use this server; serve.allowed_origins lists those that may."
        if text:
            await JSONResponse({"error": text}, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if _is_address(name) or _is_local(name):  # whose page can only be ours
            return True
        if self._hosts:
            return any(fnmatchcase(name, pattern.lower()) for pattern in self._hosts)
        # A name that somebody outside can give an address has a dot.
        return not self._loopback or "." not in name

    def _is_of_another_page(self, headers: Headers) -> bool:
        """As Go's ``http.CrossOriginProtection`` decides it."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if "*" in self._origins or origin in self._origins:
            return False
        if site:
            return site not in ("same-origin", "none")
        return bool(origin) and urlsplit(origin).netloc != headers.get("host")


class Cors(CORSMiddleware):
    """Tells browsers that pages of ``serve.allowed_origins`` may read our answers; no page has credentials here."""

    def __init__(self, app: ASGIApp, limits: ServeConfig) -> None:
        """Within :class:`Access`."""
        super().__init__(
            app,
            allow_origins=limits.allowed_origins,
            allow_methods=("GET", "HEAD", "POST"),
            allow_private_network=True,  # who is listed may be on the internet, and we on loopback
            expose_headers=_EXPOSED_HEADERS,
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """Return what may be asked: as all our errors, a refusal is JSON."""
        answer = super().preflight_response(request_headers)
        if answer.status_code == 200:
            return answer
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return JSONResponse({"error": f"{bytes(answer.body).decode()}."}, answer.status_code, headers)


class Below:
    """ASGI middleware: answers below ``serve.root_path``, whether or not the proxy has taken that path off."""

    def __init__(self, app: ASGIApp, limits: ServeConfig) -> None:
        """Next to the routes, which Starlette finds with the root path and without it."""
        self._app, self._root = app, limits.root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection's event, as ASGI has it."""
        if self._root and scope["path"] == self._root:  # the page's links lead from the folder, not from its name
            await RedirectResponse(f"{self._root}/")(scope, receive, send)
            return
        scope["root_path"] = self._root
        await self._app(scope, receive, send)


def _is_local(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
