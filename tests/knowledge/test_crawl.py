"""A site read as its links lead: within its host, as its rules allow, within bounds, and only anew where it changed."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from rekindle.errors import Unavailable
from rekindle.house import House
from rekindle.knowledge.crawl import Bounds
from rekindle.knowledge.fetch import FetchFailed, FetchRefused
from rekindle.knowledge.service import Filters, Knowledge
from tests.conftest import OpenHouse
from tests.knowledge.loopback import listening

QUICK = Bounds(pause=0)


class Site:
    """A site on loopback: pages by path, and what was asked of it."""

    def __init__(self) -> None:
        self.pages: dict[str, tuple[str, str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.port = 0
        self.remembers = True

    def page(self, path: str, text: str, *links: str, head: str = "", headers: str = "") -> None:
        title = path.strip("/") or "home"
        body = (
            f"<html><head><title>{title}</title>{head}</head><body><article><h1>{title}</h1><p>{text}</p>"
            + "".join(f"<p><a href='{link}'>to {link}</a></p>" for link in links)
            + "</article></body></html>"
        )
        tag = f'ETag: "{abs(hash(body))}"\r\n' if self.remembers else ""
        self.pages[path] = ("200 OK", f"Content-Type: text/html; charset=utf-8\r\n{tag}{headers}", body.encode())

    def says(self, path: str, status: str, headers: str = "", body: bytes = b"") -> None:
        self.pages[path] = (status, headers, body)

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = request.split(" ")[1]
        status, headers, body = self.pages.get(path, ("404 Not Found", "", b""))
        known = next((line[15:] for line in request.split("\r\n") if line.lower().startswith("if-none-match: ")), None)
        if known and f"ETag: {known}" in headers:
            status, body = "304 Not Modified", b""
        self.asked.append((path, status[:3]))
        writer.write(
            f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body
        )
        await writer.drain()
        writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    async with listening(site.serve) as site.port:
        yield site


@pytest.fixture
async def knowledge(open_a_house: OpenHouse) -> Knowledge:
    house: House = await open_a_house(work=False, fetch_allow=frozenset({"127.0.0.1"}))
    return house.knowledge


@pytest.fixture
def name() -> str:
    return f"guide {uuid4().hex[:8]}"


async def titles(knowledge: Knowledge, name: str) -> set[str]:
    documents, _ = await knowledge.documents(Filters(assistant=name), after=None, limit=100)
    return {document.title for document in documents}


async def test_a_site_is_read_within_its_host_and_its_rules(knowledge: Knowledge, site: Site, name: str) -> None:
    site.says("/robots.txt", "200 OK", "", b"User-agent: *\nDisallow: /private\nAllow: /private/open\n")
    links = ["/a", "b?x=1#top", "/private/secret", "/private/open", "/gone", "/photo.jpg", "http://elsewhere.invalid/"]
    site.page("/", "Welcome to the pools.", *links, "mailto:a@b.example", "/moved", "/a", "/hidden", "/leaflet.txt")
    site.page("/a", "The deep end is four metres deep.", "/")
    site.page("/b?x=1", "Lockers cost a coin, which comes back.", "/c")
    site.page("/c", "The café sells soup at noon.", "/d", head="<link rel='canonical' href='/c'>")
    site.page("/d", "Nobody may read this page.", "/e", head="<meta name='robots' content='noindex, nofollow'>")
    site.page("/private/open", "This part of it is open to robots.")
    site.says("/moved", "301 Moved Permanently", "Location: /target\r\n")
    site.page("/target", "It has moved to the east wing.")
    site.page("/hidden", "Hidden by its header.", headers="X-Robots-Tag: noindex\r\n")
    site.says("/leaflet.txt", "200 OK", "Content-Type: text/plain\r\n", b"Leaflet\n\nSwim on your back first.")
    outcome = await knowledge.ingest(site.url, name, bounds=QUICK)  # without the slash: the same page as `/`
    assert await titles(knowledge, name) == {"home", "a", "b?x=1", "c", "private/open", "target", "Leaflet"}
    assert outcome.added == 7
    assert set(site.paths()) == {"/robots.txt", "/", "/a", "/b?x=1", "/c", "/d", "/private/open", "/gone", "/moved",
                                 "/target", "/hidden", "/leaflet.txt"}  # fmt: skip
    assert site.paths().count("/a") == 1
    [hit] = (await knowledge.search("how deep is the deep end?", name, limit=1)).hits
    assert (hit.url, hit.path) == (f"{site.url}/a", None)
    home = next(d for d in (await knowledge.documents(Filters(assistant=name), after=None, limit=50))[0]
                if d.title == "home")  # fmt: skip
    found, total = await knowledge.links(document=home.id, query=None, after=None, limit=50)
    assert total == 10
    assert [link.url for link in found if link.target_id == hit.document_id] == [f"{site.url}/a"]


async def test_a_second_crawl_writes_what_changed_and_forgets_what_is_gone(
    knowledge: Knowledge, site: Site, name: str
) -> None:
    site.page("/", "Welcome.", "/a", "/b", "/c")
    for path in ("/a", "/b", "/c"):
        site.page(path, f"This is what {path} says of the water.")
    await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    site.asked.clear()
    site.page("/b", "The water of b is warmer now.")
    site.page("/", "Welcome.", "/a", "/b")
    outcome = await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    assert (outcome.added, outcome.changed, outcome.unchanged, outcome.removed) == (0, 2, 1, 1)
    assert ("/a", "304") in site.asked
    # Where nothing at all changed, nothing is sent: links are known from the last time.
    site.asked.clear()
    outcome = await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    assert (outcome.unchanged, outcome.passages) == (3, 0)
    assert [status for path, status in site.asked if path != "/robots.txt"] == ["304"] * 3


async def test_a_page_that_does_not_come_is_kept_and_one_that_is_gone_is_not(
    knowledge: Knowledge, site: Site, name: str
) -> None:
    site.page("/a", "Page a of the site.")
    site.page("/b", "Page b of the site.")
    site.page("/c?print=1", "Page c of the site.", head="<link rel='canonical' href='/c'>")
    site.page("/", "Welcome.", "/a", "/b", "/c?print=1")
    await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    site.says("/a", "500 Internal Server Error")
    site.says("/c?print=1", "503 Service Unavailable")
    site.says("/b", "410 Gone")
    outcome = await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    assert outcome.removed == 1
    assert outcome.left_out == [(f"{site.url}/a", "It answers 500."), (f"{site.url}/c?print=1", "It answers 503.")]
    assert await titles(knowledge, name) == {"home", "a", "c?print=1"}


async def test_a_crawl_has_bounds_and_forgets_nothing_it_did_not_get_to(
    knowledge: Knowledge, site: Site, name: str
) -> None:
    for number in range(31):  # in Markdown, which no other process reads
        page = f"# Page {number}\n\nOf a calendar without end.\n\n[On](/{number})\n"
        path = f"/{number - 1}" if number else "/"
        site.says(path, "200 OK", f'Content-Type: text/markdown\r\nETag: "{number}"\r\n', page.encode())
    deep = await knowledge.ingest(f"{site.url}/", name, bounds=Bounds(pause=0, depth=100, pages=20))
    assert deep.added == 20
    assert "at page 20, with 1 more to see" in (deep.note or "")
    fewer = await knowledge.ingest(f"{site.url}/", name, bounds=Bounds(pause=0, depth=100, pages=5))
    assert (fewer.unchanged, fewer.removed) == (5, 0)
    nearer = await knowledge.ingest(f"{site.url}/", name, bounds=Bounds(pause=0, depth=3))
    assert (nearer.unchanged, nearer.removed) == (4, 0)
    shallow = await knowledge.ingest(f"{site.url}/", f"{name} 2", bounds=Bounds(pause=0, depth=3))
    assert (shallow.added, shallow.note) == (4, None)
    short = await knowledge.ingest(f"{site.url}/", f"{name} 3", bounds=Bounds(pause=0.01, seconds=0.05, depth=100))
    assert "after 0 s" in (short.note or "")
    full = await knowledge.ingest(f"{site.url}/", f"{name} 4", bounds=Bounds(pause=0, bytes=600, depth=100))
    assert "bytes" in (full.note or "")


async def test_a_crawl_waits_between_pages_as_long_as_the_site_asks(
    knowledge: Knowledge, site: Site, name: str
) -> None:
    site.says("/robots.txt", "200 OK", "", b"User-agent: Rekindle\nCrawl-delay: 0.3\n")
    site.page("/", "Welcome.", "/a")
    site.page("/a", "Page a of the site.")
    began = asyncio.get_running_loop().time()
    await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    assert asyncio.get_running_loop().time() - began >= 0.3


async def test_a_site_that_may_not_or_cannot_be_read_is_said_so(knowledge: Knowledge, site: Site, name: str) -> None:
    with pytest.raises(FetchFailed, match="there is no such page"):
        await knowledge.ingest(f"{site.url}/nothing", name, bounds=QUICK)
    site.page("/", "Welcome.")
    site.says("/robots.txt", "503 Service Unavailable")
    with pytest.raises(Unavailable, match=r"robots\.txt answers 503"):
        await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    site.says("/robots.txt", "200 OK", "", b"User-agent: *\nDisallow: /\n")
    with pytest.raises(FetchRefused, match="does not allow"):
        await knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    assert await titles(knowledge, name) == set()
    with pytest.raises(FetchFailed):
        await knowledge.ingest("http://127.0.0.1:1/", name, bounds=QUICK)


async def test_two_sites_that_send_each_to_the_other_are_left(knowledge: Knowledge, site: Site, name: str) -> None:
    other = Site()
    async with listening(other.serve) as other.port:
        for number in range(0, 40, 2):
            site.says(f"/{number}", "302 Found", f"Location: {other.url}/{number + 1}\r\n")
            other.says(f"/{number + 1}", "302 Found", f"Location: {site.url}/{number + 2}\r\n")
        with pytest.raises(FetchFailed, match="from site to site"):
            await knowledge.ingest(f"{site.url}/0", name, bounds=QUICK)


async def test_a_site_inside_is_not_read_unless_allowed(open_a_house: OpenHouse, site: Site, name: str) -> None:
    site.page("/", "The intranet.")
    house = await open_a_house(work=False)
    with pytest.raises(FetchRefused, match="REKINDLE_FETCH_ALLOW"):
        await house.knowledge.ingest(f"{site.url}/", name, bounds=QUICK)
    assert site.asked == []
