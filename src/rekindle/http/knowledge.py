"""`/api/v1/knowledge` and its part of `/api/v1/admin`: documents, their links, courses and prices."""

import math
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from rekindle.http.caller import AdminDep, CallerDep, HouseDep, known_id
from rekindle.http.shapes import After, Asked, CountedPage, Cursor, Limit, Page, Shape, read_cursor, written
from rekindle.knowledge.prices.service import Course, Price
from rekindle.knowledge.search.service import Hit, Place
from rekindle.knowledge.service import DocumentNotFound, Filters, SourceNotFound

router = APIRouter(prefix="/api/v1", tags=["knowledge"])

Word = Annotated[str | None, Query(max_length=200, description="Only those that hold this, in capitals or not.")]
Whose = Annotated[str | None, Query(max_length=200, description="Only what is this assistant's own.")]


class KnowledgeHit(BaseModel):
    """A passage that bears on what was asked: `url` of a web page, `path` of a file, under `heading`.

    `highlights` are ranges of `snippet`, from and to, in characters; scores compare hits of one search only.
    """

    chunk_id: UUID
    document_id: UUID
    title: str
    url: str | None
    path: str | None
    heading: str
    snippet: str
    highlights: list[list[int]]
    score: float

    @classmethod
    def of(cls, hit: Hit) -> "KnowledgeHit":
        """The shape of a hit."""
        return cls(
            chunk_id=hit.place.chunk_id,
            document_id=hit.document_id,
            title=hit.title,
            url=hit.url,
            path=hit.path,
            heading=hit.heading,
            snippet=hit.snippet.text,
            highlights=[list(span) for span in hit.snippet.highlights],
            score=hit.place.score,
        )


class KnowledgeFound(Page[KnowledgeHit]):
    """Hits, best first, of `total`; without `by_meaning` there is no embedder, and words alone were compared."""

    total: int
    by_meaning: bool


class SourceOut(Shape):
    """Where documents come from, and how its last run stands.

    `queued`: another one is asked for; `running`: `outcome` counts so far; `stopped`: it ended without a word, and goes
    on where it was when it is run again; `failed`: `outcome.note` says why.
    """

    id: UUID
    assistant: str | None
    location: str
    kind: Literal["file", "folder", "site"]
    documents: int
    state: Literal["queued", "running", "stopped", "failed", "done"]
    queued_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    outcome: dict[str, Any]


class DocumentOut(Shape):
    """A document. `embedded`: how many of its chunks have a vector of the embedder that is set."""

    id: UUID
    source_id: UUID
    assistant: str | None
    title: str
    url: str | None
    path: str | None
    kind: Literal["html", "markdown", "text", "pdf"]
    size_bytes: int
    chunks: int
    embedded: int
    links: int
    created_at: datetime
    updated_at: datetime


class ChunkOut(Shape):
    """A passage of a document, as it is searched and quoted."""

    id: UUID
    seq: int
    heading: str
    content: str
    embedding_model: str | None


class LinkOut(Shape):
    """A link of a document: a whole address, or the `path` of another file.

    `target_id`: the document it leads to, where that is here too.
    """

    id: UUID
    document_id: UUID
    document_title: str
    url: str
    text: str
    target_id: UUID | None


class Queued(BaseModel):
    """Another run over a source: `queued`, or `waiting` when one was queued already."""

    source_id: UUID
    status: Literal["queued", "waiting"]


class IndividualPrice(BaseModel):
    """What one person pays; amounts are texts, as numbers would lose digits. Days are included."""

    price: str
    currency: str
    valid_from: date | None
    valid_to: date | None


class GroupPrice(IndividualPrice):
    """What a group of a size pays: each `person`, or as a `group`. `max_people` null: however many more."""

    min_people: int
    max_people: int | None
    per: Literal["person", "group"]


class CourseOut(BaseModel):
    """A course and all its prices."""

    id: UUID
    assistant: str | None
    name: str
    code: str | None
    description: str | None
    url: str | None
    updated_at: datetime
    individual: list[IndividualPrice]
    group: list[GroupPrice]

    @classmethod
    def of(cls, found: tuple[Course, list[Price]]) -> "CourseOut":
        """The shape of a course."""
        course, prices = found
        shaped = [
            {
                "price": str(p.price),
                "currency": p.currency,
                "valid_from": p.valid_from,
                "valid_to": p.valid_to,
                **({"min_people": p.min_people, "max_people": p.max_people, "per": p.per} if p.is_group else {}),
            }
            for p in prices
        ]
        return cls(
            id=course.id,
            assistant=course.assistant,
            name=course.name,
            code=course.code,
            description=course.description,
            url=course.url,
            updated_at=course.updated_at,
            individual=[IndividualPrice.model_validate(p) for p in shaped if "per" not in p],
            group=[GroupPrice.model_validate(p) for p in shaped if "per" in p],
        )


@router.get("/knowledge/search")
async def search_knowledge(
    house: HouseDep,
    caller: CallerDep,
    q: Asked,
    assistant: Annotated[
        str | None, Query(max_length=200, description="What this assistant may look up; all documents unless given.")
    ] = None,
    cursor: Cursor = None,
    limit: Annotated[Limit, Query()] = 10,
) -> KnowledgeFound:
    """The passages of documents that bear on a question, best first; the best hundred are ranked."""
    after = read_cursor(cursor, _read_place)
    found = await house.knowledge.search(q, _clean(assistant), user_id=caller.user_id, after=after, limit=limit + 1)
    beside = {"total": found.total, "by_meaning": found.by_meaning}
    return KnowledgeFound.cut(found.hits, limit, KnowledgeHit.of, lambda hit: _place(hit.place), **beside)


@router.get("/admin/knowledge/sources")
async def list_sources(
    house: HouseDep, admin: AdminDep, cursor: After = None, limit: Annotated[Limit, Query()] = 20
) -> CountedPage[SourceOut]:
    """Where documents come from, newest first."""
    found, total = await house.knowledge.sources(after=cursor, limit=limit)
    return CountedPage[SourceOut].cut(
        found, limit, SourceOut.of, lambda source: str(source.id), total=total, more=False
    )


@router.get("/admin/knowledge/sources/{source_id}")
async def get_source(house: HouseDep, admin: AdminDep, source_id: str) -> SourceOut:
    """One source, and what has become of the run that was asked for last."""
    return SourceOut.of(await house.knowledge.source(known_id(source_id, SourceNotFound)))


@router.post("/admin/knowledge/sources/{source_id}/reingest", status_code=202)
async def reingest_source(house: HouseDep, admin: AdminDep, source_id: str) -> Queued:
    """Run a source again, as a job: only what has changed is written. Its files are read where the job runs."""
    return await _queue(house, (await house.knowledge.source(known_id(source_id, SourceNotFound))).id)


@router.get("/admin/knowledge/documents")
async def list_documents(
    house: HouseDep,
    admin: AdminDep,
    q: Word = None,
    assistant: Whose = None,
    source_id: UUID | None = None,
    kind: Literal["html", "markdown", "text", "pdf"] | None = None,
    cursor: After = None,
    limit: Annotated[Limit, Query()] = 20,
) -> CountedPage[DocumentOut]:
    """Documents, newest first; `q` is looked for in titles, addresses and paths."""
    filters = Filters(_clean(assistant), source_id, kind, _clean(q))
    found, total = await house.knowledge.documents(filters, after=cursor, limit=limit)
    return CountedPage[DocumentOut].cut(
        found, limit, DocumentOut.of, lambda document: str(document.id), total=total, more=False
    )


@router.get("/admin/knowledge/documents/{document_id}")
async def get_document(house: HouseDep, admin: AdminDep, document_id: str) -> DocumentOut:
    """One document."""
    return DocumentOut.of(await house.knowledge.document(known_id(document_id, DocumentNotFound)))


@router.get("/admin/knowledge/documents/{document_id}/chunks")
async def list_chunks(
    house: HouseDep,
    admin: AdminDep,
    document_id: str,
    cursor: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[Limit, Query()] = 20,
) -> CountedPage[ChunkOut]:
    """The passages of a document, in order."""
    document = await house.knowledge.document(known_id(document_id, DocumentNotFound))
    found = await house.knowledge.chunks(document.id, after=cursor, limit=limit)
    return CountedPage[ChunkOut].cut(
        found, limit, ChunkOut.of, lambda chunk: str(chunk.seq), total=document.chunks, more=False
    )


@router.post("/admin/knowledge/documents/{document_id}/reingest", status_code=202)
async def reingest_document(house: HouseDep, admin: AdminDep, document_id: str) -> Queued:
    """Run the source of a document again, as a job."""
    document = await house.knowledge.document(known_id(document_id, DocumentNotFound))
    return await _queue(house, document.source_id)


@router.get("/admin/knowledge/links")
async def list_links(
    house: HouseDep,
    admin: AdminDep,
    q: Word = None,
    document_id: UUID | None = None,
    cursor: After = None,
    limit: Annotated[Limit, Query()] = 20,
) -> CountedPage[LinkOut]:
    """Links of all documents or of one, newest first; `q` is looked for in addresses and texts."""
    found, total = await house.knowledge.links(document=document_id, query=_clean(q), after=cursor, limit=limit)
    return CountedPage[LinkOut].cut(found, limit, LinkOut.of, lambda link: str(link.id), total=total, more=False)


@router.get("/admin/courses")
async def list_courses(
    house: HouseDep,
    admin: AdminDep,
    q: Word = None,
    assistant: Whose = None,
    cursor: Annotated[str | None, Query(max_length=1_000)] = None,
    limit: Annotated[Limit, Query()] = 20,
) -> CountedPage[CourseOut]:
    """Courses by name, with all their prices; `q` is looked for in names and codes."""
    after = read_cursor(cursor, _read_name)
    found, total = await house.prices.courses(assistant=_clean(assistant), query=_clean(q), after=after, limit=limit)
    return CountedPage[CourseOut].cut(found, limit, CourseOut.of, lambda row: _name(row[0]), total=total, more=False)


async def _queue(house: HouseDep, source_id: UUID) -> Queued:
    await house.knowledge.asked_for(source_id)
    return Queued(source_id=source_id, status="queued" if await house.jobs.ingest_later(source_id) else "waiting")


def _clean(text: str | None) -> str | None:
    """Text as PostgreSQL takes it; what is empty limits nothing."""
    return text.replace("\0", "") or None if text is not None else None


def _place(place: Place) -> str:
    return written(f"{place.score!r} {place.chunk_id}")


def _read_place(text: str) -> Place:
    score, _, chunk = text.partition(" ")
    place = Place(float(score), UUID(chunk))
    if not math.isfinite(place.score):
        raise ValueError("no score")
    return place


def _name(course: Course) -> str:
    return written(f"{course.name} {course.id}")


def _read_name(text: str) -> tuple[str, UUID]:
    name, _, course = text.rpartition(" ")
    if not name or "\0" in name:
        raise ValueError("no name")
    return name, UUID(course)
