"""`/api/v1/search`: a person's own past, found again, and nobody else's."""

from uuid import UUID, uuid4

import httpx2 as httpx
import pytest

from rekindle.identity.tokens import Tokens
from tests.conftest import SECRET, RunningServer


@pytest.fixture(scope="module")
def http(server: RunningServer) -> httpx.Client:
    """Somebody with two sessions."""
    http = server.client(f"{uuid4().hex}@example.com")
    for said in ("My bicycle has a flat tyre.", "A bicycle bell, please."):
        session = http.post("/api/v1/sessions").json()["id"]
        turn = http.post(f"/api/v1/sessions/{session}/turns", json={"message": said}).json()["id"]
        http.get(f"/api/v1/turns/{turn}/events")  # until it ends
    return http


def test_what_was_said_a_moment_ago_is_found_with_its_place_and_highlights(http: httpx.Client) -> None:
    found = http.get("/api/v1/search", params={"q": "flat tyres", "role": "user"}).json()
    first = found["items"][0]
    assert first["snippet"] == "My bicycle has a flat tyre."
    assert [first["snippet"][start:end] for start, end in first["highlights"]] == ["flat", "tyre"]
    assert (first["seq"], first["role"], first["before"]) == (1, "user", None)
    assert first["after"]["role"] == "assistant"
    session = http.get(f"/api/v1/sessions/{first['session_id']}/messages").json()["items"]
    assert session[0]["id"] == first["message_id"]


def test_pages_go_on_where_the_last_one_ended(http: httpx.Client) -> None:
    whole = http.get("/api/v1/search", params={"q": "bicycle"}).json()["items"]
    seen, cursor = [], None
    while True:
        asked = {"q": "bicycle", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = http.get("/api/v1/search", params=asked).json()
        seen += page["items"]
        if not (cursor := page["next"]):
            break
    assert [hit["message_id"] for hit in seen] == [hit["message_id"] for hit in whole]
    assert len(whole) >= 2


def test_a_server_without_an_embedder_says_that_it_compares_words_alone(http: httpx.Client) -> None:
    answer = http.get("/api/v1/search", params={"q": "bicycle"}).json()
    assert answer["items"]
    assert answer["by_meaning"] is False


def test_filters_limit_what_is_found(http: httpx.Client) -> None:
    [first, *_] = http.get("/api/v1/search", params={"q": "tyre", "role": "user"}).json()["items"]
    session = first["session_id"]
    limited = http.get("/api/v1/search", params={"q": "bicycle", "session_id": session}).json()["items"]
    assert limited
    assert {hit["session_id"] for hit in limited} == {session}
    said_since = http.get("/api/v1/search", params={"q": "bicycle", "since": first["created_at"][:10]}).json()["items"]
    assert session in {hit["session_id"] for hit in said_since}
    for nothing in ({"session_id": "x"}, {"until": "2020-01-01"}, {"assistant": "nobody"}, {"metadata": '{"a": 1}'}):
        assert http.get("/api/v1/search", params={"q": "bicycle", **nothing}).json()["items"] == []


@pytest.mark.parametrize(
    "wrong",
    [{}, {"q": "  "}, {"q": "x" * 2000}, {"q": "x", "cursor": "x"}, {"q": "x", "role": "x"}, {"q": "x", "since": "x"}],
)
def test_what_cannot_be_asked_is_refused(http: httpx.Client, wrong: dict[str, str]) -> None:
    answer = http.get("/api/v1/search", params=wrong)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


def test_nobody_finds_what_another_said(server: RunningServer, http: httpx.Client) -> None:
    other = server.client(f"{uuid4().hex}@example.com")
    nothing: dict[str, object] = {"items": [], "next": None, "by_meaning": False}
    assert other.get("/api/v1/search", params={"q": "bicycle"}).json() == nothing
    assert httpx.get(f"{server.url}/api/v1/search", params={"q": "bicycle"}).status_code == 401


def test_a_token_for_one_session_finds_that_one_only(server: RunningServer, http: httpx.Client) -> None:
    [first, *_] = http.get("/api/v1/search", params={"q": "tyre", "role": "user"}).json()["items"]
    user = UUID(http.get("/chat/sessions").json()["user_id"])
    token = Tokens(SECRET).issue(user, "claimed", UUID(first["session_id"]), days=1)
    found = httpx.get(
        f"{server.url}/api/v1/search", params={"q": "bicycle"}, headers={"Authorization": f"Bearer {token}"}
    ).json()["items"]
    assert {hit["session_id"] for hit in found} == {first["session_id"]}
