"""The house's own identity: check in, prove an address, who am I, log out."""

import json
import re
import statistics
import time
from uuid import uuid4

import httpx2 as httpx
import pytest

from rekindle.identity.tokens import read_unproven
from tests.conftest import RunningServer, Serve


@pytest.fixture(scope="module")
def strict(serve_for_all: Serve) -> RunningServer:
    """A server where an address has to be proven; codes are printed in its log."""
    return serve_for_all(REKINDLE_IDENTITY="verified")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def code_in_log(server: RunningServer, email: str) -> str:
    letters = re.findall(rf"Mail to {re.escape(email)} .*?\n    (\d{{6}})\n", server.log.read_text(), re.DOTALL)
    code: str = letters[-1]
    return code


def without_ids(answer: httpx.Response) -> tuple[int, list[str], str]:
    """What is left of an answer when what differs each time is blotted out."""
    body = answer.json()
    for name in ("token", "session_id", "user_id"):
        if name in body:
            body[name] = "…"
    return answer.status_code, sorted(answer.headers.keys()), json.dumps(body)


def test_a_visitor_comes_in_proves_who_they_are_and_leaves(strict: RunningServer, email: str) -> None:
    http = strict.client()
    came = http.post("/api/v1/identity/check-in", json={"name": "Ann", "email": email})
    assert came.status_code == 201
    assert came.json()["status"] == "created"
    assert came.json()["level"] == "claimed"
    visitor, session = bearer(came.json()["token"]), came.json()["session_id"]
    me = http.get("/api/v1/identity", headers=visitor).json()
    assert (me["level"], me["email"], me["session_id"], me["admin"]) == ("claimed", email, session, False)
    turn = http.post(f"/api/v1/sessions/{session}/turns", json={"message": "Hello."}, headers=visitor)
    assert turn.status_code == 201

    sent = http.post("/api/v1/identity/code", json={"email": email})
    assert (sent.status_code, sent.json()) == (202, {"status": "sent", "minutes": 10})
    entered = {"email": email, "code": code_in_log(strict, email)}
    proven = http.post("/api/v1/identity/verify", json=entered, headers=visitor)
    assert proven.status_code == 200
    assert proven.json()["adopted"] is True
    assert http.post("/api/v1/identity/verify", json=entered, headers=visitor).status_code == 401

    account = bearer(proven.json()["token"])
    me = http.get("/api/v1/identity", headers=account).json()
    assert (me["level"], me["email"], me["name"], me["session_id"]) == ("verified", email, "Ann", None)
    said = http.get(f"/api/v1/sessions/{session}/messages", headers=account).json()["items"]
    assert said[0]["content"] == "Hello."

    assert http.post("/api/v1/identity/logout", headers=account).status_code == 204
    again = http.get("/api/v1/identity", headers=account)
    assert again.status_code == 401
    assert again.json()["code"] == "unauthenticated"


def test_a_known_and_an_unknown_address_get_the_same_answers(strict: RunningServer, email: str) -> None:
    http, known, unknown = strict.client(), email, f"{uuid4().hex[:12]}@example.com"
    strict.token(known)
    for path in ("/api/v1/identity/check-in", "/api/v1/identity/code"):
        assert without_ids(http.post(path, json={"email": known})) == without_ids(
            http.post(path, json={"email": unknown})
        )
    wrong = [
        http.post("/api/v1/identity/verify", json={"email": who, "code": "000000"}).content
        for who in (known, unknown, f"{uuid4().hex}@example.com")
    ]
    assert len(set(wrong)) == 1


def test_nothing_in_a_visitors_token_tells_that_there_is_an_account(strict: RunningServer, email: str) -> None:
    http = strict.client()
    account = read_unproven(strict.token(email))[1]["sub"]
    came = http.post("/api/v1/identity/check-in", json={"email": email}).json()
    assert account not in json.dumps(read_unproven(came["token"])[1])
    me = http.get("/api/v1/identity", headers=bearer(came["token"])).json()
    assert me["user_id"] != account
    assert me["name"] is None


def test_checking_in_takes_as_long_for_a_known_address(strict: RunningServer, email: str) -> None:
    http = strict.client()
    strict.token(email)
    spent: dict[str, list[float]] = {"known": [], "unknown": []}
    for number in range(30):
        kind = ("known", "unknown")[number % 2]
        body = {"email": email if kind == "known" else f"{uuid4().hex}@example.com"}
        began = time.perf_counter()
        http.post("/api/v1/identity/check-in", json=body)
        spent[kind].append(time.perf_counter() - began)
    known, unknown = (statistics.median(times) for times in spent.values())
    assert 0.5 < known / unknown < 2


def test_where_a_claim_is_enough_a_returning_visitor_is_told_so(server: RunningServer, email: str) -> None:
    http = server.client()
    first, second = (http.post("/api/v1/identity/check-in", json={"email": email}).json() for _ in range(2))
    assert (first["status"], second["status"]) == ("created", "returning_user")
    listed = http.get("/api/v1/sessions", headers=bearer(second["token"])).json()["items"]
    assert [session["id"] for session in listed] == [second["session_id"]]
    assert http.get(f"/api/v1/sessions/{first['session_id']}", headers=bearer(second["token"])).status_code == 404


def test_a_claim_shows_nothing_of_the_profile(server: RunningServer, email: str) -> None:
    http = server.client()
    http.post("/api/v1/identity/check-in", json={"email": email, "name": "Ann", "phone": "+1 555 0100"})
    second = http.post("/api/v1/identity/check-in", json={"email": email, "name": "Eve"}).json()
    me = http.get("/api/v1/identity", headers=bearer(second["token"])).json()
    assert me["name"] is None
    assert "555 0100" not in json.dumps(me)


def test_nobody_needs_to_say_who_they_are(strict: RunningServer) -> None:
    for body in (None, {}, {"name": "", "email": "", "phone": ""}):
        came = strict.client().post("/api/v1/identity/check-in", json=body)
        assert came.status_code == 201
        assert came.json()["level"] == "anonymous"


def test_the_desks_visitor_proves_an_address_by_their_session(strict: RunningServer, email: str) -> None:
    http = strict.client()
    desk = http.post("/api/v1/session/create", json={"user_email": email}).json()["session_id"]
    http.post("/api/v1/chat/message", json={"session_id": desk, "message": "Hello."})
    http.post("/api/v1/identity/code", json={"email": email})
    entered = {"email": email, "code": code_in_log(strict, email), "session_id": desk}
    proven = http.post("/api/v1/identity/verify", json=entered).json()
    assert proven["adopted"] is True
    listed = http.get("/api/v1/sessions", headers=bearer(proven["token"])).json()["items"]
    assert [session["message_count"] for session in listed] == [2]
    answers = [http.post("/api/v1/chat/message", json={"session_id": desk, "message": "And on."}) for _ in range(3)]
    assert answers[-1].status_code == 200


def test_somebody_elses_desk_session_cannot_be_taken(strict: RunningServer, email: str) -> None:
    http = strict.client()
    http.post("/api/v1/identity/code", json={"email": email})
    entered = {"email": email, "code": code_in_log(strict, email), "session_id": str(uuid4())}
    assert http.post("/api/v1/identity/verify", json=entered).status_code == 404
    assert http.post("/api/v1/identity/verify", json={**entered, "session_id": None}).status_code == 200


def test_logging_out_everywhere_ends_every_token(server: RunningServer, email: str) -> None:
    http = server.client()
    one = server.token(email)
    other = server.client(email)
    answer = http.post("/api/v1/identity/logout", json={"everywhere": True}, headers=bearer(one))
    assert answer.status_code == 204
    assert other.get("/api/v1/sessions").status_code == 401
