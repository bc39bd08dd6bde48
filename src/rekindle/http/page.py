"""The page at `/`: where things are."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

router = APIRouter(include_in_schema=False)

PAGE = """<!doctype html>
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
<h1>Rekindle</h1>
<p>Chat sessions that pick up where they left off.</p>
<ul>
  <li><a href="/docs">Docs</a>: every endpoint, to read and to try</li>
  <li><a href="/openapi.json">OpenAPI</a>: the same for programs</li>
  <li><a href="/ready">Ready</a>: database, cache and model</li>
  <li><a href="/metrics">Metrics</a>: counts for Prometheus</li>
</ul>
</body>
</html>
"""


@router.get("/", response_class=HTMLResponse)
async def index() -> str:
    """A plain page of links."""
    return PAGE
