"""Which sites' pages may call the API: those whose origin is named, with a bearer token, never with cookies."""

from collections.abc import Collection

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

API = "/api/v1/"
SENT = ("authorization", "content-type", "idempotency-key", "last-event-id")
SHOWN = ("content-disposition", "retry-after", "www-authenticate", "x-turn-id", "x-vercel-ai-ui-message-stream")
MINUTES = 10


class NamedOrigins:
    """Answers what browsers ask before they let a page of another origin call the API, and lets it read the answers."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        """`origins`: as a browser sends them, such as `https://shop.example`; no patterns."""
        self._app = app
        self._api = CORSMiddleware(
            app,
            allow_origins=sorted(origins),
            allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=SENT,
            expose_headers=SHOWN,
            max_age=MINUTES * 60,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        api = scope["type"] == "http" and scope["path"].startswith(API)
        await (self._api if api else self._app)(scope, receive, send)


def allow_origins(app: FastAPI, origins: Collection[str]) -> None:
    """Let pages of these origins call this app's API and read every answer, the one to an unforeseen error too."""
    build = app.build_middleware_stack

    def build_middleware_stack() -> ASGIApp:
        # Around everything: what no handler foresaw is answered outside of the middlewares that an app is given.
        return NamedOrigins(build(), origins=origins)

    app.build_middleware_stack = build_middleware_stack  # type: ignore[method-assign]
