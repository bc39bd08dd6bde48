"""`/api/v1/me`: what is about the caller as a person: usage, recent questions, changes, export, import, erasure."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field, StringConstraints

from rekindle.conversation.erasure.service import check_confirmed
from rekindle.errors import Forbidden, SessionNotFound
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.http.sessions import InteractionOut
from rekindle.http.shapes import Cursor, Limit, Page, interaction_cursor, read_interaction_cursor
from rekindle.sessions.export.service import MEDIA_TYPES, SUFFIXES, Format
from rekindle.usage.service import DayUsage, Quota

router = APIRouter(prefix="/api/v1/me", tags=["me"])

STREAMED = frozenset({"/api/v1/me/import"})
"""Paths whose body is read as it comes."""


class Used(BaseModel):
    """Tokens and turns. `cost` is in dollars, null when the price of a model is not known.

    `background_tokens` of the input and output were no turn's, but used for summaries and titles.
    """

    turns: int
    failed: int
    input_tokens: int
    output_tokens: int
    estimated_tokens: int
    background_tokens: int
    cost: float | None

    @classmethod
    def total(cls, days: Sequence[DayUsage]) -> "Used":
        """All of it together."""
        costs = [day.cost_micros for day in days]
        return cls(
            turns=sum(day.turns for day in days),
            failed=sum(day.failed for day in days),
            input_tokens=sum(day.input_tokens for day in days),
            output_tokens=sum(day.output_tokens for day in days),
            estimated_tokens=sum(day.estimated_tokens for day in days),
            background_tokens=sum(day.background_tokens for day in days),
            cost=None if None in costs else sum(cost or 0 for cost in costs) / 1_000_000,
        )


class UsedOnDay(Used):
    """What one model was used for on one day (UTC)."""

    day: date
    model: str


class Allowance(BaseModel):
    """What a quota allows for today (UTC), and what is left of it; answers that are being written count in advance."""

    limit: float
    used: float
    left: float

    @classmethod
    def of(cls, limit: int | None, used: int, unit: int = 1) -> "Allowance | None":
        """The allowance of a limit, where there is one."""
        if limit is None:
            return None
        return cls(limit=limit / unit, used=used / unit, left=max(0, limit - used) / unit)


class QuotaOut(BaseModel):
    """The caller's quotas, null where none is set: `tokens`, and `cost` in dollars. They open again at `opens_at`."""

    tokens: Allowance | None
    cost: Allowance | None
    opens_at: datetime

    @classmethod
    def of(cls, quota: Quota) -> "QuotaOut":
        """The shape of a quota."""
        return cls(
            tokens=Allowance.of(quota.most_tokens, quota.tokens),
            cost=Allowance.of(quota.most_micros, quota.micros, 1_000_000),
            opens_at=quota.opens_at,
        )


class UsageReport(BaseModel):
    """Usage by day and model, the newest day first, and by model, and in all."""

    days: list[UsedOnDay]
    models: dict[str, Used]
    total: Used

    @classmethod
    def of(cls, days: Sequence[DayUsage]) -> "UsageReport":
        """The report of these days."""
        models = sorted({day.model for day in days})
        return cls(
            days=[UsedOnDay(**Used.total([day]).model_dump(), day=day.day, model=day.model) for day in days],
            models={model: Used.total([day for day in days if day.model == model]) for model in models},
            total=Used.total(days),
        )


class MyUsage(UsageReport):
    """The caller's usage, and what is left of their quota."""

    quota: QuotaOut


class Version(BaseModel):
    """What the caller's list of sessions is at: another text whenever it is another list."""

    version: str


class BroughtIn(BaseModel):
    """How many sessions came in, and how many were here already and stay as they are."""

    sessions: int
    known: int


class Confirmation(BaseModel):
    """What makes sure that nobody is erased by mistake: the e-mail address or the id of whom it is about."""

    confirm: Annotated[str, Field(max_length=300)]


@router.get("/usage")
async def my_usage(house: HouseDep, caller: CallerDep, days: Annotated[int, Query(ge=1, le=366)] = 30) -> MyUsage:
    """What the caller has used in the last days, today (UTC) among them, and what is left for today."""
    report = UsageReport.of(await house.usage.days(caller, days))
    return MyUsage(**report.model_dump(), quota=QuotaOut.of(await house.usage.quota(caller, house.settings)))


@router.get("/interactions")
async def recent_interactions(
    house: HouseDep, caller: CallerDep, cursor: Cursor = None, limit: Annotated[Limit, Query()] = 10
) -> Page[InteractionOut]:
    """The caller's newest questions and answers, of all sessions, the newest first."""
    before = read_interaction_cursor(cursor)
    found = await house.sessions.interactions.recent(caller, before=before, limit=limit + 1)
    return Page[InteractionOut].cut(found, limit, InteractionOut.of, interaction_cursor)


@router.get("/changes")
async def changes(
    house: HouseDep,
    caller: CallerDep,
    after: Annotated[str | None, Query(max_length=100, description="The `version` that the caller knows.")] = None,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for another one.")] = 0,
) -> Version:
    """Whether the list of sessions has changed, by whichever server: at once when it has, else when it does.

    Ask again with the version that came; a page that does keeps its list fresh.
    """
    return Version(version=await house.sessions.listing.version(caller, after, seconds=wait))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
)
async def export_mine(
    house: HouseDep,
    caller: CallerDep,
    format: Annotated[Format, Query(description="JSON imports back; a PDF needs the extra.")] = "json",  # noqa: A002
    session: Annotated[
        list[Annotated[str, StringConstraints(max_length=100)]] | None,
        Query(max_length=100, description="Only these sessions; may be given several times."),
    ] = None,
) -> StreamingResponse:
    """Everything the caller said and was told, or some sessions, as a file."""
    only = [known_id(one, SessionNotFound) for one in session or () if one]
    pieces = await house.exports.export(caller, format, *only)
    name = f'attachment; filename="rekindle.{SUFFIXES[format]}"'
    headers = {"content-disposition": name, "x-content-type-options": "nosniff"}
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[format], headers=headers)


@router.post(
    "/import",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "title": "A JSON export"}}},
        }
    },
)
async def import_mine(house: HouseDep, caller: CallerDep, request: Request) -> BroughtIn:
    """Bring sessions of a JSON export in, from here or elsewhere, as the caller's own.

    The file is read as it comes, up to `REKINDLE_MAX_IMPORT_BYTES`; sessions that came in before it turned out to be
    damaged stay.
    """
    new, known = await house.exports.bring_in(caller, request.stream(), most_bytes=house.settings.max_import_bytes)
    return BroughtIn(sessions=new, known=known)


@router.delete("", status_code=204)
async def erase_me(house: HouseDep, caller: CallerDep, confirmation: Confirmation) -> Response:
    """Erase the caller for good: every session, message, summary, count and token; `confirm` is their own address."""
    if caller.session_id is not None or caller.level != "verified":
        raise Forbidden("Only who has proven who they are can erase themselves.")
    check_confirmed(await house.identity.user(caller.user_id), confirmation.confirm)
    await house.erasure.erase(caller.user_id)
    return Response(status_code=204)
