"""Odd input: headers from nowhere, metadata at its limits, and what Schemathesis makes up from the description."""

import json
from copy import deepcopy
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.conftest import Asking
from tests.http.problems import MARK, assert_problem
from tests.http.routes import ADMIN, API, OPERATIONS, Caller, Operation

EVERYTHING = [*OPERATIONS, *ADMIN]
WILD = [
    b"x" * 10_000,
    b"\xff\xfe",
    "ключ 钥匙".encode(),
    b"\x01\x1f\x7f",
    b"'; DROP TABLE users; --",
    b"%00",
    b"{}",
    b"-1",
]


@pytest.mark.parametrize("operation", EVERYTHING, ids=str)
def test_wild_headers_break_nothing(caller: Caller, operation: Operation) -> None:
    url = operation.url(**(caller.ids_for(operation) if operation.method == "GET" else {}))
    names = {"Accept", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Cookie", "X-Forwarded-For", "Forwarded"}
    names |= {p["name"] for p in operation.parameters("header")}
    for value in WILD:
        for headers in (dict.fromkeys(names, value), {"Authorization": value}, {"Host": value}):
            answer = caller.http.request(operation.method, url, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code < 500, (headers.keys(), value)
            if answer.status_code >= 400:
                assert_problem(answer)


def test_metadata_is_kept_as_it_was_sent_up_to_its_limit(caller: Caller) -> None:
    for metadata in (
        {"\\u0000": "\\u0000 is no NUL"},
        {"a": 10**4000, "b": 1e22, "c": -0.5, "d": 5e-324, "e": 2**64},
        {"": "", "😀": "\U0010ffff", "\u2028": "\x7f\x1f"},
        json.loads('{"a":' * 150 + "1" + "}" * 150),
        {"a": "x" * 15_900},
    ):
        session = caller.http.post("/api/v1/sessions", json={"metadata": metadata})
        assert session.status_code == 201, session.text
        assert session.json()["metadata"] == metadata
        assert caller.http.get(f"/api/v1/sessions/{session.json()['id']}").json()["metadata"] == metadata
        assert caller.http.delete(f"/api/v1/sessions/{session.json()['id']}").status_code == 204
    for path in ("/api/v1/sessions", f"/api/v1/sessions/{caller.ids['session_id']}/turns"):
        assert_problem(caller.http.post(path, json={"message": "x", "metadata": {"a": MARK + "x" * 16_000}}), 422)


DESCRIBED = schemathesis.openapi.from_dict(deepcopy(API))
CHECKS = [not_a_server_error, response_schema_conformance, content_type_conformance]


def takes_something(operation: Operation) -> bool:
    """Whether there is more to get wrong than an id."""
    return operation.body is not None or bool(operation.parameters("query") + operation.parameters("header"))


CASES = [
    *((operation, GenerationMode.POSITIVE) for operation in EVERYTHING),
    *((operation, GenerationMode.NEGATIVE) for operation in EVERYTHING if takes_something(operation)),
]


@pytest.mark.parametrize(("operation", "mode"), CASES, ids=[f"{mode.value} {operation}" for operation, mode in CASES])
def test_whatever_is_made_up_from_the_description_is_answered_as_described(
    asking: Asking, caller: Caller, operation: Operation, mode: GenerationMode
) -> None:
    described = DESCRIBED[operation.path][operation.method]
    authorization = {"Authorization": caller.http.headers["Authorization"]}

    @settings(
        max_examples=4,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described.as_strategy(mode), there=st.booleans())
    def asked(case: schemathesis.Case[Any], there: bool) -> None:
        if there:  # half of the ids are there
            case.path_parameters.update({k: v for k, v in caller.ids_for(operation).items() if k in operation.ids})
        case.call_and_validate(asking.server.url, headers=authorization, checks=CHECKS)

    asked()
