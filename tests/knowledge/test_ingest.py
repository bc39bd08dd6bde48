"""Documents brought in: what is new is written, what is gone is forgotten, and nothing else is touched."""

import asyncio
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import SecretStr

from rekindle.errors import InvalidRequest, ModelUnreachable, NotFound
from rekindle.house import House
from rekindle.knowledge.apart import Reader
from rekindle.knowledge.folder import Listing
from rekindle.knowledge.passages import LONGEST, cut
from rekindle.knowledge.reading import Unreadable, read
from rekindle.knowledge.search.service import Search
from rekindle.knowledge.search.store import list_nearest
from rekindle.knowledge.service import Filters, Knowledge, Source
from tests.conftest import OpenHouse

Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def knowledge(house: House) -> Knowledge:
    return house.knowledge


@pytest.fixture
def name() -> str:
    """An assistant of the test's own."""
    return f"guide {uuid4().hex[:8]}"


@pytest.fixture
def rows(conninfo: str, name: str) -> Rows:
    """Asks for rows of the test's own documents: `d` is documents, `c` chunks."""

    def ask(what: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(conninfo) as connection:
            return connection.execute(
                f"SELECT {what} FROM documents d LEFT JOIN chunks c ON c.document_id = d.id WHERE d.assistant = %s "
                "ORDER BY d.uri, c.seq",
                (name,),
            ).fetchall()

    return ask


def write(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"{number:04}.md").write_text(
            f"# Rule {number}\n\nThe colour of locker {number} is shade {number * 7}.\n"
        )


async def test_a_second_run_touches_only_what_changed_and_removes_what_is_gone(
    knowledge: Knowledge, tmp_path: Path, name: str, rows: Rows
) -> None:
    write(tmp_path, 300)
    first = await knowledge.ingest(tmp_path, name)
    assert (first.added, first.changed, first.unchanged, first.removed) == (300, 0, 0, 0)
    before = {row[0]: row[1:] for row in rows("d.path, d.xmin::text, c.xmin::text, c.id")}
    assert len(before) == 300

    (tmp_path / "0007.md").write_text("# Rule 7\n\nLocker 7 is closed for good.\n")
    (tmp_path / "0011.md").unlink()
    second = await knowledge.ingest(tmp_path, name)
    assert (second.added, second.changed, second.unchanged, second.removed) == (0, 1, 298, 1)
    assert second.passages == 1
    after = {row[0]: row[1:] for row in rows("d.path, d.xmin::text, c.xmin::text, c.id")}
    folder = tmp_path.name
    assert before.keys() - after.keys() == {f"{folder}/0011.md"}
    # A row that was written again, even as it was, has another xmin.
    assert [path for path in after if after[path] != before[path]] == [f"{folder}/0007.md"]
    assert "closed for good" in (await knowledge.search("locker 7 closed", name)).hits[0].content
    assert (await knowledge.ingest(tmp_path, name)).unchanged == 299


async def test_a_run_that_stopped_goes_on(knowledge: Knowledge, tmp_path: Path, name: str, rows: Rows) -> None:
    write(tmp_path, 200)

    class Stop(Exception):
        pass

    def stop(outcome: Any, total: int | None) -> None:
        assert total == 200
        if outcome.passages >= 100:
            raise Stop

    with pytest.raises(Stop):
        await knowledge.ingest(tmp_path, name, progress=stop)
    here = len(rows("d.id"))
    assert 100 <= here < 200
    outcome = await knowledge.ingest(tmp_path, name)
    assert (outcome.unchanged, outcome.added) == (here, 200 - here)


async def test_a_run_tells_how_it_stands_also_when_it_ends_without_a_word(
    house: House, knowledge: Knowledge, tmp_path: Path, name: str
) -> None:
    write(tmp_path, 200)
    midway = asyncio.Event()

    def pause(outcome: Any, total: int | None) -> None:
        if outcome.passages:
            midway.set()

    async def mine() -> Source:
        found, _ = await knowledge.sources(after=None, limit=100)
        return next(source for source in found if source.assistant == name)

    run = asyncio.create_task(knowledge.ingest(tmp_path, name, progress=pause))
    await midway.wait()
    source = await mine()
    assert (source.state, source.finished_at) == ("running", None)
    await knowledge.asked_for(source.id)
    assert (await mine()).state == "running", "one that runs runs on"
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    stopped = await mine()
    assert stopped.state == "queued", "what was asked for meanwhile still waits"
    assert 0 < stopped.outcome["added"] < 200
    await knowledge.reingest(source.id)
    done = await mine()
    assert (done.state, done.documents, done.queued_at) == ("done", 200, None)

    async with house.database.system() as connection:  # a server that is killed says nothing more
        await connection.execute(
            "UPDATE knowledge_sources SET finished_at = NULL, seen_at = now() - interval '3 minutes' WHERE id = %s",
            (source.id,),
        )
    assert (await mine()).state == "stopped"


async def test_kinds_titles_headings_and_links_are_read(knowledge: Knowledge, tmp_path: Path, name: str) -> None:
    (tmp_path / "guide.md").write_text(
        "---\ntitle: Pool guide\nurl: https://pools.example/guide\n---\n# Pools\n\nIntro. See [rules](rules.html).\n\n"
        "## Water\n\nKeep **chlorine** at 3 ppm, says [the law](https://law.example/pools).\n\n```\n# no heading\n```\n"
    )
    (tmp_path / "rules.html").write_text(
        "<html><head><title>Rules</title></head><body><nav><a href='https://pools.example/home'>Home</a></nav><article>"
        "<h1>Rules</h1><p>No running at the side of the pool, and no diving into the shallow end of it.</p>"
        "<script>alert('x')</script></article></body></html>"
    )
    (tmp_path / "notes.txt").write_bytes("Öffnungszeiten\n\nMontags bleibt das Becken geschlossen.".encode("latin-1"))
    (tmp_path / "leaflet.pdf").write_bytes(a_pdf("The sauna opens at nine."))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / ".hidden.md").write_text("secret")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nonsense")
    (tmp_path / "binary.txt").write_bytes(b"a\0b\0c" * 100)
    (tmp_path / "empty.md").write_text("\n\n")
    (tmp_path / "elsewhere.md").symlink_to("/etc/hostname")
    outcome = await knowledge.ingest(tmp_path, name)
    assert outcome.added == 4
    assert {path.rpartition("/")[2] for path, _ in outcome.left_out} == {"broken.pdf", "binary.txt", "empty.md"}
    assert outcome.others == 1

    documents, total = await knowledge.documents(Filters(assistant=name), after=None, limit=10)
    assert total == 4
    by_kind = {document.kind: document for document in documents}
    assert by_kind["markdown"].title == "Pool guide"
    assert by_kind["markdown"].url == "https://pools.example/guide"
    assert by_kind["markdown"].path == f"{tmp_path.name}/guide.md"
    assert by_kind["html"].title == "Rules"
    links, _ = await knowledge.links(document=by_kind["markdown"].id, query=None, after=None, limit=10)
    assert {(link.url, link.text) for link in links} == {
        ("https://pools.example/rules.html", "rules"),
        ("https://law.example/pools", "the law"),
    }
    links, _ = await knowledge.links(document=by_kind["html"].id, query="HOME", after=None, limit=10)
    assert [link.url for link in links] == ["https://pools.example/home"]

    [water] = [hit for hit in (await knowledge.search("how much chlorine", name)).hits if "3 ppm" in hit.content]
    assert (water.title, water.heading, water.url) == ("Pool guide", "Pools > Water", "https://pools.example/guide")
    assert "alert" not in str(await knowledge.search("alert running", name))
    assert (await knowledge.search("sauna", name)).hits[0].heading == "Page 1"
    assert (await knowledge.search("becken geschlossen", name)).hits[0].title == "Öffnungszeiten"


async def test_a_files_relative_links_lead_to_the_files_beside_it(
    knowledge: Knowledge, tmp_path: Path, name: str
) -> None:
    root = tmp_path / "manual"
    (root / "pools").mkdir(parents=True)
    (root / "pools" / "deep end.md").write_text(
        "# The deep end\n\nFirst the [rules](../rules.html#diving), [the pump](pump.md), [gone](gone.md), "
        "[outside](../../../etc/passwd), [the disk](file:///etc/passwd), [the root](/etc/passwd), [here](#top), "
        "[mail](mailto:a@b.example), [a colon](x:y), [the web](https://law.example/a#b).\n"
    )
    (root / "pools" / "pump.md").write_text("---\nurl: https://pools.example/pump\n---\n# The pump\n\nIt hums.\n")
    (root / "rules.html").write_text(
        "<html><head><title>Rules</title></head><body><article><h1>Rules</h1><p>No diving into the shallow end, see "
        "<a href='pools/deep%20end.md'>the deep end</a> and <a href='https://pools.example/pump'>the pump</a>.</p>"
        "</article></body></html>"
    )
    await knowledge.ingest(root, name)
    documents, _ = await knowledge.documents(Filters(assistant=name), after=None, limit=10)
    titles = {str(document.id): document.title for document in documents}
    found, _ = await knowledge.links(document=None, query=None, after=None, limit=100)
    ours = [link for link in found if str(link.document_id) in titles]
    assert {(link.document_title, link.url, titles.get(str(link.target_id))) for link in ours} == {
        ("The deep end", "manual/rules.html", "Rules"),
        ("The deep end", "manual/pools/pump.md", "The pump"),
        ("The deep end", "manual/pools/gone.md", None),
        ("The deep end", "https://law.example/a", None),
        ("Rules", "manual/pools/deep end.md", "The deep end"),
        ("Rules", "https://pools.example/pump", "The pump"),
    }


def a_pdf(text: str) -> bytes:
    """The smallest PDF with a line of text on its page."""
    stream = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    body, places = bytearray(b"%PDF-1.4\n"), []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(body)
    body += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(body + b"trailer\n<< /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % start)


async def test_a_document_that_can_no_longer_be_read_stays_and_one_that_was_emptied_goes(
    knowledge: Knowledge, tmp_path: Path, name: str, rows: Rows
) -> None:
    (tmp_path / "a.txt").write_text("The key is under the mat.")
    (tmp_path / "b.txt").write_text("The bell is broken.")
    await knowledge.ingest(tmp_path, name)
    (tmp_path / "a.txt").write_bytes(b"\0" * 50)
    (tmp_path / "b.txt").write_text("   ")
    outcome = await knowledge.ingest(tmp_path, name)
    assert (outcome.removed, len(outcome.left_out)) == (1, 2)
    assert rows("c.content") == [("The key is under the mat.",)]


async def test_what_cannot_be_looked_into_is_said_and_what_was_read_there_stays(
    knowledge: Knowledge, tmp_path: Path, name: str
) -> None:
    write(tmp_path, 1)
    (tmp_path / "round.md").symlink_to("round.md")
    deep = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):  # at last a path longer than the system takes: nobody may be asked about it, not even root
        os.mkdir("d" * 250, dir_fd=deep)
        above, deep = deep, os.open("d" * 250, os.O_RDONLY, dir_fd=deep)
        os.close(above)
    os.close(deep)
    outcome = await knowledge.ingest(tmp_path, name)
    [(place, why)] = outcome.left_out
    assert (outcome.added, why) == (1, "It cannot be opened: File name too long.")
    assert place.startswith(f"{tmp_path.name}/ddd")
    listing = Listing("folder", tmp_path, (), closed=((tmp_path / "shut", why),))
    hidden = {place: listing.hides(f"{tmp_path}/{place}") for place in ("shut/in/a.md", "shut-down/a.md", "a.md")}
    assert hidden == {"shut/in/a.md": True, "shut-down/a.md": False, "a.md": False}


async def test_a_folder_that_is_empty_all_at_once_forgets_nothing_until_told(
    knowledge: Knowledge, tmp_path: Path, name: str, rows: Rows
) -> None:
    write(tmp_path, 3)
    await knowledge.ingest(tmp_path, name)
    for number in range(3):
        (tmp_path / f"000{number}.md").unlink()
    with pytest.raises(InvalidRequest, match="3 documents of it stay"):
        await knowledge.ingest(tmp_path, name)
    assert len(rows("d.id")) == 3
    assert await knowledge.forget(str(tmp_path), name) == 3
    assert rows("d.id") == []
    with pytest.raises(NotFound):
        await knowledge.forget(str(tmp_path), name)
    with pytest.raises(NotFound):
        await knowledge.ingest(tmp_path / "nowhere", name)


async def test_a_file_brought_in_alone_and_with_its_folder_is_one_document(
    knowledge: Knowledge, tmp_path: Path, name: str, rows: Rows
) -> None:
    write(tmp_path, 3)
    await knowledge.ingest(tmp_path / "0000.md", name)
    seen: list[tuple[int, int | None]] = []
    await knowledge.ingest(tmp_path, name, progress=lambda outcome, total: seen.append((outcome.seen, total)))
    assert len(rows("d.id")) == 3
    assert list(dict.fromkeys(seen)) == [(1, 3), (2, 3), (3, 3)]  # each as it is read, not only those written
    with pytest.raises(NotFound, match="not an address that begins with http"):
        await knowledge.ingest("ftp://pools.example/guide", name)


async def test_what_is_one_assistants_is_not_anothers_and_what_is_all_assistants_is_everybodys(
    knowledge: Knowledge, tmp_path: Path, name: str
) -> None:
    word = f"zebra{uuid4().hex[:6]}"
    for folder, owner in (("mine", name), ("theirs", f"{name} not"), ("all", None)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text(f"# {folder}\n\nThe {word} of {folder}.")
        await knowledge.ingest(tmp_path / folder, owner)
    assert {hit.title for hit in (await knowledge.search(word, name)).hits} == {"mine", "all"}
    assert {hit.title for hit in (await knowledge.search(word)).hits} == {"mine", "theirs", "all"}
    await knowledge.forget(str(tmp_path / "all"))


class Counting:
    """An embedder whose vectors say how many a's, b's, c's … a text has."""

    def __init__(self, name: str, width: int = 26) -> None:
        self.name = name
        self.width = width
        self.asked = 0
        self.largest = 0
        self.away = False

    async def embed(self, texts: Any) -> list[list[float]]:
        if self.away:
            raise ModelUnreachable
        self.asked += len(texts)
        self.largest = max(self.largest, len(texts))
        return [[text.lower().count(chr(97 + place % 26)) + 0.01 for place in range(self.width)] for text in texts]

    async def aclose(self) -> None:
        """There is nothing to close."""


def with_embedder(house: House, embedder: Counting | None) -> Knowledge:
    return Knowledge(house.database, Search(house.database, embedder), house.fetcher, house.studies)


@pytest.fixture
async def alone(open_a_house: OpenHouse, new_database: Callable[[], str]) -> House:
    """A house on a database where no other test's chunks wait for vectors."""
    return await open_a_house(work=False, database_url=SecretStr(new_database()))  # type: ignore[no-any-return]


async def test_vectors_come_with_the_documents_and_anew_with_another_model(alone: House, tmp_path: Path) -> None:
    write(tmp_path, 40)
    small, large = Counting("small"), Counting("large", 384)
    first = with_embedder(alone, small)
    assert (await first.ingest(tmp_path)).waiting == 0
    assert small.asked == 40
    assert await first.embedded() == (40, 40)
    assert (await first.search("locker")).by_meaning

    second = with_embedder(alone, large)
    assert await second.is_behind()
    found = await second.search("shade 70")  # words find what has no vector of this model yet
    assert found.hits[0].title == "Rule 10"
    assert await second.catch_up() == 40
    assert not await second.is_behind()
    assert large.asked == 41
    assert (await second.ingest(tmp_path)).unchanged == 40
    assert large.asked == 41
    nothing_alike = await second.search("qqqqqqq shade")
    assert nothing_alike.by_meaning
    assert nothing_alike.total == 40

    (tmp_path / "book.md").write_text("\n\n".join(f"# Day {day}\n\n{'It rained. ' * 90}" for day in range(300)))
    assert (await first.ingest(tmp_path)).passages == 300
    assert small.largest < 100  # who stops a run need not wait for a whole book

    large.width = 512  # its server has changed, under the same name: vectors are kept that cannot be compared
    assert (await second.search("shade 70")).hits[0].title == "Rule 10"


async def test_an_embedder_that_is_away_delays_vectors_only(alone: House, tmp_path: Path) -> None:
    write(tmp_path, 5)
    embedder = Counting("away")
    embedder.away = True
    knowledge = with_embedder(alone, embedder)
    outcome = await knowledge.ingest(tmp_path)
    assert (outcome.added, outcome.waiting) == (5, 5)
    found = await knowledge.search("locker 3")
    assert not found.by_meaning
    assert found.hits[0].title == "Rule 3"
    embedder.away = False
    assert await knowledge.catch_up() == 5
    assert (await knowledge.search("locker 3")).by_meaning


async def test_without_an_embedder_words_do_and_it_is_said(alone: House, tmp_path: Path) -> None:
    write(tmp_path, 5)
    knowledge = with_embedder(alone, None)
    await knowledge.ingest(tmp_path)
    found = await knowledge.search("which shade does locker 4 have?")
    assert not found.by_meaning
    assert found.hits[0].title == "Rule 4"
    assert not await knowledge.is_behind()
    for nothing in ("", "   ", "the of and", "zzz", "'; DROP TABLE chunks; --", "a" * 5000, "க" * 1000, "\ud800"):
        assert (await knowledge.search(nothing)).hits == ()


class Scattered(Counting):
    """Vectors in all directions, and the nearer to the question the more a text is like "aaaa"."""

    async def embed(self, texts: Any) -> list[list[float]]:
        found = []
        for text in texts:
            noise = random.Random(text)
            near = 30.0 if "aaaa" in text else 5.0
            found.append([noise.gauss(0, 1) + (near if place == 0 else 0) for place in range(self.width)])
        return found


async def test_under_a_filter_no_near_row_is_lost(alone: House, tmp_path: Path) -> None:
    # 300 passages of another assistant are all nearer than the 5 of this one.
    embedder = Scattered("wide", 384)
    knowledge = with_embedder(alone, embedder)
    for folder, count, text in (("many", 300, "aaaa"), ("few", 5, "bbbb")):
        (tmp_path / folder).mkdir()
        for number in range(count):
            (tmp_path / folder / f"{number}.txt").write_text(f"{text} number{number}")
        await knowledge.ingest(tmp_path / folder, folder)
    [asked] = await embedder.embed(["aaaa"])
    async with alone.database.system() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        await connection.execute("SET LOCAL enable_sort = off")  # so that the index is asked where it may be
        for index in (True, False):
            assert len(await list_nearest(connection, asked, "wide", "few", 80, index=index)) == 5
            assert len(await list_nearest(connection, asked, "wide", None, 80, index=index)) == 80
    assert (await knowledge.search("bbbb", "few")).total == 5


async def test_a_document_that_hangs_or_swells_its_reader_is_left_out_and_the_next_is_read() -> None:
    page = b"<html><body><article>" + b"<p>word <b>bold</b> and more of it.</p>" * 50_000
    async with Reader(seconds=1.5) as reader:
        with pytest.raises(Unreadable, match=r"longer than 1\.5 s"):
            await reader.read(page, "html", "long")
    async with Reader() as reader:
        assert (await reader.read(b"<title>Hut</title><p>It has a stove.</p>", "html", "x")).title == "Hut"
        with pytest.raises(Unreadable):
            await reader.read(a_pdf("x").replace(b"/Kids [3 0 R]", b"/Kids [2 0 R]"), "pdf", "round and round")
        with pytest.raises(Unreadable):
            await reader.read(b"%PDF-1.7\n" + b"<<" * 200_000, "pdf", "deep")
        with pytest.raises(Unreadable):
            await reader.read(b"\0" * 1000, "pdf", "zeros")
        assert (await reader.read(a_pdf("Fine."), "pdf", "x")).sections[0].text == "Fine."


def test_long_texts_are_cut_where_they_can_be_and_bounded_everywhere() -> None:
    text = (
        "# T\n\n" + "\n\n".join(f"Paragraph {n}. " + "Some words of it. " * 20 for n in range(50)) + "\n\n" + "x" * 5000
    )
    passages = cut(read(text.encode(), "markdown", "t"))
    assert max(len(p.content) for p in passages) <= LONGEST
    assert len(passages) > 15
    whole = " ".join(p.content for p in passages)
    assert all(f"Paragraph {n}." in whole for n in range(50))
    with pytest.raises(Unreadable, match="larger"):
        read(b"x" * 20_000_001, "text", "t")


@pytest.mark.parametrize(
    "text",
    ["[" * 20_000, "*" * 20_000, "#" * 20_000, "![](" * 5_000, "---\n" * 5_000, "`" * 20_000, "<!--" * 5_000,
     "http://" * 3_000, "| " * 10_000, "a\n=\n" * 5_000, "# x" + " " * 20_000 + "y", "# x" + " #" * 20_000 + "y",
     f"[a]({'x' * 2_200}\n" * 40],
)  # fmt: skip
def test_no_text_takes_long_to_read(text: str) -> None:
    read(text.encode(), "markdown", "t")
    read(f"<p>{text}".encode(), "html", "t", "https://a.example/")


async def test_a_place_is_one_however_it_is_named(
    knowledge: Knowledge, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "here").mkdir()
    write(tmp_path / "docs", 2)
    monkeypatch.chdir(tmp_path / "here")
    assert (await knowledge.ingest(Path("../docs"), name)).added == 2
    assert (await knowledge.ingest(tmp_path / "docs" / ".", name)).unchanged == 2
    assert await knowledge.forget("../here/../docs/", name) == 2


async def test_a_source_remembers_its_run_and_is_run_again(knowledge: Knowledge, tmp_path: Path, name: str) -> None:
    write(tmp_path, 2)
    await knowledge.ingest(tmp_path, name)
    sources, _ = await knowledge.sources(after=None, limit=100)
    [source] = [source for source in sources if source.assistant == name]
    assert (source.kind, source.documents, source.outcome["added"]) == ("folder", 2, 2)
    (tmp_path / "0001.md").unlink()
    outcome = await knowledge.reingest(source.id)
    assert outcome is not None
    assert outcome.removed == 1
    assert await knowledge.reingest(UUID(int=1)) is None
    (tmp_path / "0000.md").rename(tmp_path / "0000.xyz")
    with pytest.raises(InvalidRequest):
        await knowledge.reingest(source.id)
    assert "documents of it stay" in (await knowledge.source(source.id)).outcome["note"]
