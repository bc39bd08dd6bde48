"""How the page is served: from the package, beside the API, under a policy that lets nothing else in."""

import re
from collections.abc import Callable

import pytest
from scripts.page import BUILT, types_are_stale

from tests.conftest import Asking
from tests.page.conftest import Arrive

VIEWS = ("/", "/s/0199aaaa-0000-7000-8000-000000000000", "/search?q=x", "/memory", "/growth", "/usage", "/admin/jobs")


@pytest.mark.parametrize("path", [*VIEWS, "/widget"])
def test_each_view_has_an_address_of_its_own(site: Asking, path: str) -> None:
    answer = site.server.client().get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert '<div id="root">' in answer.text
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert policy.endswith(
        "frame-ancestors 'self' http://localhost:*" if path == "/widget" else "frame-ancestors 'none'"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-cache"


def test_the_api_the_doors_and_the_docs_stay_what_they_were(site: Asking) -> None:
    http = site.server.client()
    assert http.get("/api/v1/sessions").headers["content-type"] == "application/problem+json"
    assert http.get("/sessions/current").status_code == 401
    assert http.get("/chat/history").status_code == 401
    assert "swagger" in http.get("/docs").text
    assert http.get("/nowhere").json()["code"] == "not_found"


def test_files_with_a_hash_in_their_name_are_kept_for_ever_and_come_compressed(site: Asking) -> None:
    http = site.server.client()
    for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', http.get("/").text):
        answer = http.get(path, headers={"accept-encoding": "gzip"})
        assert answer.status_code == 200
        assert answer.headers["content-encoding"] == "gzip"
        hashed = re.search(r"-[\w-]{8}\.(js|css)$", path)
        assert ("immutable" in answer.headers["cache-control"]) == bool(hashed), path
        assert http.get(path, headers={"accept-encoding": "identity"}).content == answer.content


@pytest.mark.parametrize("name", ["..%2findex.html", "%2e%2e/index.html", "nothing.js", ".built", "x.py", "%00.js"])
def test_nothing_but_the_pages_files_is_served(site: Asking, name: str) -> None:
    answer = site.server.client().get(f"/assets/{name}")
    assert answer.status_code in (400, 404)


def test_all_assets_together_are_small(record_property: Callable[[str, object], None]) -> None:
    sizes = {file.name: file.stat().st_size for file in BUILT.rglob("*.gz")}
    total = sum(sizes.values()) / 1000
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    parts = ", ".join(f"{name} {size / 1000:.1f}" for name, size in largest)
    record_property("figure", f"page: assets {total:.1f} kB gz in all, of which {parts}")
    assert total <= 250


def test_the_pages_types_are_those_of_the_api() -> None:
    assert not types_are_stale(), "make reference"


def test_a_stranger_is_asked_who_they_are(arrive: Arrive) -> None:
    person = arrive()
    page = person.go("/")
    page.get_by_role("button", name="Start chatting").wait_for()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
