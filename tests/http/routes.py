"""Every operation of the API, read from the application itself, so that a new one cannot be forgotten."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
from fastapi.routing import APIRoute

from rekindle.app import create_app
from tests.conftest import make_settings

APP = create_app(make_settings("", Path("nowhere")))
API: dict[str, Any] = APP.openapi()

BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/sessions": {"title": "A title", "metadata": {"a": 1}},
    "PATCH /api/v1/sessions/{session_id}": {"title": "A title"},
    "POST /api/v1/sessions/{session_id}/turns": {"message": "Hello.", "metadata": {"a": 1}, "on_busy": "wait"},
    "POST /api/v1/session/create": {"user_name": "Ann", "user_phone": "555-9999"},
    "POST /api/v1/chat/message": {"session_id": "{session_id}", "message": "Hello."},
    "POST /api/v1/personal-assistant/sessions/new": {"title": "A title", "session_metadata": {"a": 1}},
    "POST /api/v1/personal-assistant/chat": {"session_id": "{session_id}", "message": "Hello."},
    "POST /sessions/start": {"context_summary": "A summary"},
    "POST /chat/send": {"session_id": "{session_id}", "message": "Hello."},
    "POST /chat": {"message": "Hello."},
    "POST /api/v1/identity/check-in": {"name": "Ann", "phone": "555-9999"},
    "POST /api/v1/identity/code": {"email": "ann@example.com"},
    "POST /api/v1/identity/verify": {"email": "ann@example.com", "code": "000000"},
    "POST /api/v1/identity/logout": {"everywhere": False},
    "POST /chat/stream": {"message": "Hello."},
    "PATCH /api/v1/sessions/{session_id}/summary": {"text": "We spoke of doors.", "topics": ["doors"]},
    "POST /api/v1/me/import": {"format": "rekindle", "version": 1, "sessions": []},
    "PUT /api/v1/admin/sessions/{session_id}/review": {"reviewed": True, "tags": ["a tag"], "note": "A note."},
    "DELETE /api/v1/me": {"confirm": "nobody@example.com"},
    "PUT /api/v1/me/memory/settings": {"paused": False},
    "PATCH /api/v1/me/memory/{thing_id}": {"text": "I live in Hamburg."},
    "DELETE /api/v1/admin/users/{user_id}": {"confirm": "nobody@example.com"},
}
"""A body that is right for each operation that takes one; ids are put in."""

QUERIES: dict[str, dict[str, str]] = {
    "GET /api/v1/search": {"q": "Where is the key kept behind the blue door?"},
    "GET /api/v1/knowledge/search": {"q": "How deep is the pool?"},
}
"""A query that is right for each operation that needs one."""


@dataclass(frozen=True)
class Operation:
    """One method of one path."""

    method: str
    path: str
    description: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def needs_caller(self) -> bool:
        """Whether it asks for a bearer token, and takes nobody without one."""
        security = self.description.get("security", [])
        return bool(security) and {} not in security

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that its path names."""
        return tuple(p["name"] for p in self.parameters("path"))

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of its body, whose references are into `API`."""
        if "requestBody" not in self.description:
            return None
        schema: dict[str, Any] = self.description["requestBody"]["content"]["application/json"]["schema"]
        return schema

    @property
    def needs_body(self) -> bool:
        return bool(self.description.get("requestBody", {}).get("required"))

    def parameters(self, place: str) -> list[dict[str, Any]]:
        return [p for p in self.description.get("parameters", []) if p["in"] == place]

    @property
    def names_something(self) -> bool:
        """Whether its path or its body names a session or a turn."""
        return bool(self.ids) or "{session_id}" in str(BODIES.get(str(self)))

    def url(self, **ids: str) -> str:
        return self.path.format(**(dict.fromkeys(self.ids, "x") | ids))

    def example(self, **ids: str) -> dict[str, Any] | None:
        """A body that is right."""
        if self.body is None:
            return None
        return {k: v.format(**ids) if isinstance(v, str) else v for k, v in BODIES.get(str(self), {}).items()}


EVERY = [
    Operation(method.upper(), path, description)
    for path, methods in API["paths"].items()
    for method, description in methods.items()
]
ADMIN = [operation for operation in EVERY if operation.path.startswith("/api/v1/admin/")]
"""What administrators only may do."""

LOGOUT = "POST /api/v1/identity/logout"
OPERATIONS = [operation for operation in EVERY if operation not in ADMIN and str(operation) != LOGOUT]
"""What every caller may do again and again: logging out would end the token that tests share."""

HIDDEN = sorted(route.path for route in APP.routes if isinstance(route, APIRoute) and not route.include_in_schema)
"""Paths that the API's description leaves out: pages for people."""


@dataclass(frozen=True)
class Caller:
    """A user with a session and a turn, of which bad input may spoil nothing."""

    http: httpx.Client
    ids: dict[str, str]
    desk: dict[str, str]

    def ids_for(self, operation: Operation) -> dict[str, str]:
        """The ids the operation's path and body name: door 000 has its own."""
        return self.ids if operation.needs_caller else self.desk

    def send(self, operation: Operation, **what: Any) -> httpx.Response:
        return self.http.request(operation.method, operation.url(**self.ids_for(operation)), **what)
