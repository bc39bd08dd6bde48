"""Bad input, on every operation that takes any: a problem that says what is wrong, and nothing stored."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2 as httpx
import jsonschema_rs
import pytest

from tests.conftest import Asking
from tests.http.problems import MARK, assert_problem
from tests.http.routes import API, EVERY, LOGOUT, Caller, Operation

IMPORT = "POST /api/v1/me/import"
"""Its body is read as it comes, and has tests of its own."""
WITH_BODY = [o for o in EVERY if o.body is not None and str(o) not in (LOGOUT, IMPORT)]


@pytest.fixture(autouse=True)
def _nothing_is_stored(asking: Asking, caller: Caller) -> Iterator[None]:
    before = rows(asking)
    yield
    assert rows(asking) == before


def rows(asking: Asking) -> list[tuple[int, ...]]:
    with asking.server.database() as database:
        return database.execute(
            "SELECT (SELECT count(*) FROM users), count(*), (SELECT count(*) FROM messages), "
            "count(*) FILTER (WHERE ended_at IS NULL), sum(last_seq) "
            "FROM sessions WHERE hidden_at IS NULL"
        ).fetchall()


def deep(brackets: str, levels: int) -> bytes:
    opening, closing = brackets.split("*")
    return (opening * levels + "1" + closing * levels).encode()


NO_JSON = {
    "half of an object": b'{"message": "xyzzy-plugh',
    "a form": b"message=xyzzy-plugh",
    "two values": b"{} {}",
    "a comma too many": b'{"message": "xyzzy-plugh",}',
    "single quotes": b"{'message': 'xyzzy-plugh'}",
    "NaN": b'{"message": "xyzzy-plugh", "metadata": {"a": NaN}}',
    "Infinity": b'{"message": "xyzzy-plugh", "metadata": {"a": [Infinity]}}',
    "-Infinity": b'{"message": "xyzzy-plugh", "metadata": {"a": -Infinity}}',
    "a number without end": b'{"message": "xyzzy-plugh", "metadata": {"a": 1e400}}',
    "an integer without end": b'{"message": "xyzzy-plugh", "metadata": {"a": 1' + b"0" * 5_000 + b"}}",
    "lists 100,000 deep": deep("[*]", 100_000),
    "objects 100,000 deep": deep('{"a":*}', 100_000),
    "metadata 100,000 deep": b'{"message": "x", "metadata": ' + deep('{"a":*}', 100_000) + b"}",
    "lists that never close": b"[" * 100_000,
    "NUL": b'{"message": "xyzzy-plugh \\u0000"}',
    "NUL in a key": b'{"message": "x", "xyzzy-plugh \\u0000": 1}',
    "a raw NUL": b'{"message": "xyzzy-plugh \x00"}',
    "only NUL": b"\x00",
    "half a surrogate pair": b'{"message": "xyzzy-plugh \\ud800"}',
    "the other half": b'{"message": "xyzzy-plugh \\udc00 x"}',
    "surrogates the wrong way round": b'{"message": "xyzzy-plugh \\ude00\\ud83d"}',
    "a surrogate in UTF-8": b'{"message": "xyzzy-plugh \xed\xa0\x80"}',
    "Latin-1": '{"message": "xyzzy-plugh é"}'.encode("latin-1"),
    "UTF-16": '{"message": "xyzzy-plugh"}'.encode("utf-16"),
    "gzip": b"\x1f\x8b\x08\x00xyzzy-plugh",
    "only a space": b" ",
}


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_a_body_that_is_no_json_that_can_be_stored_is_refused(caller: Caller, operation: Operation) -> None:
    for kind, body in NO_JSON.items():
        for declared in ("application/json", "application/x-www-form-urlencoded"):
            answer = caller.send(operation, content=body, headers={"Content-Type": declared})
            assert_problem(answer, 400)
            assert answer.json()["code"] == "malformed_body", kind


@pytest.mark.parametrize(
    "operation", [o for o in EVERY if o.method not in ("GET", "HEAD") and str(o) != IMPORT], ids=str
)
def test_a_body_of_20_mb_is_refused(caller: Caller, operation: Operation) -> None:
    def in_chunks() -> Iterator[bytes]:
        for _ in range(200):
            yield b'"' + b"x" * 100_000

    for body in (b'"' + b"x" * 20_000_000 + b'"', in_chunks()):
        answer = caller.send(operation, content=body)
        assert_problem(answer, 413)
        assert answer.json()["code"] == "body_too_large"


@pytest.mark.parametrize("operation", [o for o in WITH_BODY if o.needs_body], ids=str)
def test_a_body_is_needed_where_there_is_something_to_say(caller: Caller, operation: Operation) -> None:
    for body in (b"", b"{}", b"null", b"[]", b'"xyzzy-plugh"', b"1", b"true", b'[{"message": "xyzzy-plugh"}]'):
        assert_problem(caller.send(operation, content=body), 422)


WRONG = [
    None,
    True,
    0,
    -1,
    10**30,
    1.5,
    "",
    "xyzzy-plugh",
    "x" * 1_000_000,
    [],
    ["xyzzy-plugh"],
    {},
    {"xyzzy-plugh": 1},
]


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_a_member_of_the_wrong_type_or_length_is_refused(caller: Caller, operation: Operation) -> None:
    right = operation.example(**caller.ids_for(operation))
    assert right is not None
    assert operation.body is not None
    tried = 0
    for schema in shapes(operation.body):
        for name, member in schema["properties"].items():
            allowed = jsonschema_rs.validator_for({**member, "components": API["components"]})
            for value in WRONG:
                if not allowed.is_valid(value):
                    body = deepcopy(right if schema["properties"].keys() >= right.keys() else {})
                    body[name] = value
                    assert_problem(caller.send(operation, json=body), 404, 413, 422)
                    tried += 1
    assert tried > 5


def shapes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The objects that a body may be."""
    for part in schema.get("anyOf", schema.get("oneOf", [schema])):
        if "$ref" in part:
            yield API["components"]["schemas"][part["$ref"].rsplit("/")[-1]]


@pytest.mark.parametrize("operation", [o for o in WITH_BODY if "message" in str(o.example(session_id=""))], ids=str)
def test_a_message_that_is_empty_or_too_long_is_refused(caller: Caller, operation: Operation) -> None:
    right = operation.example(**caller.ids_for(operation))
    assert right is not None
    for message in ("", "   ", "\n\t\u2003", f"{MARK} ".ljust(32_001, "x"), "😀" * 32_001):
        # Some doors make a session for a message that names none: not for one that cannot be said.
        for body in ({**right, "message": message}, {"message": message}):
            answer = caller.send(operation, json=body)
            assert_problem(answer, 422)
            assert answer.json()["code"] == "invalid_request"


@pytest.mark.parametrize(
    "email",
    [
        "xyzzy-plugh",
        "@example.com",
        "xyzzy-plugh@",
        "xyzzy plugh@example.com",
        "xyzzy-plugh@a@b.c",
        " ",
        "@",
        "a" * 251 + "@b.c",
    ],
)
def test_what_is_no_address_is_refused(caller: Caller, email: str) -> None:
    assert_problem(caller.http.post("/api/v1/session/create", json={"user_email": email}), 422)


@pytest.mark.parametrize("operation", [o for o in EVERY if o.parameters("query")], ids=str)
def test_a_query_that_makes_no_sense_is_refused(caller: Caller, operation: Operation) -> None:
    for parameter in operation.parameters("query"):
        schema = parameter["schema"]
        one = next(
            (each["items"] for each in [schema, *schema.get("anyOf", [])] if each.get("type") == "array"), schema
        )
        allowed = jsonschema_rs.validator_for({**one, "components": API["components"]})
        numeric = "integer" in str(parameter["schema"])
        values: list[tuple[str, Any]] = [(text, text) for text in ("nonsense", "0x10", "NaN", "１e3", "x" * 5_000)]
        values += [("1.5", 1.5 if "'number'" in str(schema) else "1.5")]
        values += [(str(number), number) for number in (0, -1, 501, 10**30, -(10**30))] if numeric else []
        for text, value in values:
            if not allowed.is_valid(value):
                assert_problem(caller.send(operation, params={parameter["name"]: text}), 422)
        for raw in ("%00", "%ED%A0%80", "%FF", "a&" * 2_000, "%C2"):
            answer = caller.http.request(
                operation.method, f"{operation.url(**caller.ids_for(operation))}?{parameter['name']}={raw}"
            )
            assert answer.status_code < 500, (parameter["name"], raw)


@pytest.mark.parametrize("cursor", ["nonsense", "bm9uc2Vuc2U", "AAAA", "_-", "é", "Mg" * 100])
def test_a_cursor_no_list_gave_is_refused(caller: Caller, cursor: str) -> None:
    for path in ("/api/v1/sessions", f"/api/v1/sessions/{caller.ids['session_id']}/messages"):
        assert_problem(caller.http.get(path, params={"cursor": cursor}), 422)


def test_a_key_or_an_event_id_that_is_too_long_is_refused(caller: Caller) -> None:
    turns = f"/api/v1/sessions/{caller.ids['session_id']}/turns"
    answer = caller.http.post(turns, json={"message": "Hello."}, headers={"Idempotency-Key": MARK * 20})
    assert_problem(answer, 422)
    events = f"/api/v1/turns/{caller.ids['turn_id']}/events"
    for event_id in (b"x" * 101, b"\xff\xfe", b"01:02:03", caller.ids["turn_id"].encode() + b":1:99999999999"):
        assert_problem(caller.http.get(events, headers={b"Last-Event-ID": event_id}), 422)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Note: a\0b\r\n\r\n", 400, "unreadable_request"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400, "unreadable_request"),
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Note: " + b"x" * 66_000, 431, "headers_too_large"),
    ],
    ids=["NUL", "TLS", "too large"],
)
def test_what_cannot_be_read_as_http_is_a_problem_too(asking: Asking, sent: bytes, status: int, code: str) -> None:
    where = urlsplit(asking.server.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall(sent)
        answer = HTTPResponse(connection)
        answer.begin()
        problem = httpx.Response(answer.status, headers=answer.getheaders(), content=answer.read())
        assert_problem(problem, status)
        assert problem.json()["code"] == code
        assert connection.recv(1) == b""  # it has hung up


def test_headers_without_end_are_refused(asking: Asking) -> None:
    where = urlsplit(asking.server.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        received = b""
        with suppress(OSError):  # it hangs up on us, as it should
            for number in range(10_000):
                connection.sendall(f"X-{number}: {'x' * 1000}\r\n".encode())
        with suppress(OSError):
            received = connection.recv(1_000)
    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert asking.server.client().get("/health").status_code == 200


@pytest.mark.parametrize("operation", list({o.path: o for o in EVERY}.values()), ids=str)
def test_a_method_that_a_path_does_not_take_is_refused(caller: Caller, operation: Operation) -> None:
    taken = {other.method for other in EVERY if other.path == operation.path}
    url = operation.url(**caller.ids)
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"} - taken:
        answer = caller.http.request(method, url)
        assert_problem(answer, 404, 405)


@pytest.mark.parametrize(
    "path",
    [
        "/xyzzy-plugh",
        "/api/v1/xyzzy-plugh",
        "/api/v1/sessions/",
        "/chat/",
        "/%00",
        "/%FF",
        "/api/v1/session//end",
        "/static-offline-docs/%2e%2e/%2e%2e/core.py",
        "/static-offline-docs/..%2fcore.py",
        "/static-offline-docs/%00",
        "/static-offline-docs/" + "x" * 300,
        "/static-offline-docs",
        "/" + "x" * 50_000,
    ],
)
def test_a_path_that_leads_nowhere_is_not_found(caller: Caller, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert_problem(caller.http.request(method, path), 404, 405)


@pytest.mark.parametrize("operation", [o for o in EVERY if o.ids or o.names_something], ids=str)
def test_ids_that_are_none_are_not_found(caller: Caller, operation: Operation) -> None:
    for wild in ("x", "%00", "0", "null", "é", "x" * 5_000, "..%2f..", "%7B%7D", str(uuid4()), "'--", f"{MARK}"):
        url = operation.url(**dict.fromkeys(operation.ids, wild))
        body = operation.example(session_id=wild[:100])
        assert_problem(caller.http.request(operation.method, url, json=body), 404, 422)


def test_where_an_ended_session_is_spoken_to_nothing_is_kept(caller: Caller) -> None:
    ended = caller.http.post("/api/v1/sessions").json()["id"]
    try:
        caller.http.post(f"/api/v1/sessions/{ended}/end")
        answer = caller.http.post(f"/api/v1/sessions/{ended}/turns", json={"message": MARK})
        assert_problem(answer, 409)
        assert caller.http.get(f"/api/v1/sessions/{ended}/messages").json()["items"] == []
    finally:
        caller.http.delete(f"/api/v1/sessions/{ended}")
