"""What administrators see of sessions and of the use of the house, and what they note."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from rekindle.identity.tokens import read_unproven
from rekindle.testing import Refusal
from tests.conftest import ADMIN, Asking

SESSIONS = "/api/v1/admin/sessions"


def today() -> str:
    return str(datetime.now(UTC).date())


@pytest.fixture
def admin(asking: Asking) -> httpx.Client:
    return asking.server.client(ADMIN)


@pytest.fixture
def person(asking: Asking, email: str) -> dict[str, Any]:
    """Somebody with a session that went well and one that did not."""
    http, day = asking.server.client(email), today()
    good, bad = (http.post("/api/v1/sessions", json={"title": title}).json()["id"] for title in ("Tea", "Coffee"))
    http.post(f"/api/v1/sessions/{good}/turns", json={"message": "Earl Grey, please."})
    asking.model.script(Refusal(500))
    http.post(f"/api/v1/sessions/{bad}/turns", json={"message": "An espresso."})
    http.post(f"/api/v1/sessions/{bad}/end")
    user_id = read_unproven(asking.server.token(email))[1]["sub"]
    return {"id": user_id, "email": email, "good": good, "bad": bad, "http": http, "day": day}


def ids(admin: httpx.Client, person: dict[str, Any], **query: Any) -> list[str]:
    answer = admin.get(SESSIONS, params={"user_id": person["id"], **query})
    assert answer.status_code == 200, answer.text
    assert answer.json()["total"] == len(answer.json()["items"])
    return ["good" if item["id"] == person["good"] else "bad" for item in answer.json()["items"]]


def test_sessions_are_found_by_what_they_are_like(admin: httpx.Client, person: dict[str, Any]) -> None:
    assert ids(admin, person) == ["bad", "good"]
    assert ids(admin, person, q="COFF") == ["bad"]
    assert ids(admin, person, q=person["email"]) == ["bad", "good"]
    assert ids(admin, person, state="ended") == ["bad"]
    assert ids(admin, person, errors=True) == ["bad"]
    assert ids(admin, person, errors=False) == ["good"]
    assert ids(admin, person, error="model_error") == ["bad"]
    assert ids(admin, person, error="model_busy") == []
    assert ids(admin, person, returning=True) == ["bad"]
    assert ids(admin, person, **{"from": person["day"], "to": today()}) == ["bad", "good"]
    assert ids(admin, person, **{"from": person["day"], "started": True}) == ["bad", "good"]
    tomorrow = str(datetime.now(UTC).date() + timedelta(days=1))
    assert ids(admin, person, **{"from": tomorrow}) == ids(admin, person, **{"from": tomorrow, "started": True}) == []
    assert ids(admin, person, assistant="nobody") == ids(admin, person, model="none") == []
    assert ids(admin, person, slower_than_ms=0) == ["good"] or ids(admin, person, slower_than_ms=0) == ["bad", "good"]
    assert ids(admin, person, slower_than_ms=10**8) == []
    (good,) = [s for s in admin.get(SESSIONS, params={"user_id": person["id"]}).json()["items"] if s["title"] == "Tea"]
    assert (good["user_email"], good["turns"], good["failed"]) == (person["email"], 1, 0)
    assert good["tokens"] > 0
    page = admin.get(SESSIONS, params={"user_id": person["id"], "limit": 1}).json()
    assert (page["total"], page["more"], len(page["items"])) == (2, False, 1)
    rest = admin.get(SESSIONS, params={"user_id": person["id"], "limit": 1, "cursor": page["next"]}).json()
    assert [item["title"] for item in rest["items"]] == ["Tea"]
    for wrong in ({"from": "yesterday"}, {"state": "x"}, {"slower_than_ms": -1}, {"cursor": "x"}, {"limit": 0}):
        assert admin.get(SESSIONS, params=wrong).status_code == 422


def test_what_is_noted_about_a_session_is_found_again_and_hidden_from_its_user(
    admin: httpx.Client, person: dict[str, Any], asking: Asking
) -> None:
    path = f"{SESSIONS}/{person['bad']}"
    tag = f"t{uuid4().hex[:8]}"
    before = admin.get(path).json()["review"]
    assert before == {"reviewed": False, "reviewed_at": None, "reviewed_by": None, "tags": [], "note": ""}
    review = {"reviewed": True, "tags": [tag.upper(), " model down ", tag], "note": "Ask for a refund."}
    noted = admin.put(f"{path}/review", json=review).json()["review"]
    assert (noted["reviewed"], noted["tags"], noted["note"]) == (True, ["model down", tag], "Ask for a refund.")
    assert noted["reviewed_by"] == read_unproven(asking.server.token(ADMIN))[1]["sub"]
    assert ids(admin, person, reviewed=True) == ids(admin, person, tag=tag.upper()) == ["bad"]
    assert ids(admin, person, reviewed=False) == ["good"]
    assert {"tag": tag, "sessions": 1} in admin.get("/api/v1/admin/tags").json()["items"]
    again = admin.put(f"{path}/review", json={**review, "note": "Done."}).json()["review"]
    assert again["reviewed_at"] == noted["reviewed_at"]
    assert admin.put(f"{path}/review", json={"reviewed": False}).json()["review"]["reviewed_at"] is None
    mine = person["http"].get("/api/v1/me/export").text + person["http"].get(f"/api/v1/sessions/{person['bad']}").text
    assert "refund" not in mine
    assert admin.put(f"{SESSIONS}/{uuid4()}/review", json=review).status_code == 404
    for wrong in ({}, {"reviewed": True, "tags": ["x" * 51]}, {"reviewed": True, "tags": ["x"] * 21}):
        assert admin.put(f"{path}/review", json=wrong).status_code == 422
    log = admin.get("/api/v1/admin/audit", params={"user_id": person["id"], "limit": 100}).json()
    assert {"session.read", "session.review", "sessions.list"} <= {entry["action"] for entry in log["items"]}
    assert log["total"] >= len(log["items"]) - 1


def test_every_number_of_the_dashboard_opens_what_is_behind_it(admin: httpx.Client, person: dict[str, Any]) -> None:
    board = admin.get("/api/v1/admin/dashboard").json()
    assert board["to"] == board["days"][-1]["day"]
    assert person["day"] <= board["to"] <= today()
    assert len(board["days"]) == 30
    totals = {name: number["value"] for name, number in board["totals"].items()}
    assert totals["turns"] == sum(day["turns"] for day in board["days"]) == totals["messages"] / 2
    for name in ("sessions", "failed", "started", "returning"):
        query = board["totals"][name]["filter"]
        found = admin.get(SESSIONS, params={**query, "limit": 1})
        assert found.status_code == 200, found.text
        gone = totals[name] - found.json()["total"]  # a session that was deleted since is not behind it any more
        assert gone >= 0 if name != "failed" else found.json()["total"] > 0
    assert 0 < totals["returning_share"] <= 1
    times = board["latency_ms"]
    assert 0 <= times["p50"]["value"] <= times["p90"]["value"] <= times["p99"]["value"]
    assert board["replies"] > 0
    [failed] = [error for error in board["errors"] if error["code"] == "model_error"]
    opened = admin.get(SESSIONS, params={**failed["opens"], "user_id": person["id"]}).json()
    assert [item["id"] for item in opened["items"]] == [person["bad"]]
    assert all(leader["turns"] for kind in ("users", "models", "assistants") for leader in board[kind])
    one_day = admin.get("/api/v1/admin/dashboard", params={"from": board["to"], "to": board["to"]}).json()
    assert one_day["days"] == board["days"][-1:]
    assert (
        admin.get("/api/v1/admin/dashboard", params={"from": "1999-01-01", "to": "1999-01-02"}).json()["replies"] == 0
    )
    for wrong in ({"from": "2999-01-01"}, {"from": "1900-01-01"}, {"to": "9999-12-31"}, {"from": "x"}):
        assert admin.get("/api/v1/admin/dashboard", params=wrong).status_code == 422
