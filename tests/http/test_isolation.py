"""Who reaches what: every operation of the API, with every kind of token that should not open it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx2 as httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from rekindle.identity.service import Caller
from rekindle.identity.tokens import Tokens
from tests.conftest import ADMIN as ADMIN_EMAIL
from tests.conftest import SECRET, Asking
from tests.http.routes import ADMIN, BODIES, EVERY, LOGOUT, QUERIES, Operation

OPEN = {
    "GET /api/v1/assistants",
    "GET /health",
    "GET /ready",
    "GET /metrics",
    "POST /api/v1/session/create",
    "GET /api/v1/session/{session_id}",
    "DELETE /api/v1/session/{session_id}",
    "POST /api/v1/session/{session_id}/end",
    "POST /api/v1/chat/message",
    "POST /api/v1/identity/check-in",
    "POST /api/v1/identity/code",
    "POST /api/v1/identity/verify",
}
"""What needs no token. Door 000's session ids are capabilities: whoever has one is in that session."""

GUARDED = [operation for operation in EVERY if operation.needs_caller]
OURS = [operation for operation in GUARDED if operation not in ADMIN]
"""What people do with what is theirs."""
NAMING = [operation for operation in EVERY if operation.names_something and operation not in ADMIN]
WORDS = "The blue door is where the key is kept."
SAID = {"A short talk": "Hello.", "A talk of doors": WORDS}
"""What is said in a person's sessions, by their titles; those are not what any session is named by itself."""


@dataclass(frozen=True)
class Owner:
    """Somebody with two sessions, each with something said in it; the second is not for others to see."""

    user_id: str
    token: str
    session_id: str
    turn_id: str
    other_session_id: str
    other_turn_id: str
    capability: str


@pytest.fixture(scope="module")
def owner(asking_for_all: Asking) -> Owner:
    server = asking_for_all.server
    email = f"{uuid4().hex}@example.com"
    with server.client(email) as http:
        sessions = [http.post("/api/v1/sessions", json={"title": title}).json()["id"] for title in SAID]
        turns = [
            http.post(f"/api/v1/sessions/{session}/turns", json={"message": words}).json()["id"]
            for session, words in zip(sessions, SAID.values(), strict=True)
        ]
        http.post("/chat", json={"message": WORDS})
        http.post("/chat/send", json={"message": WORDS})
        user_id = http.get("/chat/sessions").json()["user_id"]
        capability = http.post("/api/v1/session/create", json={"user_email": email}).json()["session_id"]
        http.post("/api/v1/chat/message", json={"session_id": capability, "message": WORDS})
    return Owner(user_id, server.token(email), sessions[0], turns[0], sessions[1], turns[1], capability)


@pytest.fixture
def http(asking: Asking) -> httpx.Client:
    return asking.server.client()


def ask(http: httpx.Client, operation: Operation, token: str | None, session: str, turn: str) -> httpx.Response:
    """The operation on this session or turn, with this token."""
    ids = {"session_id": session, "turn_id": turn, "user_id": str(uuid4())}
    return http.request(
        operation.method,
        operation.url(**ids),
        params=QUERIES.get(str(operation), {}),
        json=operation.example(**ids),
        headers={"Authorization": f"Bearer {token}"} if token is not None else {},
    )


def shown(answer: httpx.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """All that a caller can tell answers apart by, but for the time."""
    return answer.status_code, [(k, v) for k, v in answer.headers.items() if k != "date"], answer.content


def stored(asking: Asking) -> list[tuple[Any, ...]]:
    """How much is stored, and how far it is, once the jobs are done that earlier tests gave rise to."""
    with asking.server.database() as database:
        waiting = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing') AND scheduled_at IS NULL"
        end = time.monotonic() + 20
        while database.execute(waiting).fetchone() != (0,):
            assert time.monotonic() < end, "The jobs are not done."
            time.sleep(0.02)
        return database.execute(
            # Of titles those that somebody gave: each minute a job names sessions that have none.
            "SELECT (SELECT count(*) FROM users), count(*), count(ended_at), sum(last_seq), max(last_seen_at), "
            "count(*) FILTER (WHERE title = ANY(%s)) FROM sessions",
            (list(SAID),),
        ).fetchall()


def issue(owner: Owner, session: str | None = None, *, days: float = 1, secret: str = SECRET) -> str:
    return Tokens(secret).issue(UUID(owner.user_id), "verified", UUID(session) if session else None, days=days)


def signed(owner: Owner, algorithm: str = "HS256", **changes: Any) -> str:
    """A token signed with the right key that says something else; a claim of None is left out."""
    now = int(time.time())
    claims = {"iss": "rekindle", "aud": "rekindle", "sub": owner.user_id, "level": "verified", "iat": now}
    claims |= {"exp": now + 60}
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode({"alg": algorithm}, kept, OctKey.import_key(SECRET), algorithms=[algorithm])


def tampered(token: str) -> str:
    head, payload, signature = token.split(".")
    middle = len(payload) // 2
    return f"{head}.{payload[:middle]}{'A' if payload[middle] != 'A' else 'B'}{payload[middle + 1 :]}.{signature}"


def without_algorithm(token: str) -> str:
    return f"eyJhbGciOiJub25lIn0.{token.split('.')[1]}."


BAD_TOKENS: dict[str, Callable[[Owner], str | None]] = {
    "none": lambda owner: None,
    "garbage": lambda owner: "garbage",
    "dots": lambda owner: "..",
    "expired": lambda owner: issue(owner, days=-1),
    "of another key": lambda owner: issue(owner, secret="another secret key, as long as it needs to be"),
    "without a signature": lambda owner: without_algorithm(owner.token),
    "tampered": lambda owner: tampered(owner.token),
    "cut short": lambda owner: owner.token[:-3],
    "of another issuer": lambda owner: signed(owner, iss="elsewhere"),
    "for another audience": lambda owner: signed(owner, aud="elsewhere"),
    "of another algorithm": lambda owner: signed(owner, "HS512"),
    "not good yet": lambda owner: signed(owner, nbf=int(time.time()) + 600),
    "issued in the future": lambda owner: signed(owner, iat=int(time.time()) + 600),
    "without a beginning": lambda owner: signed(owner, iat=None),
    "without an end": lambda owner: signed(owner, exp=None),
    "of nobody": lambda owner: signed(owner, sub=None),
    "of no user's id": lambda owner: signed(owner, sub="1 OR 1=1"),
    "of an unknown level": lambda owner: signed(owner, level="root"),
    "for no session's id": lambda owner: signed(owner, sid="*"),
    "longer than any": lambda owner: owner.token + "A" * 10_000,
}


def test_every_operation_that_needs_no_token_is_known() -> None:
    assert {str(operation) for operation in EVERY if not operation.needs_caller} == OPEN


def test_every_operation_with_a_body_has_an_example() -> None:
    assert {str(operation) for operation in EVERY if operation.body is not None} == BODIES.keys()


@pytest.mark.parametrize("operation", GUARDED, ids=str)
def test_a_token_that_does_not_hold_opens_nothing(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation
) -> None:
    before = stored(asking)
    for kind, make in BAD_TOKENS.items():
        answer = ask(http, operation, make(owner), owner.session_id, owner.turn_id)
        assert answer.status_code == 401, kind
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "unauthenticated"
    for header in ("Basic dTpw", "Bearer", f"bearer{owner.token}", f"Token {owner.token}", owner.token):
        answer = http.request(
            operation.method, operation.url(session_id="x", turn_id="x"), headers={"Authorization": header}
        )
        assert answer.status_code == 401, header
    assert stored(asking) == before


def answers_as_unknown(
    asking: Asking, http: httpx.Client, operation: Operation, token: str, session: str, turn: str
) -> None:
    """Nothing tells these ids from such as were never given, and nothing is done."""
    before = stored(asking)
    theirs = ask(http, operation, token, session, turn)
    assert theirs.status_code == 404
    assert shown(theirs) == shown(ask(http, operation, token, str(uuid4()), str(uuid4())))
    assert stored(asking) == before


@pytest.mark.parametrize("operation", [o for o in NAMING if o.needs_caller], ids=str)
def test_somebody_elses_id_answers_like_one_that_does_not_exist(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation, email: str
) -> None:
    answers_as_unknown(asking, http, operation, asking.server.token(email), owner.session_id, owner.turn_id)


@pytest.mark.parametrize("operation", [o for o in OURS if not o.names_something], ids=str)
def test_what_names_nothing_shows_the_callers_own_only(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation, email: str
) -> None:
    answer = ask(http, operation, asking.server.token(email), "", "")
    assert answer.status_code < 500
    for secret in (WORDS, owner.user_id, owner.session_id, owner.other_session_id, owner.other_turn_id):
        assert secret not in answer.text


@pytest.mark.parametrize("operation", [o for o in NAMING if o.needs_caller], ids=str)
def test_a_token_for_one_session_reaches_no_other_of_its_user(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation
) -> None:
    token = issue(owner, owner.session_id)
    answers_as_unknown(asking, http, operation, token, owner.other_session_id, owner.other_turn_id)


@pytest.mark.parametrize("operation", [o for o in OURS if not o.names_something], ids=str)
def test_a_token_for_one_session_neither_lists_nor_starts_another(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation
) -> None:
    before = stored(asking)
    answer = ask(http, operation, issue(owner, owner.session_id), "", "")
    assert answer.status_code in (200, 403, 404) or (str(operation) == LOGOUT and answer.status_code == 204)
    for secret in (WORDS, owner.other_session_id, owner.other_turn_id):
        assert secret not in answer.text
    assert stored(asking) == before


def test_a_token_for_one_session_is_at_home_in_it(http: httpx.Client, owner: Owner) -> None:
    headers = {"Authorization": f"Bearer {issue(owner, owner.session_id)}"}
    listed = http.get("/api/v1/sessions", headers=headers).json()
    assert [session["id"] for session in listed["items"]] == [owner.session_id]
    assert http.get(f"/api/v1/sessions/{owner.session_id}", headers=headers).status_code == 200
    assert http.get(f"/api/v1/turns/{owner.turn_id}", headers=headers).status_code == 200


@pytest.fixture(scope="module")
def erased(asking_for_all: Asking) -> tuple[str, str]:
    """The token of a user who is no longer there, and the id of a session that was theirs."""
    server, email = asking_for_all.server, f"{uuid4().hex}@example.com"
    session = server.client(email).post("/api/v1/sessions").json()["id"]
    with server.database() as database:
        database.execute("DELETE FROM users WHERE email = %s", (email,))
    return server.token(email), session


@pytest.mark.parametrize("operation", GUARDED, ids=str)
def test_a_token_of_a_user_who_was_erased_speaks_for_nobody(
    asking: Asking, http: httpx.Client, owner: Owner, erased: tuple[str, str], operation: Operation
) -> None:
    token, theirs = erased
    before = stored(asking)
    for session in (theirs, owner.session_id):
        answer = ask(http, operation, token, session, owner.turn_id)
        assert answer.status_code == 401
        assert answer.json()["code"] == "unauthenticated"
    assert stored(asking) == before


@pytest.mark.parametrize("operation", GUARDED, ids=str)
def test_a_token_that_was_revoked_opens_nothing(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation
) -> None:
    token = issue(owner)
    assert http.post("/api/v1/identity/logout", headers={"Authorization": f"Bearer {token}"}).status_code == 204
    before = stored(asking)
    answer = ask(http, operation, token, owner.other_session_id, owner.other_turn_id)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"
    assert stored(asking) == before


@pytest.mark.parametrize("operation", ADMIN, ids=str)
def test_administrators_only_do_what_is_theirs(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation
) -> None:
    admin = asking.server.token(ADMIN_EMAIL)
    assert ask(http, operation, admin, owner.session_id, owner.turn_id).status_code in (200, 404)
    mine = Tokens(SECRET).read(admin).user_id
    others = {
        "a user's": owner.token,
        "an admin's, for one session": Tokens(SECRET).issue(mine, "verified", uuid4(), days=1),
        "an admin's, who only typed the address": Tokens(SECRET).issue(mine, "claimed", None, days=1),
    }
    for whose, token in others.items():
        answer = ask(http, operation, token, owner.session_id, owner.turn_id)
        assert answer.status_code == 403, whose
        assert shown(answer) == shown(ask(http, operation, token, str(uuid4()), str(uuid4())))


@pytest.mark.parametrize("kind", sorted(BAD_TOKENS.keys() - {"none"}))
def test_a_token_that_does_not_hold_is_no_help_in_proving_an_address(
    http: httpx.Client, owner: Owner, kind: str
) -> None:
    verify = next(operation for operation in EVERY if str(operation) == "POST /api/v1/identity/verify")
    assert ask(http, verify, BAD_TOKENS[kind](owner), "", "").status_code == (401 if kind != "empty" else 422)


@pytest.mark.parametrize("operation", [o for o in NAMING if not o.needs_caller], ids=str)
def test_the_desk_opens_to_capabilities_only(
    asking: Asking, http: httpx.Client, owner: Owner, operation: Operation
) -> None:
    before = stored(asking)
    answers = [
        ask(http, operation, token, session, "")
        for token in (None, owner.token)
        for session in (owner.session_id, str(uuid4()), owner.capability[:-1], owner.user_id)
    ]
    assert answers[0].status_code == 404
    assert all(shown(answer) == shown(answers[0]) for answer in answers)
    assert stored(asking) == before


def test_a_tokens_level_is_no_more_than_it_was_issued_for() -> None:
    tokens = Tokens(SECRET)
    user, session = uuid4(), uuid4()
    claims = tokens.read(tokens.issue(user, "claimed", session, days=1))
    caller = Caller(claims.user_id, claims.level, claims.session_id)
    assert caller == Caller(user, "claimed", session)
    assert caller.may_enter(session)
    assert not caller.may_enter(uuid4())
