"""`/api/v1/knowledge`, the admin's view of it, and the tools, over HTTP."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2 as httpx
import pytest

from rekindle.house import House, open_house
from tests.conftest import ADMIN, RunningServer, make_settings
from tests.waiting import until

PRICES = """course,kind,price,currency,min_people,max_people
{name} Diving,individual,120.00,USD,,
{name} Diving,group,99.95,USD,4,
{name} Sailing,individual,80.00,USD,,
"""


class Filled:
    """What one assistant knows: three documents in a folder, two courses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.word = f"grotto{uuid4().hex[:6]}"
        self.assistant = f"guide {self.word}"
        for number in range(3):
            (folder / f"{number}.md").write_text(
                f"# Room {number} of the {self.word}\n\nThe {self.word} has a pillar that is {number + 3} metres high. "
                f"See [the map](https://caves.example/{number}).\n"
            )
        (folder.parent / "prices.csv").write_text(PRICES.format(name=self.word))

    async def fill(self, house: House) -> None:
        await house.knowledge.ingest(self.folder, self.assistant)
        await house.prices.import_file(self.folder.parent / "prices.csv", self.assistant)


@pytest.fixture(scope="module")
def filled(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    folder = tmp_path_factory.mktemp("cave") / "knowledge"
    folder.mkdir()
    filled = Filled(folder)

    async def fill() -> None:
        settings = make_settings(
            server.environment["REKINDLE_DATABASE_URL"], Path(server.environment["REKINDLE_DATA_DIR"])
        )
        async with open_house(settings, work=False) as house:
            await filled.fill(house)

    with ThreadPoolExecutor(1) as pool:  # a loop of its own
        pool.submit(asyncio.run, fill()).result()
    return filled


@pytest.fixture
def admin(server: RunningServer) -> httpx.Client:
    return server.client(ADMIN)


@pytest.fixture
def visitor(server: RunningServer, email: str) -> httpx.Client:
    return server.client(email)


def pages(http: httpx.Client, path: str, **params: Any) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        answer = http.get(path, params={**params, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        yield page
        if page["next"] is None:
            return
        cursor = {"cursor": page["next"]}


def items(http: httpx.Client, path: str, **params: Any) -> list[dict[str, Any]]:
    return [item for page in pages(http, path, **params) for item in page["items"]]


def test_anybody_who_is_in_may_search(visitor: httpx.Client, filled: Filled) -> None:
    answer = visitor.get(
        "/api/v1/knowledge/search", params={"q": f"how high is the pillar in room 2 of {filled.word}?"}
    )
    found = answer.json()
    assert found["total"] >= 3
    assert found["by_meaning"] is False
    hit = found["items"][0]
    assert hit["title"] == f"Room 2 of the {filled.word}"
    assert (hit["url"], hit["path"]) == (None, "knowledge/2.md")
    start, end = hit["highlights"][0]
    assert hit["snippet"][start:end].lower() in (filled.word, "pillar", "room")
    paged = items(visitor, "/api/v1/knowledge/search", q=filled.word, limit=1)
    assert len({hit["chunk_id"] for hit in paged}) == 3
    assert [hit["score"] for hit in paged] == sorted((hit["score"] for hit in paged), reverse=True)
    other = visitor.get("/api/v1/knowledge/search", params={"q": filled.word, "assistant": "somebody else"})
    assert other.json()["items"] == []


@pytest.mark.parametrize("cursor", ["x", "bmFuIHg", "MS4wIA", "_____w"])
@pytest.mark.parametrize(
    "path", ["/api/v1/knowledge/search", "/api/v1/admin/courses", "/api/v1/admin/knowledge/documents"]
)
def test_a_cursor_that_no_list_gave_is_refused(admin: httpx.Client, path: str, cursor: str) -> None:
    answer = admin.get(path, params={"q": "pillar", "cursor": cursor})
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


def test_an_administrator_sees_documents_their_passages_and_links(admin: httpx.Client, filled: Filled) -> None:
    found = items(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant, limit=2)
    assert [document["title"] for document in found] == [f"Room {n} of the {filled.word}" for n in (2, 1, 0)]
    assert {(d["chunks"], d["embedded"], d["links"]) for d in found} == {(1, 0, 1)}
    for page in pages(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant, limit=2):
        assert page["total"] == 3
    one = found[1]
    by_word = items(admin, "/api/v1/admin/knowledge/documents", q=f"ROOM 1 OF THE {filled.word}")
    assert [document["id"] for document in by_word] == [one["id"]]
    assert items(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant, kind="pdf") == []
    assert len(items(admin, "/api/v1/admin/knowledge/documents", source_id=one["source_id"])) == 3
    assert admin.get(f"/api/v1/admin/knowledge/documents/{one['id']}").json() == one
    [chunk] = items(admin, f"/api/v1/admin/knowledge/documents/{one['id']}/chunks")
    assert "4 metres" in chunk["content"]
    [link] = items(admin, "/api/v1/admin/knowledge/links", document_id=one["id"])
    assert (link["url"], link["text"], link["target_id"]) == ("https://caves.example/1", "the map", None)
    assert link["document_title"] == one["title"]
    for path in ("documents/{}", "documents/{}/chunks"):
        for unknown in (uuid4(), "nonsense"):
            answer = admin.get(f"/api/v1/admin/knowledge/{path.format(unknown)}")
            assert (answer.status_code, answer.json()["code"]) == (404, "document_not_found")


def test_an_administrator_sees_courses_and_prices_as_text(admin: httpx.Client, filled: Filled) -> None:
    found = items(admin, "/api/v1/admin/courses", assistant=filled.assistant, limit=1)
    assert [course["name"] for course in found] == [f"{filled.word} Diving", f"{filled.word} Sailing"]
    assert found[0]["individual"] == [{"price": "120.00", "currency": "USD", "valid_from": None, "valid_to": None}]
    [group] = found[0]["group"]
    assert (group["price"], group["min_people"], group["max_people"], group["per"]) == ("99.95", 4, None, "person")
    page = admin.get("/api/v1/admin/courses", params={"q": f"{filled.word} sail"}).json()
    assert (page["total"], len(page["items"])) == (1, 1)


def test_a_source_is_run_again_as_a_job(admin: httpx.Client, filled: Filled) -> None:
    [document, *_] = items(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant)
    (filled.folder / "new.md").write_text(f"# A new room\n\nThe {filled.word} has a lake.\n")
    answer = admin.post(f"/api/v1/admin/knowledge/documents/{document['id']}/reingest")
    assert answer.status_code == 202
    assert answer.json()["source_id"] == document["source_id"]
    until(lambda: items(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant, q="A new room"))
    (filled.folder / "new.md").unlink()
    assert admin.post(f"/api/v1/admin/knowledge/sources/{document['source_id']}/reingest").status_code == 202
    until(lambda: len(items(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant)) == 3)
    sources = items(admin, "/api/v1/admin/knowledge/sources")
    [source] = [source for source in sources if source["id"] == document["source_id"]]
    assert (source["kind"], source["documents"], source["outcome"]["unchanged"]) == ("folder", 3, 3)
    for unknown in (uuid4(), "nonsense"):
        for answer in (
            admin.post(f"/api/v1/admin/knowledge/sources/{unknown}/reingest"),
            admin.get(f"/api/v1/admin/knowledge/sources/{unknown}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "source_not_found")


def test_what_became_of_a_run_is_told_by_its_source(admin: httpx.Client, filled: Filled) -> None:
    [document, *_] = items(admin, "/api/v1/admin/knowledge/documents", assistant=filled.assistant)
    path = f"/api/v1/admin/knowledge/sources/{document['source_id']}"

    def run_again() -> dict[str, Any]:
        asked = admin.get(path).json()["started_at"]
        assert admin.post(f"{path}/reingest").status_code == 202
        until(lambda: admin.get(path).json()["state"] not in ("queued", "running"))
        source: dict[str, Any] = admin.get(path).json()
        assert source["started_at"] > asked
        return source

    assert (done := run_again())["state"] == "done"
    assert (done["outcome"]["unchanged"], done["outcome"]["note"], done["queued_at"]) == (3, None, None)
    filled.folder.rename(filled.folder.with_name("elsewhere"))
    gone = run_again()
    assert (gone["state"], gone["documents"]) == ("failed", 3)
    assert str(filled.folder) in gone["outcome"]["note"]
    filled.folder.mkdir()
    empty = run_again()
    assert (empty["state"], empty["documents"]) == ("failed", 3)
    assert "3 documents of it stay" in empty["outcome"]["note"]
    filled.folder.rmdir()
    filled.folder.with_name("elsewhere").rename(filled.folder)
    assert run_again()["state"] == "done"


def test_nobody_else_sees_what_administrators_see(visitor: httpx.Client) -> None:
    for path in ("knowledge/documents", "knowledge/links", "knowledge/sources", "courses"):
        assert visitor.get(f"/api/v1/admin/{path}").status_code == 403
