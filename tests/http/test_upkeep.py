"""Usage, quotas and upkeep over HTTP, on real servers."""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import uuid4

import pytest

from tests.conftest import ADMIN, RunningServer, Serve, _servers


@pytest.fixture(scope="module")
def strict(new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on which a person may use little, with an administrator, and jobs left to workers."""
    database = new_database()
    servers = _servers(database, tmp_path_factory.mktemp("strict"))
    serve: Serve = next(servers)
    yield serve(REKINDLE_USER_TOKENS_PER_DAY="1600", REKINDLE_JOBS_IN_SERVER="false")
    next(servers, None)


def test_a_used_up_quota_answers_429_with_when_it_opens(strict: RunningServer, email: str) -> None:
    with strict.client(email) as http:
        session = http.post("/api/v1/sessions").json()["id"]
        turns = f"/api/v1/sessions/{session}/turns"
        assert http.post("/chat", json={"message": "Hello " * 200}).status_code == 200
        for path, body in ((turns, {"message": "Hello " * 200}), ("/chat", {"message": "Hello " * 200})):
            refused = http.post(path, json=body)
            assert refused.status_code == 429
            problem = refused.json()
            assert problem["code"] == "quota_exceeded"
            assert datetime.fromisoformat(problem["opens_at"]).utcoffset() is not None
            assert 0 < int(refused.headers["retry-after"]) <= 86_401
        used = http.get("/api/v1/me/usage").json()
        assert used["total"]["turns"] == 1
        assert used["models"]["offline"]["cost"] == 0
        assert len(used["days"]) == 1


def test_administrators_see_usage_and_failed_jobs_and_erase(strict: RunningServer, email: str) -> None:
    with strict.client(email) as http:
        assert http.post("/chat", json={"message": "Hello."}).status_code == 200
        user_id = http.get("/chat/sessions").json()["user_id"]
        assert http.get("/api/v1/admin/jobs").status_code == 403
    with strict.database() as database:
        older, newer = [
            found
            for (found,) in database.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status, attempts) "
                "SELECT 'rekindle', 'summarise', jsonb_build_object('user_id', %s::text), 'doing', 20 "
                "FROM generate_series(1, 2) RETURNING id",
                (user_id,),
            )
        ]
        database.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE status = 'doing'")
    with strict.client(ADMIN) as http:
        assert http.get("/api/v1/admin/usage").json()["total"]["turns"] >= 1
        page = http.get("/api/v1/admin/jobs", params={"limit": 1}).json()
        assert ([found["id"] for found in page["items"]], page["failed"]) == ([newer], 2)
        assert 0 <= page["search"]["current"] <= page["search"]["blocks"]
        page = http.get("/api/v1/admin/jobs", params={"limit": 1, "cursor": page["next"]}).json()
        assert ([found["id"] for found in page["items"]], page["next"]) == ([older], None)
        for odd in ("nonsense", "ZmFpbGVk", "ZmFpbGVkIC0x", "ZG9pbmcgMQ"):
            assert http.get("/api/v1/admin/jobs", params={"cursor": odd}).status_code == 422
        assert http.post(f"/api/v1/admin/jobs/{older}/retry").status_code == 200
        assert http.post(f"/api/v1/admin/jobs/{older}/retry").status_code == 404
        person = f"/api/v1/admin/users/{user_id}"
        assert http.request("DELETE", person, json={"confirm": "somebody@example.com"}).status_code == 422
        assert http.request("DELETE", person, json={"confirm": email}).status_code == 204
        assert http.request("DELETE", person, json={"confirm": email}).status_code == 404
        assert http.request("DELETE", f"/api/v1/admin/users/{uuid4()}", json={"confirm": email}).status_code == 404
        entries = http.get("/api/v1/admin/audit").json()["items"]
        assert "user.erase" in {entry["action"] for entry in entries}
        assert email not in str(entries)
        assert user_id not in str(entries)
