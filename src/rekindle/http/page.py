"""The page: its files, built from web/ into this package, and the plain page where they were not."""

import re
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Header, HTTPException, Response
from fastapi.responses import FileResponse, HTMLResponse

from rekindle.http.caller import HouseDep

router = APIRouter(include_in_schema=False)

FILES = Path(__file__).parent / "page_files"

VIEWS = ("/", "/s/{session_id}", "/search", "/memory", "/growth", "/usage", "/admin", "/admin/{view:path}")
"""The addresses that the page shows something at."""

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_HASHED = re.compile(r"-[A-Za-z0-9_-]{8}\.[a-z0-9]+$")
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".png": "image/png",
}

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; object-src 'none'; frame-ancestors "
)
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-dns-prefetch-control": "off",  # a name in a link tells nobody anything before it is followed
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

AcceptEncoding = Annotated[str, Header()]

PLAIN = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rekindle</title>
<style>
  :root { color-scheme: light dark; }
  body { font: 1.0625rem/1.6 system-ui, sans-serif; max-width: 38rem; margin: 12vh auto; padding: 0 1.5rem; }
  h1 { font-size: 1.75rem; margin-bottom: 0; }
  p { margin-top: .25rem; }
  ul { list-style: none; padding: 0; }
  li { padding: .6rem 0; border-top: 1px solid #8884; }
  a { font-weight: 600; }
</style>
</head>
<body>
<main>
<h1>Rekindle</h1>
<p>Chat sessions that pick up where they left off.</p>
<p>The chat page has not been built here. In a clone, <code>make run</code> builds it when it can reach the npm
registry; everything else works without it.</p>
<ul>
  <li><a href="/docs">Docs</a>: every endpoint, to read and to try</li>
  <li><a href="/openapi.json">OpenAPI</a>: the same for programs</li>
  <li><a href="/ready">Ready</a>: database, cache and model</li>
  <li><a href="/metrics">Metrics</a>: counts for Prometheus</li>
</ul>
</main>
</body>
</html>
"""


def _view() -> Response:
    """The page; which view it shows is its own affair."""
    return _page("index.html", "'none'")


for _address in VIEWS:
    router.add_api_route(_address, _view, methods=["GET", "HEAD"])


@router.api_route("/widget", methods=["GET", "HEAD"])
def widget(house: HouseDep) -> Response:
    """The chat alone, to stand in a frame on the sites that `REKINDLE_WIDGET_ORIGINS` names."""
    return _page("index.html", " ".join(["'self'", *sorted(house.settings.widget_origins)]))


@router.get("/widget.js")
def widget_script(accept_encoding: AcceptEncoding = "") -> Response:
    """The script that puts the widget on a site."""
    return _file(FILES / "widget.js", accept_encoding)


@router.get("/assets/{name}")
def asset(name: str, accept_encoding: AcceptEncoding = "") -> Response:
    """A script, a style, a picture of the page."""
    return _file(FILES / "assets" / name, accept_encoding)


def _page(name: str, ancestors: str) -> Response:
    headers = {**_HEADERS, "content-security-policy": _POLICY + ancestors, "cache-control": "no-cache"}
    file = FILES / name
    if not file.is_file():
        return HTMLResponse(PLAIN, headers=headers)
    return FileResponse(file, media_type=_TYPES[".html"], headers=headers)


def _file(file: Path, accept_encoding: str) -> Response:
    media_type = _TYPES.get(file.suffix)
    if media_type is None or not _NAME.fullmatch(file.name) or not file.is_file():
        raise HTTPException(404)
    # A name with a hash in it never means another content.
    caching = "public, max-age=31536000, immutable" if _HASHED.search(file.name) else "no-cache"
    headers = {
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
        "vary": "accept-encoding",
        "cache-control": caching,
    }
    packed = file.with_name(file.name + ".gz")
    if "gzip" in accept_encoding and packed.is_file():
        return FileResponse(packed, media_type=media_type, headers={**headers, "content-encoding": "gzip"})
    return FileResponse(file, media_type=media_type, headers=headers)
