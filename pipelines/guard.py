"""Who may talk to Prefect's server: pages of its own origins only, and nobody who calls it by a stranger's name.

And to whom its own pages may talk: to it, and not to who has made them.

Prefect has no check of its own, so any page that is open in a browser on this machine could start a flow: by CORS, by
a POST that needs none (a form, ``text/plain``), by a WebSocket, or under a name of its own that it has point to
127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_READING = ("GET", "HEAD")


def loopback(port: int) -> list[str]:
    """Return the origins of a server on ``port`` of this machine, as browsers name them."""
    return [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]


def guarded(app: ASGIApp, origins: Iterable[str]) -> ASGIApp:
    """``app`` for pages of ``origins`` and for programs, which name no origin; ``*`` stands for all.

    The names that it may be called by are those of the origins, and loopback's.
    """
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    safe_origins = frozenset(origin.strip().rstrip("/").lower() for origin in origins if origin.strip())
    hosts = ["*"] if "*" in safe_origins else [*filter(None, {urlsplit(origin).hostname for origin in safe_origins})]
    inner = app if "*" in safe_origins else OriginGuard(app, safe_origins)
    return TrustedHostMiddleware(inner, allowed_hosts=["127.0.0.1", "localhost", *hosts], www_redirect=False)


class OriginGuard:
    """ASGI middleware that refuses what a page of another origin sends, before anything reads it."""

    def __init__(self, app: ASGIApp, origins: frozenset[str]) -> None:
        """``origins`` are as browsers write them, in lower case."""
        self._app, self._origins = app, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 403."""
        if scope["type"] in ("http", "websocket") and self._is_foreign(scope):
            from starlette.responses import PlainTextResponse

            refusal = PlainTextResponse("pages of other origins may not use this server\n", status_code=403)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _is_foreign(self, scope: Scope) -> bool:
        from starlette.datastructures import Headers

        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        if origins:
            return any(origin.lower() not in self._origins for origin in origins)
        # A browser that names no origin still says that another site asks. A link that somebody follows may.
        return headers.get("sec-fetch-site") in ("cross-site", "same-site") and scope.get("method") not in _READING


class QuietPages:
    """ASGI middleware that has a browser let pages talk to their server alone.

    Prefect's ask a service for statistics for its settings, whatever ``PREFECT_SERVER_ANALYTICS_ENABLED`` says.
    """

    def __init__(self, app: ASGIApp, api_url: str) -> None:
        """``api_url`` is where pages find Prefect's API."""
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(api_url))
        sources = f"connect-src 'self' {origin} {origin.replace('http', 'ws', 1)}"
        self._app, self._header = app, (b"content-security-policy", sources.encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a header in the answer."""

        async def quietly(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), self._header]
            await send(message)

        await self._app(scope, receive, quietly)
