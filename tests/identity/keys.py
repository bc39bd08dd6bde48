"""A host application: it signs tokens, and publishes its keys on a real web server."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jwt
from joserfc.jwk import Key, OctKey

ISSUER = "https://host.example"
AUDIENCE = "chat"
SECRET = "a secret that host and chat share, 32 characters"


def claims(**changes: Any) -> dict[str, Any]:
    """What a token of the host's says; a claim of None is left out."""
    now = int(time.time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user 1", "iat": now, "exp": now + 300} | changes
    return {name: value for name, value in said.items() if value is not None}


def token(
    key: Key | str = SECRET, algorithm: str = "HS256", header: dict[str, Any] | None = None, **changes: Any
) -> str:
    """A token of the host's; a claim of None is left out."""
    return jwt.encode(
        {"alg": algorithm, **(header or {})},
        claims(**changes),
        OctKey.import_key(key) if isinstance(key, str) else key,
        algorithms=[algorithm],
    )


@dataclass
class KeyServer:
    """Publishes a key set; counts who asks, and can be made to fail."""

    url: str = ""
    keys: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    status: int = 200
    body: bytes | None = None

    def publish(self, *keys: Key) -> None:
        self.keys = [dict(key.as_dict(private=False)) for key in keys]


@contextmanager
def key_server() -> Iterator[KeyServer]:
    published = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            published.asked += 1
            body = published.body or json.dumps({"keys": published.keys}).encode()
            self.send_response(published.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    published.url = f"http://127.0.0.1:{server.server_port}/jwks.json"
    try:
        yield published
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
