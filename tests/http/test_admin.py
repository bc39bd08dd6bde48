"""What administrators see, and that it is written down for good."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import psycopg
import pytest

from rekindle.identity.tokens import read_unproven
from tests.conftest import ADMIN, RunningServer


@pytest.fixture
def admin(server: RunningServer) -> httpx.Client:
    return server.client(ADMIN)


@pytest.fixture
def person(server: RunningServer, email: str) -> dict[str, str]:
    """Somebody with a session in which something was said."""
    http = server.client(email)
    session = http.post("/api/v1/sessions", json={"title": "Bicycles"}).json()["id"]
    http.post(f"/api/v1/sessions/{session}/turns", json={"message": "My bicycle has a flat tyre."})
    return {"id": read_unproven(server.token(email))[1]["sub"], "email": email, "session": session}


@pytest.fixture
def database(server: RunningServer) -> Iterator[psycopg.Connection[Any]]:
    with server.database() as connection:
        yield connection


def entries(admin: httpx.Client, person: dict[str, str]) -> list[tuple[str, str | None, str | None]]:
    """Who did what to whose data: the log of one person, the newest first, but for its own reading."""
    items = admin.get("/api/v1/admin/audit", params={"user_id": person["id"]}).json()["items"]
    return [
        (item["who"] and item["who"]["email"], item["action"], item["whose"] and item["whose"]["email"])
        for item in items
        if item["action"] != "audit.read"
    ]


def test_every_read_of_somebodys_data_is_in_the_log(admin: httpx.Client, person: dict[str, str]) -> None:
    found = admin.get("/api/v1/admin/users", params={"email": person["email"]}).json()["items"]
    assert [user["id"] for user in found] == [person["id"]]
    assert admin.get(f"/api/v1/admin/users/{person['id']}").json()["email"] == person["email"]
    sessions = admin.get("/api/v1/admin/sessions", params={"user_id": person["id"]}).json()["items"]
    assert [(s["id"], s["user_id"]) for s in sessions] == [(person["session"], person["id"])]
    messages = admin.get(f"/api/v1/admin/sessions/{person['session']}/messages").json()["items"]
    assert messages[0]["content"] == "My bicycle has a flat tyre."
    assert entries(admin, person) == [
        (ADMIN, action, person["email"]) for action in ("messages.read", "sessions.list", "user.read", "users.list")
    ]
    log = admin.get("/api/v1/admin/audit", params={"user_id": person["id"]}).json()["items"]
    [read] = [item for item in log if item["action"] == "messages.read"]
    assert read["detail"] == {"session_id": person["session"]}
    assert any(item["action"] == "audit.read" for item in log)


def test_one_who_is_only_listed_is_in_the_log_too(admin: httpx.Client, person: dict[str, str]) -> None:
    admin.get("/api/v1/admin/users", params={"limit": 1})
    assert entries(admin, person) == [(ADMIN, "users.list", person["email"])]


def test_one_who_is_on_no_page_is_not_in_the_log(
    server: RunningServer, admin: httpx.Client, person: dict[str, str]
) -> None:
    server.client().post("/api/v1/identity/check-in")
    page = admin.get("/api/v1/admin/users", params={"limit": 1}).json()
    assert page["next"]
    assert person["id"] not in str(page["items"])
    assert entries(admin, person) == []
    after = admin.get("/api/v1/admin/users", params={"limit": 1, "cursor": page["next"]}).json()
    assert [user["id"] for user in after["items"]] == [person["id"]]


@pytest.mark.parametrize(
    "sql", ["UPDATE audit_log SET action = 'nothing'", "DELETE FROM audit_log", "TRUNCATE audit_log"]
)
def test_the_log_is_only_added_to_even_by_its_owner(
    admin: httpx.Client, person: dict[str, str], database: psycopg.Connection[Any], sql: str
) -> None:
    admin.get(f"/api/v1/admin/users/{person['id']}")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.execute(sql)
    database.execute("SET ROLE rekindle_system")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.execute(sql)
    assert entries(admin, person) == [(ADMIN, "user.read", person["email"])]


def test_of_who_was_erased_the_log_says_that_somebody_was_looked_at(
    admin: httpx.Client, person: dict[str, str], database: psycopg.Connection[Any]
) -> None:
    admin.get(f"/api/v1/admin/sessions/{person['session']}/messages")
    before = database.execute("SELECT count(*) FROM audit_log").fetchone()
    database.execute("DELETE FROM users WHERE id = %s", (person["id"],))
    assert database.execute("SELECT count(*) FROM audit_log").fetchone() == before
    newest = admin.get("/api/v1/admin/audit", params={"limit": 5}).json()["items"]
    (entry,) = [item for item in newest if item["detail"].get("session_id") == person["session"]]
    assert entry["whose"] is None
    assert entry["of_somebody"] is True
    rows = (
        database.execute("SELECT l::text FROM audit_log l").fetchall()
        + database.execute("SELECT p::text FROM audit_people p").fetchall()
    )
    assert not any(person["id"] in text or person["email"] in text for (text,) in rows)


def test_who_is_not_there_is_not_found(admin: httpx.Client) -> None:
    for path in ("users/{}", "sessions/{}/messages"):
        for wild in (str(uuid4()), "x", "'--"):
            assert admin.get(f"/api/v1/admin/{path.format(wild)}").status_code == 404
    assert admin.get("/api/v1/admin/sessions", params={"user_id": str(uuid4())}).json()["items"] == []


def test_lists_go_on_to_the_end_and_no_further(admin: httpx.Client, server: RunningServer) -> None:
    for _ in range(3):
        server.client().post("/api/v1/identity/check-in")
    for path in ("users", "sessions", "audit"):
        first = admin.get(f"/api/v1/admin/{path}", params={"limit": 2}).json()
        second = admin.get(f"/api/v1/admin/{path}", params={"limit": 2, "cursor": first["next"]}).json()
        ids = [item["id"] for item in first["items"] + second["items"]]
        assert len(set(ids)) == 4
        assert ids == sorted(ids, reverse=True)
        assert admin.get(f"/api/v1/admin/{path}", params={"cursor": "nonsense"}).status_code == 422


def test_an_address_that_is_only_claimed_makes_no_administrator(server: RunningServer) -> None:
    http = server.client()
    token = http.post("/api/v1/identity/check-in", json={"email": ADMIN}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert http.get("/api/v1/identity", headers=headers).json()["admin"] is False
    assert http.get("/api/v1/admin/users", headers=headers).status_code == 403
    assert server.client(ADMIN).get("/api/v1/identity").json()["admin"] is True
