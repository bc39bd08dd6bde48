"""`/api/v1/admin/dashboard`: how much the house is used; every number with the filter that opens what is behind it."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from rekindle.http.caller import AdminDep, HouseDep
from rekindle.usage.analytics.service import SAMPLED, Dashboard, Day, Leader

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Filter = Annotated[
    dict[str, str], Field(description="Query parameters of `/api/v1/admin/sessions` that list what is behind it.")
]


class Number(BaseModel):
    """A number and what opens the sessions behind it; null where it is not known."""

    value: float | None
    filter: Filter


class DayOut(BaseModel):
    """One day (UTC). `cost` is in dollars; of the `turns`, `failed` did not complete; `messages` are two a turn.

    `sessions` and `users` are those that were used; `started` sessions began, `returning` of them by who had been
    here before. `opens` lists the sessions used, `started_opens` those begun.
    """

    day: date
    users: int
    sessions: int
    turns: int
    messages: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    started: int
    returning: int
    opens: Filter
    started_opens: Filter

    @classmethod
    def of(cls, day: Day) -> "DayOut":
        """The shape of a day."""
        that_day = {"from": str(day.day), "to": str(day.day)}
        return cls(
            day=day.day,
            users=day.users,
            sessions=day.sessions,
            turns=day.turns,
            messages=2 * day.turns,
            failed=day.failed,
            input_tokens=day.input_tokens,
            output_tokens=day.output_tokens,
            cost=_dollars(day.cost_micros),
            started=day.started,
            returning=day.returning,
            opens=that_day,
            started_opens=that_day | {"started": "true"},
        )


class LeaderOut(BaseModel):
    """Who used most, or what was used most; `user_id` and `email` are a person's."""

    name: str | None
    user_id: UUID | None
    email: str | None
    sessions: int
    turns: int
    failed: int
    tokens: int
    cost: float | None
    opens: Filter


class ErrorCount(BaseModel):
    """Why turns did not complete: the error's code, or how they ended."""

    code: str
    count: int
    opens: Filter


class DashboardOut(BaseModel):
    """The use of the house on some days (UTC), both included.

    `totals`: users, sessions, turns, messages, failed, tokens, cost (dollars), started, returning_share (of the
    sessions begun, by who had been here before). `latency_ms`: of complete replies; `replies` of them, the newest
    200,000 at most (`sampled`).
    """

    model_config = ConfigDict(populate_by_name=True)

    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    totals: dict[str, Number]
    latency_ms: dict[str, Number]
    replies: int
    sampled: bool
    days: list[DayOut]
    errors: list[ErrorCount]
    users: list[LeaderOut]
    models: list[LeaderOut]
    assistants: list[LeaderOut]

    @classmethod
    def of(cls, found: Dashboard) -> "DashboardOut":
        """The shape of a dashboard."""
        those = {"from": str(found.first), "to": str(found.last)}
        begun = those | {"started": "true"}
        started = sum(day.started for day in found.days)
        back = sum(day.returning for day in found.days)
        totals = found.totals
        counted: dict[str, tuple[float | None, dict[str, str]]] = {
            "users": (totals.users, those),
            "sessions": (totals.sessions, those),
            "turns": (totals.turns, those),
            "messages": (2 * totals.turns, those),
            "failed": (totals.failed, those | {"errors": "true"}),
            "input_tokens": (totals.input_tokens, those),
            "output_tokens": (totals.output_tokens, those),
            "cost": (_dollars(totals.cost_micros), those),
            "started": (started, begun),
            "returning": (back, begun | {"returning": "true"}),
            "returning_share": (back / started if started else None, begun | {"returning": "true"}),
        }
        times = {"p50": found.times.p50, "p90": found.times.p90, "p99": found.times.p99}
        return cls(
            **{"from": found.first, "to": found.last},
            totals={name: Number(value=value, filter=opens) for name, (value, opens) in counted.items()},
            latency_ms={
                name: Number(value=ms, filter=those | ({} if ms is None else {"slower_than_ms": str(int(ms))}))
                for name, ms in times.items()
            },
            replies=found.times.replies,
            sampled=found.times.replies >= SAMPLED,
            days=[DayOut.of(day) for day in found.days],
            errors=[ErrorCount(code=code, count=count, opens=those | {"error": code}) for code, count in found.errors],
            users=[_leader(one, those | {"user_id": str(one.user_id)}) for one in found.users],
            models=[_leader(one, those | {"model": one.name or ""}) for one in found.models],
            assistants=[_leader(one, those | {"assistant": one.name or ""}) for one in found.assistants],
        )


def _leader(one: Leader, opens: dict[str, str]) -> LeaderOut:
    plain: dict[str, Any] = {
        name: getattr(one, name) for name in ("name", "user_id", "email", "sessions", "turns", "failed", "tokens")
    }
    return LeaderOut(**plain, cost=_dollars(one.cost_micros), opens=opens)


def _dollars(micros: int | None) -> float | None:
    return None if micros is None else micros / 1_000_000


@router.get("/dashboard")
async def dashboard(
    house: HouseDep,
    admin: AdminDep,
    first_day: Annotated[date | None, Query(alias="from", description="29 days before `to` unless told.")] = None,
    last_day: Annotated[date | None, Query(alias="to", description="Today (UTC) unless told.")] = None,
) -> DashboardOut:
    """Active sessions, messages and tokens a day, how fast and how well turns went, who used most."""
    return DashboardOut.of(await house.analytics.dashboard(admin, first=first_day, last=last_day))
