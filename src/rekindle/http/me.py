"""`/api/v1/me`: what is about the caller as a person: usage, export, erasure."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from rekindle.conversation.erasure.service import check_confirmed
from rekindle.errors import Forbidden, SessionNotFound
from rekindle.http.caller import CallerDep, HouseDep, known_id
from rekindle.sessions.export.service import MEDIA_TYPES, SUFFIXES, Format
from rekindle.usage.service import DayUsage

router = APIRouter(prefix="/api/v1/me", tags=["me"])


class Used(BaseModel):
    """Tokens and turns. `cost` is in dollars, null when the price of a model is not known."""

    turns: int
    failed: int
    input_tokens: int
    output_tokens: int
    estimated_tokens: int
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
            cost=None if None in costs else sum(cost or 0 for cost in costs) / 1_000_000,
        )


class UsedOnDay(Used):
    """What one model was used for on one day (UTC)."""

    day: date
    model: str


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


class Confirmation(BaseModel):
    """What makes sure that nobody is erased by mistake: the e-mail address or the id of whom it is about."""

    confirm: Annotated[str, Field(max_length=300)]


@router.get("/usage")
async def my_usage(house: HouseDep, caller: CallerDep, days: Annotated[int, Query(ge=1, le=366)] = 30) -> UsageReport:
    """What the caller has used in the last days, today (UTC) among them."""
    return UsageReport.of(await house.usage.days(caller, days))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}},
)
async def export_mine(
    house: HouseDep,
    caller: CallerDep,
    format: Annotated[Format, Query(description="JSON imports back; a PDF needs the extra.")] = "json",  # noqa: A002
    session: Annotated[str | None, Query(max_length=100)] = None,
) -> StreamingResponse:
    """Everything the caller said and was told, or one session, as a file."""
    only = known_id(session, SessionNotFound) if session else None
    pieces = await house.exports.export(caller, format, only)
    name = f'attachment; filename="rekindle.{SUFFIXES[format]}"'
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[format], headers={"content-disposition": name})


@router.delete("", status_code=204)
async def erase_me(house: HouseDep, caller: CallerDep, confirmation: Confirmation) -> Response:
    """Erase the caller for good: every session, message, summary, count and token; `confirm` is their own address."""
    if caller.session_id is not None or caller.level != "verified":
        raise Forbidden("Only who has proven who they are can erase themselves.")
    check_confirmed(await house.identity.user(caller.user_id), confirmation.confirm)
    await house.erasure.erase(caller.user_id)
    return Response(status_code=204)
