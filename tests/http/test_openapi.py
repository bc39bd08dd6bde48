"""The API's own description, and the pages that show it."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
import schemathesis

from tests.conftest import RunningServer
from tests.http.routes import API, HIDDEN, OPERATIONS, Operation


@pytest.fixture
def http(server: RunningServer) -> httpx.Client:
    return server.client()


def links(html: str) -> list[str]:
    """All that a page of HTML refers to or loads."""
    return re.findall(r"""(?:href|src|url|spec-url)\s*[=:]\s*["']([^"']+)["']""", html)


@pytest.mark.parametrize("page", ["/", *HIDDEN])
def test_no_page_needs_another_host(http: httpx.Client, page: str) -> None:
    answer = http.get(page)
    assert answer.status_code == 200
    assert not re.search(r"https?://(?!127\.0\.0\.1|localhost)", answer.text)
    assert not re.search(r"""["']//""", answer.text)
    for link in links(answer.text):
        assert link.startswith("/"), link
        assert http.get(link).status_code == 200, link


def test_the_docs_bring_their_script_and_style_along(http: httpx.Client) -> None:
    loaded = links(http.get("/docs").text)
    assert any(link.endswith(".js") for link in loaded)
    assert any(link.endswith(".css") for link in loaded)
    assert "/openapi.json" in loaded


def test_the_description_is_served_and_is_valid(http: httpx.Client) -> None:
    served = http.get("/openapi.json").json()
    assert served == API
    assert served["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(served).validate()


def test_every_reference_leads_somewhere() -> None:
    for reference in references(API):
        found: Any = API
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
        assert found, reference


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_every_operation_says_what_it_does_and_how_it_answers(operation: Operation) -> None:
    description = operation.description
    assert description["summary"]
    assert description["description"].endswith((".", "…", "`"))
    assert description["tags"]
    responses = description["responses"]
    assert responses["default"]["content"].keys() == {"application/problem+json"}
    successes = {status: response for status, response in responses.items() if status.startswith("2")}
    assert successes
    for status, response in successes.items():
        assert response["description"]
        assert status == "204" or response["content"], f"{status} tells no shape"
    assert not any(status.startswith("4") for status in responses), "problems are told by `default`"


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation.description["operationId"] for operation in OPERATIONS]
    assert len(names) == len(set(names))


def test_a_problem_has_the_five_members_that_clients_read() -> None:
    problem = API["components"]["schemas"]["Problem"]
    assert problem["properties"].keys() == {"type", "title", "status", "detail", "code"}
    assert {"title", "status", "detail", "code"} <= set(problem["required"])
