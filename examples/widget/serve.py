"""A site of its own with Rekindle's widget on it, and a server that signs its users' tokens. Needs Python only.

python examples/widget/serve.py --rekindle http://127.0.0.1:8000 --port 8080
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

HERE = Path(__file__).parent
FILES = {"/site.css": "text/css; charset=utf-8", "/site.js": "text/javascript; charset=utf-8"}
USERS = {"ada": "ada@shop.example", "grace": "grace@shop.example"}


def token_for(user: str, secret: str, issuer: str, audience: str) -> str:
    """The site's word for who this is, good for an hour."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": audience, "sub": user, "email": USERS[user], "iat": now, "exp": now + 3600}
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    return f"{signed}.{_encoded(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest())}"


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def site(rekindle: str, secret: str, issuer: str, audience: str) -> type[BaseHTTPRequestHandler]:
    """The site: its page, and at `/token?user=ada` what a real one would give to who is signed in."""

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlparse(self.path)
            user = parse_qs(address.query).get("user", [""])[0]
            if address.path == "/":
                page = (HERE / "index.html").read_text("utf-8")
                self._answer("text/html; charset=utf-8", page.replace("{{rekindle}}", rekindle))
            elif address.path in FILES:
                self._answer(FILES[address.path], (HERE / address.path[1:]).read_text("utf-8"))
            elif address.path == "/token" and user in USERS:
                self._answer("application/json", json.dumps({"token": token_for(user, secret, issuer, audience)}))
            else:
                self.send_error(404)

        def _answer(self, kind: str, text: str) -> None:
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("cache-control", "no-store")
            # As strict as a site can be: the widget needs its script and its frame, nothing else.
            policy = f"default-src 'self'; img-src data:; script-src 'self' {rekindle}; frame-src {rekindle}"
            policy += "; require-trusted-types-for 'script'; trusted-types 'none'"
            self.send_header("content-security-policy", policy)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    return Site


def main() -> None:
    """Serve the site."""
    parser = argparse.ArgumentParser(description="A site with Rekindle's widget on it.")
    parser.add_argument("--rekindle", default="http://127.0.0.1:8000", help="Where Rekindle is served.")
    parser.add_argument("--port", type=int, default=8080)
    given = parser.parse_args()
    secret = os.environ.get("REKINDLE_HOST_SECRET", "")
    issuer = os.environ.get("REKINDLE_HOST_ISSUER", "https://shop.example")
    audience = os.environ.get("REKINDLE_HOST_AUDIENCE", "rekindle")
    server = ThreadingHTTPServer(("127.0.0.1", given.port), site(given.rekindle, secret, issuer, audience))
    print(f"http://localhost:{given.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
