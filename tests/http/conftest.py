"""What the tests of the API stand on."""

import pytest

from tests.conftest import ADMIN, Asking
from tests.http.routes import Caller


@pytest.fixture(scope="module")
def caller(asking_for_all: Asking) -> Caller:
    """An administrator, to whom every operation is open."""
    http = asking_for_all.server.client(ADMIN)
    session = http.post("/api/v1/sessions").json()["id"]
    turn = http.post(f"/api/v1/sessions/{session}/turns", json={"message": "Hello."}).json()["id"]
    user = http.get("/api/v1/identity").json()["user_id"]
    capability = http.post("/api/v1/session/create").json()["session_id"]
    ids = {"session_id": session, "turn_id": turn, "user_id": user, "thing_id": user}
    return Caller(http, ids, {**ids, "session_id": capability})
