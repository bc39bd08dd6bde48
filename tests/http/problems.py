"""What every answer to bad input has to be."""

import httpx2 as httpx

MARK = "xyzzy-plugh"
"""Part of what is sent; no answer may repeat it."""

MEMBERS = {"type", "title", "status", "detail", "code"}


def assert_problem(answer: httpx.Response, *statuses: int) -> None:
    """It is a problem document, with one of these statuses, that says what is wrong and repeats nothing sent."""
    assert answer.status_code in (statuses or range(400, 500)), f"{answer.status_code}: {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem.keys() >= MEMBERS
    assert problem["status"] == answer.status_code
    assert all(isinstance(problem[name], str) and problem[name] for name in MEMBERS - {"status"})
    assert MARK not in answer.text
    assert len(answer.content) < 10_000
