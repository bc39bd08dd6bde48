"""`/api/v1/search`: what the caller said and was told, found again."""

import math
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from rekindle.http.caller import CallerDep, HouseDep
from rekindle.http.shapes import Asked, Cursor, Limit, MetadataFilter, Page, aware, read_cursor, written
from rekindle.ids import parse_uuid
from rekindle.memory.recall.service import Filters, Hit, Place, Shown

router = APIRouter(prefix="/api/v1/search", tags=["search"])

EXCERPT = 500
"""Characters shown of a hit's neighbours."""


class Neighbour(BaseModel):
    """The message before or after a hit, its beginning."""

    id: UUID
    seq: int
    role: Literal["user", "assistant"]
    content: str

    @classmethod
    def of(cls, message: Shown | None) -> "Neighbour | None":
        """The shape of a neighbour, where there is one."""
        if message is None:
            return None
        return cls(id=message.id, seq=message.seq, role=message.role, content=message.content[:EXCERPT])


class HitOut(BaseModel):
    """A message that bears on what was asked.

    `highlights` are ranges of `snippet`, from and to, in characters; scores compare hits of one search only.
    """

    session_id: UUID
    message_id: UUID
    seq: int
    role: Literal["user", "assistant"]
    created_at: datetime
    score: float
    snippet: str
    highlights: list[list[int]]
    before: Neighbour | None
    after: Neighbour | None

    @classmethod
    def of(cls, hit: Hit) -> "HitOut":
        """The shape of a hit."""
        return cls(
            session_id=hit.message.session_id,
            message_id=hit.message.id,
            seq=hit.message.seq,
            role=hit.message.role,
            created_at=hit.message.created_at,
            score=hit.place.score,
            snippet=hit.snippet.text,
            highlights=[list(span) for span in hit.snippet.highlights],
            before=Neighbour.of(hit.before),
            after=Neighbour.of(hit.after),
        )


class SearchPage(Page[HitOut]):
    """One page of hits; without `by_meaning`, words alone were compared: no embedder is there, or none answered."""

    by_meaning: bool


@router.get("")
async def search(
    house: HouseDep,
    caller: CallerDep,
    metadata: MetadataFilter,
    q: Asked,
    session_id: Annotated[str | None, Query(max_length=100, description="Only what was said in this session.")] = None,
    role: Annotated[Literal["user", "assistant"] | None, Query(description="Only what one of the two said.")] = None,
    assistant: Annotated[str | None, Query(max_length=200, description="Only talks with this assistant.")] = None,
    since: Annotated[datetime | None, Query(description="Only what was said then or later; UTC unless told.")] = None,
    until: Annotated[datetime | None, Query(description="Only what was said earlier than this.")] = None,
    cursor: Cursor = None,
    limit: Annotated[Limit, Query()] = 10,
) -> SearchPage:
    """The caller's messages that bear on a question, best first: by words, and by meaning where there is an embedder.

    The best 256 are ranked; what was said a moment ago is found by its words.
    """
    filters = Filters(
        # A malformed id is the id of no session.
        session_id=(parse_uuid(session_id) or UUID(int=0)) if session_id is not None else None,
        role=role,
        since=aware(since),
        until=aware(until),
        assistant=assistant.replace("\0", "") if assistant is not None else None,
        metadata=metadata,
    )
    hits = await house.recall.search(caller, q, filters, after=read_cursor(cursor, _place), limit=limit + 1)
    return SearchPage.cut(hits, limit, HitOut.of, lambda hit: _cursor(hit.place), by_meaning=hits.by_meaning)


def _cursor(place: Place) -> str:
    return written(f"{place.score!r} {place.session_id} {place.seq}")


def _place(text: str) -> Place:
    score, session, seq = text.split(" ")
    place = Place(float(score), UUID(session), int(seq))
    if not math.isfinite(place.score):
        raise ValueError("no score")
    return place
