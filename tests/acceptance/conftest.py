"""The five examples on one server, as `rekindle serve examples` serves them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.acceptance.workshop import Workshop
from tests.conftest import RunningServer, Serve

EXAMPLES = Path(__file__).parents[2] / "examples"
STUDY_SECONDS = 60


@dataclass(frozen=True)
class Served:
    """The server, and the loopback stand that its repair desk asks."""

    server: RunningServer
    workshop: Workshop

    def talk(self, email: str, assistant: str, **metadata: Any) -> "Talk":
        """A new session with one of the assistants."""
        http = self.server.client(email)
        made = http.post("/api/v1/sessions", json={"assistant": assistant, "metadata": metadata})
        assert made.status_code == 201, made.text
        return Talk(http, made.json()["id"])


@dataclass(frozen=True)
class Talk:
    """A session, in which things are said."""

    http: httpx.Client
    session_id: str

    def say(self, message: str) -> dict[str, Any]:
        """The reply, whole."""
        answer = self.http.post(f"/api/v1/sessions/{self.session_id}/turns", json={"message": message})
        assert answer.status_code == 201, answer.text
        reply: dict[str, Any] = answer.json()["reply"]
        assert reply["status"] == "complete", reply
        return reply

    def end(self) -> None:
        """End the session; it is summarised."""
        self.http.post(f"/api/v1/sessions/{self.session_id}/end").raise_for_status()


def tools_of(reply: dict[str, Any]) -> list[str]:
    """The names of the tools that a reply used, without those that failed."""
    return sorted(used["name"] for used in reply["tools_used"] if used["error"] is None)


@pytest.fixture(scope="session")
def served(serve_for_all: Serve, new_database: Callable[[], str]) -> Iterator[Served]:
    """All five, once they have read what they know; on a database of their own."""
    with Workshop() as workshop:
        server = serve_for_all(
            str(EXAMPLES),
            REKINDLE_DATABASE_URL=new_database(),
            REKINDLE_FETCH_ALLOW="127.0.0.1",
            IFIXIT_API=f"{workshop.url}/api/2.0",
            BRAVE_API=f"{workshop.url}/brave",
            BRAVE_API_KEY="brave-key",
            REPAIR_SECONDS="1",
        )
        with server.database() as database:
            end = time.monotonic() + STUDY_SECONDS
            while database.execute("SELECT count(*) FROM courses").fetchone() != (40,):
                assert time.monotonic() < end, server.log.read_text()
                time.sleep(0.1)
        yield Served(server, workshop)
